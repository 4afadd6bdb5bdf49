"""Agents and skills as Markdown with front matter: what a model is, and what it can load when it needs it.

Front matter stands between two lines of `---` at the beginning: `name: value`, where a value is a text, a number, a
list in brackets, or a list in lines of `- item`. It is read strictly: what is not understood is an error with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitsync.agents.spec import ANSWER, TOOLS, AgentSpec

LARGEST = 1 << 20
"""Bytes of a definition or a skill that are read."""

Value = str | tuple[str, ...]

_AGENT = frozenset({"name", "description", "model", "tools", "skills", "max_tokens"})
_SKILL = frozenset({"name", "description", "types"})


class Unreadable(Exception):
    """A file of a definition cannot be used; the text says which, where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A text that a model can load; it is loaded by itself for messages of these types."""

    name: str
    description: str
    text: str
    types: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The one line by which a model knows it."""
        return f"- {self.name}: {self.description}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an agent is: settings and files put together; settings of the computer win over the file's."""

    model: str
    system: str
    max_tokens: int = ANSWER
    tools: tuple[str, ...] = TOOLS
    skills: tuple[Skill, ...] = ()


def front_matter(text: str) -> tuple[dict[str, Value], str]:
    """Split a file into front matter and body; raise Unreadable with the line."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return {}, text.strip()
    found: dict[str, Value] = {}
    key = ""
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() == "---":
            return found, "\n".join(lines[number:]).strip()
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("- ") and key and isinstance(found[key], tuple):
            found[key] = (*found[key], _plain(stripped[2:]))
            continue
        name, colon, value = stripped.partition(":")
        if not colon or line[:1].isspace():
            raise Unreadable(f"line {number}: {stripped[:60]!r} is no `name: value`")
        key, value = name.strip(), value.strip()
        if key in found:
            raise Unreadable(f"line {number}: {key} is said twice")
        if value.startswith("[") and value.endswith("]"):
            found[key] = tuple(_plain(item) for item in value[1:-1].split(",") if item.strip())
        else:
            found[key] = _plain(value) if value else ()
    raise Unreadable("the front matter has no end: a line of ---")


def read_definition(spec: AgentSpec, root: Path) -> Definition:
    """Read what the settings of an agent name; raise Unreadable."""
    said: dict[str, Value] = {}
    texts = []
    if spec.definition:
        said, body = _read(root / spec.definition, spec.definition, _AGENT)
        texts.append(body)
    if spec.system:
        texts.append(_text(root / spec.system, f"system prompt {spec.system}", "make it or change `system`"))
    tools = spec.tools if spec.tools is not None else _list(said.get("tools", TOOLS))
    wrong = [name for name in tools if name not in TOOLS]
    if wrong:
        raise Unreadable(f"{spec.definition}: no tool {wrong[0]!r}; known are {', '.join(TOOLS)}")
    return Definition(
        model=spec.model or _one(said, "model"),
        system="\n\n".join(text for text in texts if text),
        max_tokens=spec.max_tokens or _number(said, spec.definition) or ANSWER,
        tools=tuple(tools),
        skills=read_skills((*spec.skills, *_list(said.get("skills", ()))), root),
    )


def read_skills(paths: Sequence[str], root: Path) -> tuple[Skill, ...]:
    """Read skills; a folder stands for the Markdown files in it. Raise Unreadable, also where a name is there twice."""
    found: dict[str, Skill] = {}
    for path in dict.fromkeys(paths):
        whole = root / path
        files = sorted(whole.glob("*.md")) if whole.is_dir() else [whole]
        for file in files:
            said, body = _read(file, str(file.relative_to(root)) if file.is_relative_to(root) else str(file), _SKILL)
            name = _one(said, "name") or file.stem
            if name in found:
                raise Unreadable(f"{path}: there are two skills {name!r}")
            about = " ".join(_one(said, "description").split())
            if not about:
                raise Unreadable(f"{path}: a skill needs a description, by which the model knows when to load it")
            found[name] = Skill(name=name, description=about, text=body, types=_list(said.get("types", ())))
    return tuple(found.values())


def _read(path: Path, label: str, known: frozenset[str]) -> tuple[dict[str, Value], str]:
    try:
        said, body = front_matter(_text(path, label, "make it or change the settings"))
    except Unreadable as error:
        raise Unreadable(f"{label}: {error}" if not str(error).startswith(label) else str(error)) from None
    for name in said:
        if name not in known:
            raise Unreadable(f"{label}: unknown {name!r}; known are {', '.join(sorted(known))}")
    return said, body


def _text(path: Path, label: str, remedy: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Unreadable(f"{label}: {error.strerror or error}; {remedy}") from None


def _plain(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _one(said: Mapping[str, Value], name: str) -> str:
    value = said.get(name, "")
    return value if isinstance(value, str) else " ".join(value)


def _list(value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


def _number(said: Mapping[str, Value], label: str) -> int:
    value = _one(said, "max_tokens")
    if not value:
        return 0
    if not value.isdecimal() or int(value) < 1:
        raise Unreadable(f"{label}: max_tokens must be a whole number, not {value!r}")
    return int(value)
