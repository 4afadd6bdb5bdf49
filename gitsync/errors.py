"""Every failure gitsync reports to a person.

GitsyncError            exit 1   something went wrong, with a remedy
├── UsageError          exit 2   the call or the settings are wrong
│   ├── ConfigError              ... with file and line
│   └── NotFound                 ... there is nothing of that name
├── Refused             exit 3   a policy or the owner of the remote says no
│   ├── SecretFound              ... a text that is to be sent has a key in it
│   └── PushRefused              ... protected branch, pre-receive hook
├── TryLater            exit 75  nothing is wrong here, the remote is away
│   ├── RemoteAway
│   └── Busy                     ... something here is full; ``retry_after`` says when to come again
├── Conflict            exit 1   there is one already: an agent of that name
├── AuthFailed          exit 1   credentials missing, expired, or host key unknown
├── Halted              exit 1   syncing stopped until a person decides
├── FolderPaused        exit 1   the mailbox folder is in a person's hands
├── LostRace            exit 1   the remote moved; internal, retried
└── GitFailed           exit 1   git said something we do not know
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_TRY_LATER = 75
EXIT_INTERRUPTED = 130


class GitsyncError(Exception):
    """Say what happened, why, and what to do about it: one line each."""

    exit_code = EXIT_ERROR

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        from gitsync.secrets.redact import redact  # few calls fail, so few load it

        # Here, so that no message of ours can carry a token into a log, an answer or a terminal, whoever shows it.
        what, why, remedy = redact(what), redact(why), redact(remedy)
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.remedy) if line)


class UsageError(GitsyncError):
    """The call cannot be carried out as it was written."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """The settings file has a mistake at a known place."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(place + what, why, remedy)
        self.file = file
        self.line = line


class NotFound(UsageError):
    """There is nothing of that name; ``near`` holds the names that come close."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, near: Sequence[str] = ()) -> None:
        super().__init__(what, why, remedy)
        self.near = tuple(near)


class Refused(GitsyncError):
    """A policy says no."""

    exit_code = EXIT_REFUSED


class SecretFound(Refused):
    """A text holds what looks like a secret; it is kept on this machine under ``held`` until a person decides.

    ``line`` and ``rule`` say where and what. Of the secret itself no more than four characters are told.
    """

    def __init__(
        self, what: str, why: str = "", remedy: str = "", *, held: str = "", line: int = 0, rule: str = ""
    ) -> None:
        super().__init__(what, why, remedy)
        self.held = held
        self.line = line
        self.rule = rule


class PushRefused(Refused):
    """The owner of the remote refuses this push for good; trying again would be hammering."""


class TryLater(GitsyncError):
    """Nothing is wrong on this machine; what was asked must wait."""

    exit_code = EXIT_TRY_LATER


class RemoteAway(TryLater):
    """The remote cannot be reached: network, name, proxy or time-out."""


class Busy(TryLater):
    """Something on this machine is full; nothing was taken. ``retry_after`` is in seconds."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(what, why, remedy)
        self.retry_after = retry_after


class Conflict(GitsyncError):
    """What was to be made is there already, or stands in the way of it."""


class AuthFailed(GitsyncError):
    """The remote does not let us in: no credentials, expired ones, or an unknown host key."""


class Halted(GitsyncError):
    """Syncing stops until a person decides: rewritten or unrelated history, mass deletion, doubled id."""

    def __init__(self, what: str, why: str = "", remedy: str = "", *, kind: str = "") -> None:
        super().__init__(what, why, remedy)
        self.kind = kind


class FolderPaused(GitsyncError):
    """The mailbox folder is in the middle of something a person does; it is left alone."""


class LostRace(GitsyncError):
    """Somebody pushed first."""


class GitFailed(GitsyncError):
    """A git command ended in a way that has no name of its own yet."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str) -> None:
        lines = [line for line in stderr.strip().splitlines() if line.strip()]
        super().__init__(f"git {argv[0] if argv else ''} failed with exit code {code}", lines[-1] if lines else "")
        self.argv = tuple(argv)
        self.code = code
        from gitsync.secrets.redact import redact

        self.stderr = redact(stderr)
