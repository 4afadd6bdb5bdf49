"""Measurements: each figure stands beside a baseline from the same run, on the same machine, interleaved with it."""
