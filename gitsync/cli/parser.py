"""Every verb and option of the command line, and the module that carries a verb out.

Nothing is imported here but argparse: the verb's module is loaded when it runs, so that help and hooks start fast.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gitsync import __version__
from gitsync.errors import EXIT_USAGE

DESCRIPTION = "The AI agents on your computers talk through a git repository that you can read and edit by hand."

EPILOG = """\
exit codes: 0 ok, 1 error with a remedy, 2 usage, 3 refused by policy,
            75 try later (remote away), 130 interrupted
"""

PRIORITIES = ("low", "normal", "high", "urgent")
"""Those of `gitsync.protocol.message`, which would take longer to load than all of this."""

TASK_STATES = ("QUEUED", "ASSIGNED", "IN_PROGRESS", "COMPLETED", "FAILED", "BLOCKED")
"""Those of `gitsync.tasks.values`."""

AN_ID = "a message; the first characters are enough"

Add = Callable[..., Any]


class Parser(argparse.ArgumentParser):
    """Say what is wrong with a call in the shape of every other failure: what, why, what to do."""

    def error(self, message: str) -> NoReturn:
        """Print the failure and leave with the exit code of a wrong call."""
        found = _UNKNOWN_VERB.match(message)
        if found is not None:
            what, why = f"there is no verb {found[1]}", _nearest(found[1].strip("'\""), self)
        else:
            what, why = message, " ".join(self.format_usage().split())
        print(f"gitsync: {what}", why, f"see: {self.prog} --help", sep="\n  ", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let an optional word stand behind options too: ``task submit TYPE --wait 5m CONTENT``.

        Python before 3.13 takes such a word as absent when another word was read before the options.
        """
        found, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            late = rest and (rest[0] == "-" or not rest[0].startswith("-"))
            if late and not action.option_strings and action.nargs == "?" and self._absent(action, found):
                setattr(found, action.dest, self._get_values(action, [rest.pop(0)]))
        return found, rest

    def _absent(self, action: argparse.Action, found: argparse.Namespace) -> bool:
        """Say whether neither the word was given nor what excludes it."""
        rivals = [group._group_actions for group in self._mutually_exclusive_groups if action in group._group_actions]
        return all(getattr(found, one.dest) == one.default for one in (action, *(o for rival in rivals for o in rival)))


_UNKNOWN_VERB = re.compile(r"argument VERB: invalid choice: (.*) \(choose from ")


def _nearest(word: str, parser: argparse.ArgumentParser) -> str:
    from difflib import get_close_matches

    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    shown = [action.dest for action in verbs._get_subactions()]  # the hidden ones are for git and hooks
    near = get_close_matches(word, shown, n=2, cutoff=0.5)
    return f"did you mean: {' or '.join(near)}?" if near else "known are: " + ", ".join(shown)


