"""Colour frames from inside a colon: folds around a dark lumen, wet highlights, a polyp in one of them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

SIZE = 360


@dataclass(frozen=True)
class _View:
    """What the camera looks at. vessels: direction, distance, how much they bend."""

    lumen: tuple[float, float]
    phase: tuple[float, ...]
    vessels: tuple[tuple[float, float, float], ...]
    polyp: bool


def frame(seed: int, *, polyp: bool = False) -> bytes:
    """Return SIZE x SIZE RGB samples; outside the round view it is black."""
    source = random.Random(seed)
    view = _View(
        lumen=(SIZE / 2 + source.uniform(-46, 46), SIZE / 2 + source.uniform(-40, 40)),
        phase=tuple(source.uniform(0, 2 * math.pi) for _ in range(6)),
        vessels=tuple(
            (source.uniform(0, 2 * math.pi), source.uniform(40, 150), source.uniform(0.6, 1.6)) for _ in range(9)
        ),
        polyp=polyp,
    )
    out = bytearray(SIZE * SIZE * 3)
    at = 0
    for y in range(SIZE):
        for x in range(SIZE):
            if (x - 180) ** 2 + (y - 180) ** 2 < 174**2:
                out[at : at + 3] = _colour(x, y, view)
            at += 3
    return bytes(out)


def _colour(x: int, y: int, view: _View) -> bytes:
    dx, dy = x - view.lumen[0], y - view.lumen[1]
    far, angle = math.hypot(dx, dy), math.atan2(dy, dx)
    wall = far * (1 + 0.10 * math.sin(3 * angle + view.phase[0]) + 0.05 * math.sin(5 * angle + view.phase[1]))
    # Folds stand closer together towards the lumen, as seen in perspective.
    fold = math.sin(9.5 * math.log(wall + 14) + view.phase[2] + 0.5 * math.sin(2 * angle + view.phase[3]))
    light = (1 - math.exp(-((wall / 74) ** 2))) * (0.72 + 0.28 * fold)
    shine = max(0.0, fold - 0.93) * 9 * max(0.0, math.sin(4 * angle + view.phase[4]))
    red, green, blue = 236 * light, 128 * light, 104 * light
    for where, out, bend in view.vessels:
        off = abs(math.remainder(angle - where - 0.12 * math.sin(far / 13 * bend), 2 * math.pi)) * far
        if off < 1.6 and abs(far - out) < 46:
            red, green, blue = red * 0.86, green * 0.62, blue * 0.66
    if view.polyp:
        red, green, blue, shine = _polyp(x - 248, y - 226, (red, green, blue, shine))
    return bytes(min(255, int(value + 190 * shine)) for value in (red, green, blue))


def _polyp(px: int, py: int, wall: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return the colour and shine at a place beside the polyp's middle; *wall* where it is not."""
    inside = px * px / 46**2 + py * py / 38**2
    if inside < 1:
        lift = math.sqrt(1 - inside) * (0.92 + 0.08 * math.sin(px / 3.1) * math.sin(py / 2.7))
        return 120 + 128 * lift, 44 + 74 * lift, 40 + 62 * lift, max(0.0, 1 - ((px + 14) ** 2 + (py + 15) ** 2) / 60)
    if inside < 1.25:
        return wall[0] * 0.6, wall[1] * 0.5, wall[2] * 0.5, wall[3]
    return wall
