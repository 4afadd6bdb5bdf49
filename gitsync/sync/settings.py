"""What a person may set about syncing, as plain values; durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.protocol.paths import MAX_FILE


@dataclass(frozen=True, kw_only=True)
class SyncSettings:
    """Hold the settings of the sync engine and of the clock that drives it."""

    remote: str = "origin"
    branch: str = "coordination"
    fastest: float = 5.0
    slowest: float = 300.0
    hot: float = 120.0
    settle: float = 30.0
    wrap_delay: float = 60.0
    network_timeout: float = 60.0
    push_budget: float | None = None
    """Pushes a minute for the whole fleet; None: 6 on a public host, no limit elsewhere (PROTOCOL 7)."""
    machine_ref_every: float = 900.0
    machine_ref_rides: float = 60.0
    """A branch push takes the machine ref along when the last beat is older than this."""
    install_refresh: float = 6 * 3600.0
    max_file: int = MAX_FILE
    verify: str = "off"
    """What is asked of what others sent before it counts: one of `gitsync.verifying.LEVELS`."""
    rotate_above: int = 64 * 1024
    races: int = 12
    """Lost races in one cycle before the rest is left to the next one."""
    free_space: int = 16 * 1024 * 1024
    """Bytes that must be free before anything is written (row 12)."""
