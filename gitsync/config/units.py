"""Durations and sizes as people write them."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB|GB|GiB)")
_BYTES = {"B": 1, "KB": 1024, "KiB": 1024, "MB": 1024**2, "MiB": 1024**2, "GB": 1024**3, "GiB": 1024**3}


def parse_duration(text: str) -> float:
    """Return ``250ms 5s 5m 2h 1d`` in seconds; raise ValueError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    return float(match[1]) * _SECONDS[match[2]]


def parse_rate(text: str) -> tuple[int, float]:
    """Return ``60/h 5/m 100/1d`` as a count and seconds; raise ValueError for anything else."""
    count, slash, span = text.strip().partition("/")
    if not slash or not count.strip().isascii() or not count.strip().isdigit() or int(count) < 1:
        raise ValueError(f"{text!r} is not a rate")
    span = span.strip()
    return int(count), parse_duration(span if span[:1].isdigit() else f"1{span}")


def parse_size(text: str) -> int:
    """Return ``64KB 8MB`` in bytes, with 1024 to the step; raise ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    return int(float(match[1]) * _BYTES[match[2]])
