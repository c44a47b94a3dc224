"""What one picture may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Ceilings of one decoder process.

    memory_bytes: address space, libraries included. cpu_secs, wall_secs: for one picture. pixels: of one frame.
    """

    memory_bytes: int = 3 << 30
    cpu_secs: int = 20
    wall_secs: float = 30.0
    pixels: int = 80_000_000
