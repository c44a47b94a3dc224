"""Axial CT slices in Hounsfield units: a chest with a nodule, a head with a bleed."""

from __future__ import annotations

import math
import random

from samples.pictures.canvas import Canvas

SIZE = 256
AIR, LUNG, FAT, SOFT, CONTRAST, MARROW, BONE = -1000, -870, -95, 45, 260, 180, 750


def chest(level: float, *, soft_kernel: bool) -> Canvas:
    """
    Return one slice of a chest.

    level: 0 at the lung tops, 1 at the diaphragm. soft_kernel: smooth, as for the mediastinum; else sharp, for the lungs.
    """
    image = Canvas(SIZE, SIZE, AIR)
    width, depth = 104 + 8 * level, 70 + 6 * level
    image.ring((128, 122), (width, depth), 9, (FAT, SOFT))
    _lungs(image, level)
    _ribs(image, level, (width - 13, depth - 12))
    _middle(image, level)
    image.ring((128, 170), (14, 11), 3, (BONE, MARROW))
    image.ring((128, 184), (8, 7), 2, (BONE, 30))
    for side in (-1, 1):
        image.ellipse((128 + side * 22, 184), (14, 4), BONE - 150, tilt=side * 25)
    image.ring((128, 62 - 4 * level), (9, 4), 2, (BONE - 200, MARROW))
    for x in range(28, 229):
        y = 212 + int((x - 128) ** 2 / -900)
        for thickness in range(4):
            image.grid[y + thickness][x] = -150
    if soft_kernel:
        image.blur(1)
    image.grain(9 if soft_kernel else 34, seed=int(level * 1000) + soft_kernel)
    return image


def _lungs(image: Canvas, level: float) -> None:
    grow = math.sin(math.pi * min(1.0, 0.22 + 0.7 * level))
    for side in (-1, 1):
        centre = (128 + side * (46 + 4 * level), 120 + 4 * level)
        radii = (30 + 12 * grow, 36 + 20 * grow)
        image.ellipse(centre, radii, LUNG, tilt=side * 8)
        source = random.Random(side * 31 + int(level * 40))
        for _ in range(60):
            angle, way = source.uniform(0, 2 * math.pi), math.sqrt(source.uniform(0.02, 0.82))
            spot = (centre[0] + radii[0] * way * math.cos(angle), centre[1] + radii[1] * way * math.sin(angle))
            image.ellipse(spot, (max(0.7, 3.0 * (1 - way)), max(0.7, 2.2 * (1 - way))), -60, tilt=math.degrees(angle))
    # The nodule that the exam was ordered for: upper right lobe, which is left on the picture.
    size = 6.5 * math.sqrt(max(0.0, 1 - ((level - 0.42) / 0.12) ** 2))
    if size > 1:
        image.ellipse((74, 98), (size, size * 0.9), 35)
    if level > 0.75:
        dome = (level - 0.75) * 4
        image.ellipse((76, 130), (34 * dome, 40 * dome), 95)


def _ribs(image: Canvas, level: float, radii: tuple[float, float]) -> None:
    for number in range(5):
        for side in (-1, 1):
            angle = math.radians(-62 + 32 * number + 14 * level)
            spot = (128 + side * radii[0] * math.cos(angle), 122 + radii[1] * math.sin(angle))
            image.ellipse(spot, (8, 3.2), BONE, tilt=side * (math.degrees(angle) + 90))
            image.ellipse(spot, (5.5, 1.4), MARROW, tilt=side * (math.degrees(angle) + 90))


def _middle(image: Canvas, level: float) -> None:
    if level < 0.35:
        image.ellipse((128, 116), (24, 38), SOFT)
        image.ellipse((112, 104), (8, 7), CONTRAST)
        image.ellipse((143, 108), (10, 8), CONTRAST - 40)
        image.ellipse((128, 126), (8, 9), AIR)
    else:
        heart = 0.5 + 0.7 * math.sin(math.pi * (level - 0.3))
        image.ellipse((139, 112), (42 * heart, 30 * heart), 70, tilt=24)
        image.ellipse((148, 116), (20 * heart, 13 * heart), CONTRAST - 70, tilt=24)
        image.ellipse((118, 106), (13 * heart, 12 * heart), CONTRAST - 20)
        image.ellipse((128, 140), (18, 12), SOFT)
        if level < 0.6:
            for side in (-1, 1):
                image.ellipse((128 + side * 10, 134), (5, 5), AIR)
    image.ellipse((143, 156), (9, 9), CONTRAST)


def head(level: float) -> Canvas:
    """Return one slice of a head with a crescent of blood under the skull on one side. level: 0 base, 1 vertex."""
    image = Canvas(SIZE, SIZE, AIR)
    shrink = 1 - 0.5 * max(0.0, level - 0.45) ** 1.6
    rx, ry = 78 * shrink, 96 * shrink
    image.ellipse((128, 128), (rx + 10, ry + 10), 10)
    image.ring((128, 128), (rx + 5, ry + 5), 8, (BONE + 250, 36))
    if level < 0.85:
        image.ellipse((176 - 4 * level, 122), (22, 62 * shrink), 72, tilt=-4)
        image.ellipse((128 - 8, 128), (rx - 12, ry - 6), 36)
    for side in (-1, 1):
        for number in range(9):
            angle = math.radians(-80 + 20 * number)
            fold = (128 + side * (rx - 9) * math.cos(angle), 128 + (ry - 9) * math.sin(angle))
            image.ellipse(fold, (9, 1.3), 12, tilt=math.degrees(angle) * side)
    if level < 0.8:
        shift = -6
        for side in (-1, 1):
            image.ellipse((128 + shift + side * 13, 108), (6, 19), 6, tilt=side * 14)
            image.ellipse((128 + shift + side * 17, 150), (5, 15), 6, tilt=side * -22)
            image.ellipse((128 + shift + side * 24, 128), (11, 15), 42, tilt=side * 12)
    image.ellipse((124, 128), (1.2, ry - 8), 55)
    if level < 0.25:
        for side in (-1, 1):
            image.ellipse((128 + side * 46, 158), (24, 9), BONE, tilt=side * -24)
        image.ring((128, 52), (18, 12), 3, (BONE, AIR))
    image.blur(1)
    image.grain(4, seed=int(level * 999))
    return image
