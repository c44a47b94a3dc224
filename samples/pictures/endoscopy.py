"""Colour frames from inside a colon: folds around a dark lumen, wet highlights, a polyp in one of them."""

from __future__ import annotations

import math
import random

SIZE = 360


def frame(seed: int, *, polyp: bool = False) -> bytes:
    """Return SIZE x SIZE RGB samples; outside the round view it is black."""
    source = random.Random(seed)
    lumen = (SIZE / 2 + source.uniform(-46, 46), SIZE / 2 + source.uniform(-40, 40))
    phase = [source.uniform(0, 2 * math.pi) for _ in range(6)]
    vessels = [(source.uniform(0, 2 * math.pi), source.uniform(40, 150), source.uniform(0.6, 1.6)) for _ in range(9)]
    out = bytearray(SIZE * SIZE * 3)
    at = 0
    for y in range(SIZE):
        for x in range(SIZE):
            if (x - 180) ** 2 + (y - 180) ** 2 < 174**2:
                out[at : at + 3] = _colour(x, y, lumen, phase, vessels, polyp)
            at += 3
    return bytes(out)


def _colour(
    x: int,
    y: int,
    lumen: tuple[float, float],
    phase: list[float],
    vessels: list[tuple[float, float, float]],
    polyp: bool,
) -> tuple[int, int, int]:
    dx, dy = x - lumen[0], y - lumen[1]
    far, angle = math.hypot(dx, dy), math.atan2(dy, dx)
    wall = far * (1 + 0.10 * math.sin(3 * angle + phase[0]) + 0.05 * math.sin(5 * angle + phase[1]))
    # Folds stand closer together towards the lumen, as seen in perspective.
    fold = math.sin(9.5 * math.log(wall + 14) + phase[2] + 0.5 * math.sin(2 * angle + phase[3]))
    light = (1 - math.exp(-((wall / 74) ** 2))) * (0.72 + 0.28 * fold)
    shine = max(0.0, fold - 0.93) * 9 * max(0.0, math.sin(4 * angle + phase[4]))
    red, green, blue = 236 * light, 128 * light, 104 * light
    for where, out, bend in vessels:
        off = abs(math.remainder(angle - where - 0.12 * math.sin(far / 13 * bend), 2 * math.pi)) * far
        if off < 1.6 and abs(far - out) < 46:
            red, green, blue = red * 0.86, green * 0.62, blue * 0.66
    if polyp:
        px, py = x - 248, y - 226
        inside = px * px / 46**2 + py * py / 38**2
        if inside < 1:
            lift = math.sqrt(1 - inside) * (0.92 + 0.08 * math.sin(px / 3.1) * math.sin(py / 2.7))
            red, green, blue = 120 + 128 * lift, 44 + 74 * lift, 40 + 62 * lift
            shine = max(0.0, 1 - ((px + 14) ** 2 + (py + 15) ** 2) / 60)
        elif inside < 1.25:
            red, green, blue = red * 0.6, green * 0.5, blue * 0.5
    return tuple(min(255, int(value + 190 * shine)) for value in (red, green, blue))  # type: ignore[return-value]
