"""Who a machine is in the fleet."""

from __future__ import annotations

from dataclasses import dataclass

from gitsync.protocol.paths import valid_id


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine's id, by which it is addressed, and what people call it and use it for."""

    id: str
    name: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        if not valid_id(self.id):
            raise ValueError(f"not the id of a machine: {self.id!r}")
