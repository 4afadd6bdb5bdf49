"""What a process costs that stands for months: memory, and the traces of a day with nothing to say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Row
from benchmarks.world import post, quiet, world

EXAMPLE = """\
[[agents]]
name = "builder"
kind = "http"
url = "http://127.0.0.1:{port}"
health = "/api/health"
deliver = "/api/build"
types = ["build_project"]

[[agents]]
name = "coder"
kind = "command"
argv = ["cat"]
concurrency = 2

[[agents]]
name = "mechanic"
kind = "claude"
model = "any"
base_url = "{api}"
api_key_env = "BENCH_KEY"
default = true
"""
TURNS = 10
"""Messages of the conversation with the model."""
CYCLES_A_DAY = 288
FRESH_MB, LIMIT_MB = 60, 80
IDLE_GROWTH = 100 * 1024


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def tree(pid: int) -> list[int]:
    """Return a process and everything it has started, by /proc."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = (task / "children").read_text().split()
        for child in children:
            found += tree(int(child))
    return found


def memory(cycles: int) -> list[Row]:
    """Measure the process with the example settings: fresh, after many cycles, and after talking with a model."""
    with world() as here:
        url, bare = here.remote()
        sink = here.sink()
        computer = here.computer("1", url, EXAMPLE.format(port=sink.url.rpartition(":")[2], api=here.messages_api()))
        computer.env["BENCH_KEY"] = "local"
        computer.up()
        quiet(bare)
        assert computer.daemon is not None
        pid = computer.daemon.pid
        fresh = resident(pid)
        for _ in range(cycles):
            post(computer, "/sync")
        cycled = resident(pid)
        thread = computer.ask("send", "self/mechanic", "a talk", "-m", "What is a lease?", "--wait", "60")["id"]
        for turn in range(TURNS - 1):
            computer.run("send", "self/mechanic", "a talk", "-m", f"And {turn}?", "--thread", thread, "--wait", "60")
        after = resident(pid)
        rest = tree(pid)[1:]
        whole = after + sum(resident(one) for one in rest)
        names = [Path(f"/proc/{one}/comm").read_text().strip() for one in rest]
    return [
        _memory("with the example settings, fresh", fresh, FRESH_MB),
        _memory(f"after {cycles:,} cycles", cycled, LIMIT_MB),
        _memory(f"after a conversation of {TURNS} turns with a model", after, LIMIT_MB),
        Row("Standing", "memory of the whole tree then", f"{whole:.0f} MB", "with " + (", ".join(names) or "no child")),
    ]


def _memory(when: str, megabytes: float, limit: int) -> Row:
    what = f"memory of the process {when}"
    return Row("Standing", what, f"{megabytes:.0f} MB", "", None, f"< {limit} MB", megabytes < limit)


def idle_day() -> list[Row]:
    """Force the cycles of a day on two machines that have nothing to say."""
    with world() as here:
        url, bare = here.remote()
        pair = [here.computer("1", url), here.computer("2", url)]
        for computer in pair:
            computer.up()
        for _ in range(4):
            for computer in pair:
                post(computer, "/sync")
        quiet(bare, seconds=2)
        clones = [computer.mailbox / ".git" for computer in pair]
        commits, pushes, sizes = here.commits(bare), here.pushes(bare), [_size(bare), *map(_size, clones)]
        for _ in range(CYCLES_A_DAY):
            for computer in pair:
                post(computer, "/sync")
        made, pushed = here.commits(bare) - commits, here.pushes(bare) - pushes
        grown = [after - before for before, after in zip(sizes, [_size(bare), *map(_size, clones)], strict=True)]
    return [
        Row(
            "Standing",
            f"an idle day: {CYCLES_A_DAY} cycles on each of two machines",
            f"{made} commits, {pushed} pushes of the branch",
            "",
            None,
            "0 and 0",
            made == pushed == 0,
        ),
        Row(
            "Standing",
            "an idle day: growth",
            f"remote {grown[0] / 1024:.1f} KB, clones {grown[1] / 1024:.1f} and {grown[2] / 1024:.1f} KB",
            "",
            None,
            "< 100 KB each",
            max(grown) < IDLE_GROWTH,
        ),
    ]


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def measure(*, full: bool = False) -> list[Row]:
    """Run everything of this module."""
    return [*memory(10_000 if full else 1_000), *idle_day()]