def build() -> Parser:
    """Make the parser; ``args.run`` of a parsed call is ``module:function``."""
    parser = Parser(prog="gitsync", description=DESCRIPTION, epilog=EPILOG, formatter_class=_Raw)
    parser.add_argument("--version", action="version", version=f"gitsync {__version__}")
    parser.add_argument("--dir", type=Path, metavar="PATH", default=None, help="where this computer's .gitsync is")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run: str, says: str, *, json: bool = False, hidden: bool = False, **more: Any) -> Parser:
        shown: dict[str, Any] = {} if hidden else {"help": says}
        sub: Parser = verbs.add_parser(name, description=says, formatter_class=_Raw, **shown, **more)
        sub.set_defaults(run=run)
        sub.add_argument("--dir", type=Path, metavar="PATH", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if json:
            sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    _machine(verb)
    _writing(verb)
    _tasks(verb)
    _reading(verb)
    _files(verb)
    _keys(verb)
    _people(verb)
    return parser


class _Raw(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=28, **more)


def _machine(verb: Add) -> None:
    sub = verb("init", "setup:init", "set this computer up in this repository, or in a new folder for URL")
    sub.add_argument("url", nargs="?", metavar="URL", help="a git remote; default: that of the repository here")
    sub.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the new folder for URL")
    sub.add_argument("--id", metavar="ID", help="this computer's id in the fleet: 1, 2, laptop")
    sub.add_argument("--name", metavar="TEXT", help="its name for people")
    sub.add_argument("--role", metavar="TEXT", help="what it is for")
    sub.add_argument("--branch", metavar="NAME", help="the branch that holds the mailbox (default: coordination)")
    sub.add_argument("--remote", metavar="NAME", help="which remote of the repository (default: origin)")
    sub.add_argument("--mailbox", type=Path, metavar="PATH", help="where to clone it (default: coordination)")
    sub.add_argument(
        "--port", type=int, metavar="N", help="where the process will listen; 0 takes a free one (default: 8900)"
    )
    sub.add_argument(
        "--preset",
        choices=("open", "strict"),
        help="first settings: open to the fleet (default), or strict: others get nothing done until you say who may",
    )
    sub.add_argument("--take-over", action="store_true", help="this computer replaces another that used the id")
    sub.add_argument(
        "--agents-md",
        nargs="?",
        type=Path,
        const=Path("AGENTS.md"),
        metavar="FILE",
        help="also put a section about gitsync into AGENTS.md, or FILE; out: gitsync hooks uninstall agents-md",
    )

    sub = verb("up", "process:up", "run the background process: sync, hand over, answer on HTTP")
    sub.add_argument("--detach", action="store_true", help="in the background; returns when it answers")
    verb("down", "process:down", "stop the background process")
    sub = verb("restart", "process:restart", "stop the background process and start it again")
    sub.add_argument(
        "--detach", action=argparse.BooleanOptionalAction, default=True, help="in the background (default)"
    )

    sub = verb("dashboard", "dashboard:dashboard", "open the page of the background process in a browser, logged in")
    sub.add_argument("--print", action="store_true", help="print the address instead; it logs in once, within a minute")

    sub = verb("mcp", "mcp:mcp", "the tools for an MCP client, over standard input and output; the client starts it")
    sub.add_argument("--as", dest="sender", metavar="NAME", help="speak as this agent of kind inbox (default: you)")

    sub = verb("sync", "syncing:sync", "one cycle now; print what came and went", json=True)
    sub.add_argument(
        "--accept-rewrite", action="store_true", help="the remote's rewritten history is right: go on from it"
    )
    sub.add_argument("--accept-deletions", action="store_true", help="the many deletions are meant")
    verb("status", "status:status", "fleet and this computer: who is alive, last contact, queue, blockers", json=True)
    sub = verb("agents", "agents:agents", "the agents of this computer; start, stop or drain one", json=True)
    sub.add_argument(
        "action",
        nargs="?",
        choices=["start", "stop", "restart", "drain", "resume", "recipes"],
        help="run its program (also after it was given up), end it, both; give it nothing new, give it work again;"
        " recipes: print settings for a coding agent that works by itself",
    )
    sub.add_argument("name", nargs="?", metavar="NAME", help="the agent, or the recipe")

    sub = verb("costs", "costs:costs", "what the models of this computer cost, and how the budgets stand", json=True)
    sub.add_argument("--agent", metavar="A", help="only the runs of this agent")
    sub.add_argument("--since", metavar="WHEN", help="2026-11-20, 2026-11-20T06:45:00Z, or 2h, 7d ago (default: 30d)")
    sub.add_argument("--by", choices=["model", "day", "agent"], default="model", help="sum up by it (default: model)")
    sub.add_argument("--runs", type=int, default=0, metavar="N", help="also show the newest N runs, one by one")

    sub = verb(
        "doctor", "doctoring:doctor", "examine this computer: settings, clone, stores, remote, agents", json=True
    )
    sub.add_argument("--fix", action="store_true", help="mend what is safe; what is changed is saved first")
    sub.add_argument("--undo", metavar="ID", help="put back what one --fix changed")
    sub.add_argument("--bundle", type=Path, metavar="FILE", help="write a redacted report: .tar.gz or .zip")
    sub.add_argument("--offline", action="store_true", help="ask no remote")


def _body(sub: Parser) -> None:
    given = sub.add_mutually_exclusive_group()
    given.add_argument("-m", "--message", metavar="TEXT", help="the text of the message")
    given.add_argument("-f", "--file", type=Path, metavar="FILE", help="take the text from a file")
    given.add_argument("source", nargs="?", choices=["-"], metavar="-", help="take the text from standard input")
    sub.add_argument("--as", dest="sender", metavar="AGENT", help="write as this agent of this computer")
    sub.add_argument("--type", default="", metavar="WORD", help="what kind of work it is; agents may choose by it")
    sub.add_argument("--priority", choices=PRIORITIES, default="normal", help="how urgent it is (default: normal)")
    sub.add_argument("--wait", metavar="S", help="wait for the answer, seconds or 5m; print it")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _writing(verb: Add) -> None:
    sub = verb("send", "writing:send", "send a message; print its id")
    sub.add_argument("to", metavar="TO", help="2, 2/builder, all, any, a local agent, or self/AGENT")
    sub.add_argument("subject", metavar="SUBJECT", help="one line")
    _body(sub)
    sub.add_argument("--thread", metavar="ID", help="the conversation it belongs to")
    sub.add_argument("--in-reply-to", metavar="ID", help="the message it answers")

    sub = verb("reply", "writing:reply", "answer a message")
    sub.add_argument("id", metavar="ID", help=AN_ID)
    sub.add_argument("--done", action="store_true", help="and say that the message is done, as ack does")
    _body(sub)

    sub = verb("ack", "writing:ack", "say what became of a message")
    sub.add_argument("id", metavar="ID", help=AN_ID)
    sub.add_argument("--agent", metavar="A", help="the agent that had it, where several did")
    outcome = sub.add_mutually_exclusive_group()
    for word, says in (
        ("done", "it has been worked on (default)"),
        ("failed", "it could not be done"),
        ("refused", "it will not be done"),
        ("again", "it is held, uncertain or taken: hand it over once more"),
    ):
        outcome.add_argument(f"--{word}", dest="outcome", action="store_const", const=word, help=says)
    sub.set_defaults(outcome="done")
    sub.add_argument("--reason", default="", metavar="TEXT", help="a word for the sender")

    sub = verb("withdraw", "writing:withdraw", "take back a message of this computer, or drop one that is kept back")
    sub.add_argument("id", metavar="ID", help=AN_ID)

    sub = verb("quarantine", "keeping:quarantine", "what is kept back on this computer for a secret in it", json=True)
    sub.add_argument("action", nargs="?", choices=["list", "show"], default="list", help="all of it (default), or one")
    sub.add_argument("id", nargs="?", metavar="ID", help="what to show; the first characters are enough")
    sub.add_argument("--all", action="store_true", help="also what was released or dropped, with the reasons")
    sub = verb("release", "keeping:release", "let go what is kept back for a secret in it")
    sub.add_argument("id", metavar="ID", help="one of gitsync quarantine; the first characters are enough")
    sub.add_argument("--reason", required=True, metavar="TEXT", help="why all may see it; it is told to everybody")


def _tasks(verb: Add) -> None:
    sub = verb("tasks", "tasking:tasks", "the tasks of this computer, newest first", json=True)
    sub.add_argument("--status", choices=TASK_STATES, help="only those that stand so")
    sub.add_argument("--limit", type=int, metavar="N", help="the newest N (default: 50 on a terminal, else all)")

    task = verb("task", "tasking:tasks", "ask for a task, look at one, cancel one")
    actions = task.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, run: str, says: str) -> Parser:
        sub: Parser = actions.add_parser(name, help=says, description=says, formatter_class=_Raw)
        sub.set_defaults(run=run)
        sub.add_argument("--dir", type=Path, metavar="PATH", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return sub

    sub = action("submit", "tasking:submit", "ask for a task; print its id")
    sub.add_argument("type", metavar="TYPE", help="what kind of work it is; it decides who does it")
    given = sub.add_mutually_exclusive_group()
    given.add_argument("content", nargs="?", metavar="CONTENT", help="what is to be done; - is standard input")
    given.add_argument("-f", "--file", type=Path, metavar="FILE", help="take the content from a file")
    sub.add_argument("--subject", metavar="TEXT", help="one line (default: the first of the content)")
    sub.add_argument("--as", dest="sender", metavar="AGENT", help="ask as this agent of this computer")
    sub.add_argument("--priority", choices=PRIORITIES, default="normal", help="how urgent it is (default: normal)")
    sub.add_argument("--deadline", metavar="S", help="failed when it is not done by then: from now, seconds or 2h")
    sub.add_argument("--retries", type=int, metavar="N", help="try again so often after it is known to have failed")
    sub.add_argument("--to", metavar="AGENT", help="this agent of this computer, whatever the type")
    sub.add_argument("--wait", metavar="S", help="wait for the result, seconds or 5m; print it")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = action("show", "tasking:show", "one task with its history")
    sub.add_argument("id", metavar="ID", help="a task; the first characters are enough")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = action("cancel", "tasking:cancel", "end a task; what an agent has begun is not undone")
    sub.add_argument("id", metavar="ID", help="a task; the first characters are enough")


def _reading(verb: Add) -> None:
    sub = verb("inbox", "reading:inbox", "messages to this computer", json=True)
    sub.add_argument("--agent", metavar="A", help="only those for this agent")
    sub.add_argument("--unread", action="store_true", help="only those that nobody has taken or settled")
    sub.add_argument("--from", dest="sender", metavar="M", help="only those from this computer or person")
    sub.add_argument("--limit", type=int, metavar="N", help="the newest N (default: 50 on a terminal, else all)")

    sub = verb("show", "reading:show", "one message with what became of it", json=True)
    sub.add_argument("id", metavar="ID", help=AN_ID)
    sub = verb("thread", "reading:thread", "a conversation", json=True)
    sub.add_argument("id", metavar="ID", help="any message of it; the first characters are enough")
    sub = verb("search", "reading:search", "messages that contain all the words", json=True)
    sub.add_argument("words", nargs="+", metavar="WORDS", help="whole words, in subject, text or sender")
    sub.add_argument("--limit", type=int, metavar="N", help="the best N (default: 50 on a terminal, else all)")

    sub = verb("log", "history:log", "the journal from git history: who said and did what", json=True)
    sub.add_argument("--machine", metavar="M", help="only what this computer did")
    sub.add_argument("--since", metavar="WHEN", help="2026-11-20, 2026-11-20T06:45:00Z, or 2h, 1d ago")
    sub.add_argument("--thread", metavar="ID", help="only what has to do with this conversation")
    sub.add_argument("--limit", type=int, default=0, metavar="N", help="the newest N")


def _files(verb: Add) -> None:
    sub = verb("parse", "files:parse", "what the reader understands of these files", json=True)
    sub.add_argument("files", nargs="+", metavar="FILES", help="- is standard input")
    sub = verb("lint", "files:lint", "what is wrong with these files; exit 1 when anything is", json=True)
    sub.add_argument("files", nargs="*", metavar="FILES", help="default: the whole mailbox")
    sub = verb("import", "files:import_files", "old message files into the mailbox, as history", json=True)
    sub.add_argument("files", nargs="+", type=Path, metavar="FILES", help="Markdown files, anywhere on this computer")
    sub = verb("merge-driver", "files:merge_driver", "merge two versions of a mailbox file, for git", hidden=True)
    sub.add_argument("base", type=Path, metavar="%O")
    sub.add_argument("ours", type=Path, metavar="%A")
    sub.add_argument("theirs", type=Path, metavar="%B")
    sub.add_argument("path", nargs="?", default="", metavar="%P")


def _keys(verb: Add) -> None:
    keys = verb("keys", "keys:show", "the key of this computer, and whose keys it trusts")
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, run: str, says: str) -> Parser:
        sub: Parser = actions.add_parser(name, help=says, description=says, formatter_class=_Raw)
        sub.set_defaults(run=run)
        sub.add_argument("--dir", type=Path, metavar="PATH", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return sub

    action("init", "keys:init", "make the key of this computer, where it has none; print its fingerprint")
    sub = action("list", "keys:show", "every key that is known here: own, trusted, new, changed, revoked")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = action("trust", "keys:trust", "believe the key that a computer's page shows, or a person's from a file")
    sub.add_argument("id", metavar="ID", help="a computer, or a person's name or e-mail address")
    sub.add_argument("--fingerprint", metavar="SHA256:…", help="only if it is this one; nobody is asked then")
    sub.add_argument("--file", type=Path, metavar="FILE", help="a public key, or an allowed_signers file")
    sub.add_argument("--yes", action="store_true", help="without asking, and without comparing")
    sub = action("revoke", "keys:revoke", "believe a key never again, whatever it signed and whenever")
    sub.add_argument("id", metavar="ID|FINGERPRINT", help="all keys of a computer or person, or one key")
    action("rotate", "keys:rotate", "replace the key of this computer; the old one announces the new one")


def _people(verb: Add) -> None:
    sub = verb("hooks", "hooking:hooks", "let coding agents, or git in the mailbox clone, call gitsync")
    sub.add_argument("action", choices=["install", "uninstall", "status"], help="what to do")
    sub.add_argument(
        "what",
        nargs="?",
        choices=["git", "claude-code", "gemini", "codex", "agents-md"],
        default="git",
        help="git hooks in the mailbox clone (default); the settings of a coding agent; a section in AGENTS.md",
    )
    whose = sub.add_mutually_exclusive_group()
    whose.add_argument("--project", action="store_true", help="for this project (default; codex: always for the user)")
    whose.add_argument("--user", action="store_true", help="for every project of this user")
    sub.add_argument("--file", type=Path, metavar="FILE", help="agents-md: another file of the project, like CLAUDE.md")
    sub.add_argument("--undo", action="store_true", help="put the file back exactly as it was before the last change")
    sub.add_argument("--yes", action="store_true", help="show the change and make it without asking")
    sub = verb("hook", "hooking:hook", "what a hook runs", hidden=True)
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("rest", nargs="*", metavar="ARGS")

    sub = verb("demo", "demonstrating:demo", "three computers with real agents on this one, in a temporary folder")
    sub.add_argument("--once", action="store_true", help="play it once and leave")
    sub = verb("completion", "completion:completion", "print the completions for a shell")
    sub.add_argument("shell", choices=["bash", "zsh", "tcsh"], help='such as: eval "$(gitsync completion bash)"')
