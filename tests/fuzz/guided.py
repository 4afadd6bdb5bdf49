"""Fuzz one target along the coverage of the code, with atheris (libFuzzer); only where the package is installed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

SEEDS = 400
"""Inputs by the grammar to begin with."""


def guided(name: str, inputs: int, seed: int, crashes: Path) -> int:
    """Run until `inputs` are done or one falls, which libFuzzer saves; it ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["gitsync.protocol", "gitsync.sync.ignore", "gitsync.git.objects"]):
        for module in [module for module in sys.modules if module.startswith(("gitsync.", "tests.fuzz.targets"))]:
            del sys.modules[module]
        from tests.fuzz.targets import TARGETS
    fuzzed = TARGETS[name]
    rng = Random(seed)
    crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number in range(SEEDS):
            (Path(corpus) / str(number)).write_bytes(fuzzed.make(rng))
        options = [
            f"-runs={inputs}",
            f"-seed={seed}",
            "-max_len=8192",
            f"-artifact_prefix={crashes}/{name}-",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], fuzzed.target)
        atheris.Fuzz()
    return 0
