"""Checks Python code as a build would: every block of the message is compiled, none is run."""

from __future__ import annotations

import re
from typing import Any

from service import serve


def build(message: dict[str, Any]) -> str:
    """Compile the code blocks of a text, or the whole text where it has none."""
    blocks = re.findall(r"```(?:python)?\n(.*?)```", message["body"], re.S) or [message["body"]]
    for number, code in enumerate(blocks, 1):
        try:
            compile(code, f"block {number}", "exec")
        except SyntaxError as error:
            raise ValueError(f"block {number}, line {error.lineno}: {error.msg}") from error
    lines = sum(len(code.splitlines()) for code in blocks)
    return f"built: {len(blocks)} blocks with {lines} lines compile"


if __name__ == "__main__":
    serve("builder", build)
