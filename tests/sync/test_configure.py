"""Settings that are taken while the engine runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gitsync.protocol.identity import Machine
from gitsync.protocol.paths import MAX_FILE
from gitsync.sync.settings import SyncSettings
from tests.remotes import Remotes
from tests.sync.world import World


def test_the_time_out_of_the_network(make_remote: Remotes, tmp_path: Path) -> None:
    world = World(tmp_path, make_remote("http"))
    world.seed()
    one = world.computer("1", network_timeout=3600.0)  # longer than any test may take
    server = make_remote.http
    server.hang = True
    try:
        one.engine.configure(replace(one.settings, network_timeout=0.5), Machine("1"))
        assert one.cycle().state == "offline"
    finally:
        server.hang = False
        world.close()


def test_how_large_a_file_may_be(world: World) -> None:
    one = world.computer("1", max_file=64 * 1024)
    large, larger = b"a line\n" * 10_000, b"another line\n" * 20_000
    one.write("large.md", large)
    [trouble] = one.sync().troubles
    assert (trouble.path, "larger" in trouble.text) == ("large.md", True)
    assert "large.md" not in world.remote.files()
    one.engine.configure(replace(one.settings, max_file=100 * 1024), Machine("1"))
    one.write("larger.md", larger)
    [trouble] = one.sync().troubles
    assert trouble.path == "larger.md"
    assert world.remote.files()["large.md"] == large
    one.engine.configure(replace(one.settings, max_file=MAX_FILE), Machine("1"))
    assert one.sync().troubles == ()
    assert world.remote.files()["larger.md"] == larger


def test_no_file_may_be_larger_than_readers_take() -> None:
    assert SyncSettings().max_file == MAX_FILE == 8 * 1024 * 1024
