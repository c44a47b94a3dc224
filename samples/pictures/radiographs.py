"""Digital radiographs, 12 bits, bone white: a chest, a hand, a knee."""

from __future__ import annotations

import math

from samples.pictures.canvas import Canvas

WHITE = 4095


def chest(*, lateral: bool = False) -> Canvas:
    """Return a chest radiograph, from the front or from the side."""
    image = Canvas(400, 480, 90)
    soft, bones = (_side_soft, _side_bones) if lateral else (_front_soft, _front_bones)
    soft(image)
    image.blur(3)
    bones(image)
    image.blur(1)
    image.grain(26, seed=11 + lateral)
    return image


def _front_soft(image: Canvas) -> None:
    image.ellipse((200, 360), (176, 330), 1440)
    for side in (-1, 1):
        image.ellipse((200 + side * 124, 150), (94, 84), 1440, tilt=side * 30)
    image.ellipse((200, 30), (50, 120), 800, adds=True)
    for side in (-1, 1):
        image.ellipse((200 + side * 82, 238), (62, 156), -980, tilt=side * 6, adds=True)
        image.ellipse((200 + side * 84, 250), (46, 120), -160, tilt=side * 6, adds=True)
        image.ellipse((200 + side * 92, 450), (100, 96 if side < 0 else 84), 900, adds=True)
        image.ellipse((200 + side * 44, 236), (15, 44), 300, tilt=side * -18, adds=True)
    image.ellipse((228, 314), (74, 70), 760, tilt=28, adds=True)
    image.ellipse((190, 200), (24, 70), 460, adds=True)
    image.ellipse((222, 166), (20, 22), 380, adds=True)
    image.ellipse((200, 104), (9, 62), -420, adds=True)


def _front_bones(image: Canvas) -> None:
    for side in (-1, 1):
        for number in range(9):
            drop = number * 33
            image.arc((200 + side * 62, 118 + drop), (92, 34), (180 if side > 0 else 0, 270), (7, 130))
            image.arc((200 + side * 66, 118 + drop), (86, 52), (270, 360) if side > 0 else (270, 180), (8, 190))
        image.capsule((200 + side * 18, 96), (200 + side * 152, 68), (7, 8), 2150)
    for number in range(14):
        image.ellipse((200, 66 + number * 30), (16, 12), 330, adds=True)
        image.ellipse((200, 66 + number * 30), (4, 8), 200, adds=True)


def _side_soft(image: Canvas) -> None:
    image.ellipse((200, 340), (136, 330), 1500, adds=True)
    image.ellipse((206, 226), (96, 150), -900, tilt=-8, adds=True)
    image.ellipse((214, 214), (66, 116), -160, tilt=-8, adds=True)
    image.ellipse((160, 300), (60, 74), 560, tilt=-20, adds=True)
    image.ellipse((206, 440), (122, 70), 700, adds=True)


def _side_bones(image: Canvas) -> None:
    for number in range(14):
        image.ellipse((292 + 14 * math.sin(number / 4), 60 + number * 30), (21, 13), 480, adds=True)
    for number in range(8):
        image.arc((206, 110 + number * 38), (112, 60), (200, 345), (6, 150))
    image.capsule((108, 110), (92, 320), (7, 7), 2100)


_FINGERS = (
    # root of the metacarpal, direction in degrees, lengths of metacarpal and phalanges, thickness
    ((176, 372), -128, (62, 56, 44), 1.1),
    ((186, 350), -103, (96, 62, 40, 26), 1.0),
    ((202, 346), -92, (94, 68, 46, 28), 1.0),
    ((218, 350), -81, (84, 60, 42, 26), 0.95),
    ((232, 360), -68, (76, 46, 32, 22), 0.85),
)


def hand(turn: float = 0.0) -> Canvas:
    """Return a left hand. turn: degrees added to every finger, for the oblique view."""
    image = Canvas(400, 480, 70)
    image.ellipse((204, 318), (62, 82), 900, adds=True)
    for root, direction, lengths, thick in _FINGERS:
        angle = math.radians(direction + turn)
        reach = sum(lengths) + 8 * len(lengths)
        tip = (root[0] + reach * math.cos(angle), root[1] + reach * math.sin(angle))
        image.capsule(root, tip, (24 * thick, 15 * thick), 820)
    image.capsule((202, 400), (202, 479), (44, 40), 900)
    image.blur(2)
    for root, direction, lengths, thick in _FINGERS:
        _bones(image, root, math.radians(direction + turn), lengths, thick)
    for number, spot in enumerate(((180, 376), (198, 366), (214, 368), (230, 376), (186, 394), (204, 390), (222, 394))):
        image.capsule(spot, (spot[0] + 3, spot[1] + 4 - number % 3), (9, 9), 1950)
    image.capsule((190, 420), (186, 479), (17, 14), 2150)
    image.capsule((222, 420), (224, 479), (11, 10), 2050)
    image.blur(1)
    image.grain(22, seed=21)
    return image


def _bones(image: Canvas, root: tuple[float, float], angle: float, lengths: tuple[int, ...], thick: float) -> None:
    x, y = root
    for number, length in enumerate(lengths):
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        shaft = (8.0 - 1.2 * number) * thick
        image.capsule((x, y), end, (shaft * 0.8, shaft * 0.7), 2000)
        for joint in ((x, y), end):
            image.capsule(joint, joint, (shaft * 1.15, shaft * 1.15), 2100)
        x, y = end[0] + 7 * math.cos(angle), end[1] + 7 * math.sin(angle)


def knee(*, lateral: bool = False) -> Canvas:
    """Return a right knee with a joint space that is narrow on its inner side."""
    image = Canvas(400, 480, 70)
    if lateral:
        image.capsule((230, 0), (214, 236), (86, 78), 980)
        image.capsule((214, 236), (196, 479), (76, 58), 980)
    else:
        image.capsule((200, 0), (200, 240), (96, 84), 980)
        image.capsule((200, 240), (200, 479), (84, 64), 980)
    image.blur(2)
    if lateral:
        image.capsule((236, 0), (212, 190), (27, 34), 2050)
        image.capsule((196, 206), (232, 208), (34, 32), 2150)
        image.capsule((142, 166), (148, 204), (13, 14), 2250)
        image.capsule((206, 268), (196, 479), (44, 24), 2050)
        image.capsule((244, 300), (224, 479), (13, 10), 1850)
    else:
        image.capsule((196, 0), (199, 168), (27, 33), 2050)
        image.capsule((166, 200), (176, 206), (36, 36), 2150)
        image.capsule((232, 200), (224, 206), (36, 36), 2150)
        image.capsule((200, 168), (200, 186), (26, 26), 2450)
        image.capsule((164, 266), (240, 268), (20, 21), 2200)
        image.capsule((201, 288), (199, 479), (44, 25), 2050)
        image.capsule((258, 300), (250, 479), (15, 10), 1800)
    image.blur(1)
    image.grain(24, seed=31 + lateral)
    return image
