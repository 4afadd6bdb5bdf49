"""Says what is in numbers and words: count, range, mean, spread, and what comes up most."""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter
from typing import Any

from service import serve


def analyse(message: dict[str, Any]) -> str:
    """Describe the numbers and the words of a text."""
    text = message["body"]
    numbers = [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]
    words = Counter(word for word in re.findall(r"[^\W\d_]{4,}", text.lower()))
    if not numbers and not words:
        raise ValueError("there are neither numbers nor words to analyse")
    lines = []
    if numbers:
        spread = f"from {min(numbers):g} to {max(numbers):g}"
        lines.append(f"{len(numbers)} numbers {spread}, mean {statistics.mean(numbers):g}")
    if len(numbers) > 2:
        steps = [later - earlier for earlier, later in itertools.pairwise(numbers)]
        trend = "rising" if min(steps) > 0 else "falling" if max(steps) < 0 else "neither rising nor falling throughout"
        lines.append(f"standard deviation {statistics.stdev(numbers):.3g}; {trend}")
    if words:
        lines.append("most often: " + ", ".join(f"{word} ({count})" for word, count in words.most_common(5)))
    return "\n".join(lines)


if __name__ == "__main__":
    serve("analyst", analyse)
