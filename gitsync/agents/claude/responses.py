"""Keep answers for the same question again: whole files, named by everything that went into the answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitsync import clock

FORMAT = 1
LARGEST = 50 * 1024 * 1024


def response_key(question: Mapping[str, Any]) -> str:
    """Name a question: definition, models, settings, tools, skills and the whole context must be in it."""
    whole = json.dumps([FORMAT, question], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


class Responses:
    """A folder of answers, bounded in size; what was used longest ago goes first.

    It is a cache: whatever is wrong with it, the question is asked anew.
    """

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self._folder = folder
        self._largest = largest
        self.hits = 0
        self.misses = 0

    def get(self, key: str, ttl: float) -> dict[str, Any] | None:
        """Return an answer that is not older than `ttl` (s)."""
        path = self._folder / f"{key}.json"
        found = None
        with contextlib.suppress(OSError, ValueError):
            document = json.loads(path.read_bytes())
            age = clock.unix() - float(document["at"])
            if 0 <= age < ttl and isinstance(document["reply"], str):
                found = document
                os.utime(path)
        self.hits += found is not None
        self.misses += found is None
        return found

    def put(self, key: str, reply: str, model: str) -> None:
        """Keep an answer; one that cannot be written is not kept."""
        data = json.dumps({"at": clock.unix(), "reply": reply, "model": model}).encode()
        if len(data) > self._largest:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._folder / f"{key}.{clock.entropy(4).hex()}.part"
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
            part.replace(self._folder / f"{key}.json")
            self._shrink()

    def _shrink(self) -> None:
        kept = sorted(
            ((entry.stat(), entry.path) for entry in os.scandir(self._folder)), key=lambda one: one[0].st_mtime
        )
        size = sum(stat.st_size for stat, _ in kept)
        for stat, path in kept:
            if size <= self._largest:
                break
            Path(path).unlink(missing_ok=True)
            size -= stat.st_size
