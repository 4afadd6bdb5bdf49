"""Which model answers a message: rules and measured complexity; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitsync.agents.base import Delivery
from gitsync.agents.spec import ModelRule

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)(?:^ {0,3}\1|\Z)", re.MULTILINE | re.DOTALL)
_POINT = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\S|\?(?:\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Complexity:
    """How much there is to a message and its thread; `score` is 0 to 100.

    chars   of the message and its thread    one for each 250, at most 40
    code    blocks, and their lines          five for each block and one for 20 lines, at most 25
    turns   said before                      two for each, at most 20
    points  list items and questions         one for each of the message, at most 15
    """

    chars: int
    blocks: int
    lines: int
    turns: int
    points: int

    @property
    def score(self) -> int:
        """Add up what is measured."""
        return (
            min(40, self.chars // 250)
            + min(25, 5 * self.blocks + self.lines // 20)
            + min(20, 2 * self.turns)
            + min(15, self.points)
        )

    def __str__(self) -> str:
        """Say what was measured."""
        return (
            f"complexity {self.score} ({self.chars} characters, {self.blocks} code blocks,"
            f" {self.turns} turns, {self.points} points)"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and why it is this one."""

    model: str
    why: str


def measure(delivery: Delivery) -> Complexity:
    """Measure a message with its thread."""
    texts = [turn.text for turn in delivery.history] + [delivery.body]
    blocks = [match[2] for text in texts for match in _FENCE.finditer(text)]
    return Complexity(
        chars=sum(map(len, texts)) + len(delivery.subject),
        blocks=len(blocks),
        lines=sum(block.count("\n") for block in blocks),
        turns=len(delivery.history),
        points=len(_POINT.findall(_FENCE.sub("", delivery.body))),
    )


def choose_model(default: str, rules: Sequence[ModelRule], delivery: Delivery) -> Choice:
    """Choose by the first rule that holds, the default where none does; the reason is for the record."""
    if not rules:
        return Choice(default, "the only model")
    measured = measure(delivery)
    for number, rule in enumerate(rules, 1):
        met = _met(rule, delivery, measured.score)
        if met is not None:
            return Choice(rule.name, f"rule {number}: {met or 'always'}; {measured}")
    return Choice(default, f"no rule holds; {measured}")


def _met(rule: ModelRule, delivery: Delivery, score: int) -> str | None:
    """Say by what a rule holds; None where it does not."""
    said = []
    if rule.types:
        if delivery.type not in rule.types:
            return None
        said.append(f"type {delivery.type}")
    if rule.priorities:
        if delivery.priority not in rule.priorities:
            return None
        said.append(f"priority {delivery.priority}")
    if not rule.above < score < rule.below:
        return None
    if rule.above >= 0:
        said.append(f"complexity above {rule.above}")
    if rule.below <= 100:
        said.append(f"complexity below {rule.below}")
    return ", ".join(said)
