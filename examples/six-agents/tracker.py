"""Remembers who wrote and how often, as long as it runs."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from service import serve

seen: Counter[str] = Counter()
lock = threading.Lock()


def track(message: dict[str, Any]) -> str:
    """Count a message for its sender; tell all counts."""
    with lock:
        seen[message["from"]] += 1
        counts = seen.most_common(10)
    return "\n".join(f"{sender}: {count} since I started" for sender, count in counts)


if __name__ == "__main__":
    serve("tracker", track)
