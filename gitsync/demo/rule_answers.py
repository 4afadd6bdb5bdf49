"""Answers by rule, the same every time: what a local stand-in for a model says."""

from __future__ import annotations

import re
from collections.abc import Sequence


def reply_to(turns: Sequence[str], system: str = "") -> str:
    """Answer the last turn: acknowledge it, name its points, say which turn of the conversation it is."""
    last = turns[-1]
    sender = re.match(r"From (\S+):\n", last)
    subject = re.search(r"^Subject: (.*)$", last, re.MULTILINE)
    body = last.partition("\n\n")[2] if subject else last
    items = [line for line in body.splitlines() if re.match(r"\s*([-*]|\d+\.)\s", line)]
    points = [item.lstrip("-*0123456789. ") for item in items]
    questions = re.findall(r"[^.?!\n]+\?", body)
    lines = [f"Understood{', ' + sender[1] if sender else ''}: {_sentence(subject[1] if subject else body)}"]
    if points:
        lines += ["", f"I will take the {len(points)} point{'s' * (len(points) > 1)} in this order:", ""]
        lines += [f"{number}. {_short(point)}" for number, point in enumerate(points, 1)]
    for question in questions[:3]:
        said = recall(question, turns[:-1])
        fact = f"You said: {_sentence(said)}" if said else "I have no facts beyond this conversation to answer it with."
        lines += ["", f"You ask “{_short(question.strip())}” {fact}"]
    if not points and not questions:
        words = len(body.split())
        lines += ["", f"I read your message of {words} word{'s' * (words != 1)}: {_sentence(body)}"]
    lines += ["", f"(turn {len(turns)} of this conversation{', with a system prompt' if system else ''})"]
    return "\n".join(lines)


def recall(question: str, turns: Sequence[str]) -> str:
    """Find the sentence that was said earlier and shares most with a question, at least two long words."""
    wanted = _long_words(question)
    best, most = "", 1
    for turn in turns[::2]:  # the user's; the others are our own
        for sentence in re.split(r"(?<=[.!?])\s+|\n", turn.partition("\n\n")[2] or turn):
            shared = len(wanted & _long_words(sentence))
            if shared > most and not sentence.endswith("?"):
                best, most = sentence.strip(), shared
    return best


def _long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def _short(text: str, limit: int = 120) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    line = _short(text)
    return line if line.endswith(("?", "!", "…")) else line + "."
