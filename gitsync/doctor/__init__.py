"""Examine a machine that may be broken in any way, mend what is safe, and put back what was mended."""
