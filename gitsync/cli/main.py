"""Parse the call, run the verb, turn what went wrong into three lines and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from gitsync.cli.streams import give_up_output, give_up_words, mend, output_fails
from gitsync.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, GitsyncError

if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call of the program and return its exit code."""
    mend()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # while something else that went wrong was being told
        return EXIT_INTERRUPTED
    finally:
        give_up_words()


def _run(words: list[str]) -> int:
    args: Namespace | None = None
    try:
        args = _parse(words)
        code = _function(args.run)(args)
        sys.stdout.flush()
        return code
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_ERROR
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain again when it flushes at exit.
        give_up_output()
        return EXIT_OK
    except GitsyncError as error:
        _tell(error.what, error.why, error.remedy)
        if error.exit_code == EXIT_ERROR:  # the others say all there is: a wrong call, a refusal, a remote that is away
            _keep_traceback(args)
        return error.exit_code
    except OSError as error:
        if not output_fails():
            return _unexpected(args, error)
        give_up_output()
        _tell("cannot write the output", error.strerror or str(error), "what was asked for may be done all the same")
        return EXIT_ERROR
    except Exception as error:
        return _unexpected(args, error)


def _unexpected(args: Namespace | None, error: Exception) -> int:
    kept = _keep_traceback(args)
    _tell(
        f"an unexpected failure: {type(error).__name__}",
        str(error),
        f"please report it; the traceback is in {kept}" if kept else "please report it",
    )
    return EXIT_ERROR


def _parse(words: list[str]) -> Namespace:
    # Hooks run at every prompt of a coding agent: they do without argparse and the parser of the thirty other verbs.
    named = words[:1] == ["--dir"]
    if len(call := words[2 * named :]) == 2 and call[0] == "hook" and not call[1].startswith("-"):
        from gitsync.cli.quick import SHOWN, nothing_to_say

        given = sys.stdin.buffer.read() if call[1] in SHOWN and sys.stdin and not sys.stdin.isatty() else None
        if nothing_to_say(call[1], words[1] if named else None, given or b""):
            raise SystemExit(EXIT_OK)
        import gc
        from pathlib import Path

        gc.disable()  # it is over before there is garbage worth looking for
        folder = Path(words[1]) if named else None
        return cast("Namespace", SimpleNamespace(run="hooking:hook", name=call[1], rest=[], dir=folder, given=given))
    from gitsync.cli.parser import build

    parser = build()
    if not words:
        parser.print_help(sys.stderr)
        raise SystemExit(EXIT_USAGE)
    return parser.parse_args(words)


def _function(run: str) -> Callable[[Namespace], int]:
    from importlib import import_module

    module, _, name = run.partition(":")
    function: Callable[[Namespace], int] = getattr(import_module(f"gitsync.cli.{module}"), name)
    return function


def _tell(what: str, why: str, remedy: str) -> None:
    from gitsync.cli.terminal import clean_line
    from gitsync.secrets.redact import know_environment, redact

    know_environment(os.environ)
    what, why, remedy = redact(what), redact(why), redact(remedy)
    with suppress(OSError):  # a full disk, or nobody there: the exit code says it
        print(f"gitsync: {clean_line(what)}", file=sys.stderr)
        for line in (why, remedy):
            if line:
                print(f"  {clean_line(line)}", file=sys.stderr)


def _keep_traceback(args: Namespace | None) -> str | None:
    """Append the traceback of the failure in hand to the log of this machine, else of this user."""
    from gitsync.cli.failures import keep

    return keep(getattr(args, "dir", None))
