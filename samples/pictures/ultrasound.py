"""Curved-array ultrasound frames, 8 bits: liver with a gallbladder and a stone, a bowel loop."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from samples.pictures.canvas import Canvas

COLUMNS, ROWS = 480, 380
_APEX = (240.0, -70.0)
_NEAR, _FAR, _HALF_ANGLE = 96.0, 430.0, 0.60


@dataclass(frozen=True)
class Structure:
    """An ellipse in the beam. x, y, rx, ry: pixels. level: its brightness, 0 black. shadow, bright_behind: what it does below."""

    x: float
    y: float
    rx: float
    ry: float
    level: float
    shadow: bool = False
    bright_behind: bool = False


GALLBLADDER = (
    Structure(262, 178, 78, 34, 4, bright_behind=True),
    Structure(292, 196, 14, 9, 235, shadow=True),
    Structure(150, 235, 20, 8, 16),
    Structure(178, 140, 9, 26, 22),
)
KIDNEY = (
    Structure(250, 200, 96, 46, 62),
    Structure(250, 200, 52, 17, 170),
    Structure(118, 110, 10, 24, 20),
)
BOWEL = (
    Structure(236, 176, 30, 30, 150),
    Structure(236, 176, 25, 25, 40),
    Structure(236, 176, 14, 14, 130),
    Structure(236, 176, 8, 8, 14),
)


def frame(structures: tuple[Structure, ...], seed: int) -> Canvas:
    """Return one frame: speckle inside the fan, what *structures* reflect and shade, a depth scale, nothing written."""
    image = Canvas(COLUMNS, ROWS)
    source = random.Random(seed)
    speckle = [source.expovariate(1.0) for _ in range(8191)]

    def brightness(x: int, y: int, _old: int) -> int:
        dx, dy = x - _APEX[0], y - _APEX[1]
        depth, angle = math.hypot(dx, dy), math.atan2(dx, dy)
        if not _NEAR < depth < _FAR or abs(angle) > _HALF_ANGLE:
            return 0
        gain = 92 * math.exp(-(((depth - 250) / 240) ** 2))
        level = gain * _echo(structures, x, y, depth, angle)
        grain = speckle[(int(depth / 2.1) * 131 + int(angle * 210) * 17) % 8191]
        level *= 0.45 + 0.5 * min(grain, 2.6)
        if depth < _NEAR + 22:
            level += 60 * abs(math.sin(depth / 3.1))
        return int(level)

    image.shade(brightness)
    image.blur(1)
    for tick in range(0, 330, 33):
        image.span(28 + tick, 462, 470 if tick % 165 else 476, 200)
    return image


def _echo(structures: tuple[Structure, ...], x: int, y: int, depth: float, angle: float) -> float:
    """Return how much comes back from one place, 1.0 being plain tissue."""
    echo = 1.0
    # The diaphragm: a bright curved line at the bottom of the liver.
    echo += 2.2 * math.exp(-(((depth - 392 - 26 * math.sin(angle * 3)) / 4) ** 2))
    for part in structures:
        within = ((x - part.x) / part.rx) ** 2 + ((y - part.y) / part.ry) ** 2
        if within < 1:
            echo = part.level / 92
        elif within < 1.16:
            echo *= 1.6
        if not (part.shadow or part.bright_behind):
            continue
        aim = math.atan2(part.x - _APEX[0], part.y - _APEX[1])
        middle = math.hypot(part.x - _APEX[0], part.y - _APEX[1])
        if abs(angle - aim) < part.rx * 0.92 / middle and depth > middle + part.ry * 0.8:
            echo *= 0.16 if part.shadow else 1.55
    return echo
