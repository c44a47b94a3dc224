"""A grid of grey values and the few strokes that anatomy needs: ellipses by spans, capsules, blur, grain."""

from __future__ import annotations

import math
import random
import struct
import zlib
from array import array
from collections.abc import Callable
from itertools import accumulate
from operator import add, sub


class Canvas:
    """Signed grey values in rows; every stroke either sets or adds, clipped at the border."""

    def __init__(self, columns: int, rows: int, value: int = 0) -> None:
        self.columns = columns
        self.rows = rows
        self.grid = [array("i", [value]) * columns for _ in range(rows)]

    def span(self, y: int, left: float, right: float, value: int, *, adds: bool = False) -> None:
        """Set (or add to) the pixels of row *y* from *left* to *right*."""
        if not 0 <= y < self.rows:
            return
        a, b = max(0, math.ceil(left)), min(self.columns, math.floor(right) + 1)
        if a >= b:
            return
        row = self.grid[y]
        row[a:b] = array("i", [old + value for old in row[a:b]]) if adds else array("i", [value]) * (b - a)

    def ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        value: int,
        *,
        tilt: float = 0,
        adds: bool = False,
    ) -> None:
        """Fill an ellipse. centre, radii: x, y in pixels. tilt: degrees, turning x towards y."""
        (cx, cy), (rx, ry) = centre, radii
        cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        a = (cos / rx) ** 2 + (sin / ry) ** 2
        b = 2 * cos * sin * (1 / rx**2 - 1 / ry**2)
        c = (sin / rx) ** 2 + (cos / ry) ** 2
        reach = max(rx, ry)
        for y in range(max(0, int(cy - reach)), min(self.rows, int(cy + reach) + 2)):
            dy = y - cy
            under = (b * dy) ** 2 - 4 * a * (c * dy * dy - 1)
            if under >= 0:
                root = math.sqrt(under)
                self.span(y, cx + (-b * dy - root) / (2 * a), cx + (-b * dy + root) / (2 * a), value, adds=adds)

    def ring(
        self, centre: tuple[float, float], radii: tuple[float, float], width: float, values: tuple[int, int]
    ) -> None:
        """Fill an ellipse with values[0] and, *width* pixels inside its border, with values[1]."""
        self.ellipse(centre, radii, values[0])
        self.ellipse(centre, (radii[0] - width, radii[1] - width), values[1])

    def capsule(
        self, start: tuple[float, float], end: tuple[float, float], radii: tuple[float, float], value: int
    ) -> None:
        """
        Add a thick line with round ends, denser along its axis, as a bone is on a radiograph.

        radii: at start and end. Where capsules overlap the denser one shows, so joints do not glow.
        """
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        length2 = dx * dx + dy * dy or 1.0
        reach = max(radii) + 1
        for y in range(max(0, int(min(y0, y1) - reach)), min(self.rows, int(max(y0, y1) + reach) + 1)):
            row = self.grid[y]
            for x in range(max(0, int(min(x0, x1) - reach)), min(self.columns, int(max(x0, x1) + reach) + 1)):
                t = min(1.0, max(0.0, ((x - x0) * dx + (y - y0) * dy) / length2))
                off = math.hypot(x - x0 - t * dx, y - y0 - t * dy)
                radius = radii[0] + t * (radii[1] - radii[0])
                if off < radius:
                    row[x] = max(row[x], value + int(value * 0.25 * math.sqrt(1 - (off / radius) ** 2)))

    def arc(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        angles: tuple[float, float],
        stroke: tuple[float, int],
    ) -> None:
        """Add a curved band, a rib say. angles: from, to, in degrees, 0 to the right, clockwise. stroke: width, value."""
        width, value = stroke
        steps = max(2, int(abs(angles[1] - angles[0]) * max(radii) / 60))
        covered: set[tuple[int, int]] = set()
        for step in range(steps + 1):
            angle = math.radians(angles[0] + (angles[1] - angles[0]) * step / steps)
            x, y = centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)
            covered.update(
                (px, py)
                for py in range(int(y - width / 2), int(y + width / 2) + 1)
                for px in range(int(x - width / 2), int(x + width / 2) + 1)
            )
        for px, py in covered:
            if 0 <= px < self.columns and 0 <= py < self.rows:
                self.grid[py][px] += value

    def blur(self, radius: int = 1) -> None:
        """Soften: every pixel becomes the mean of its square, twice. radius: of the square, in pixels."""
        for _ in range(2):
            self.grid = [_running_mean(row, radius) for row in self.grid]
            self._mean_of_columns(radius)

    def _mean_of_columns(self, radius: int) -> None:
        full = 2 * radius + 1
        padded = [self.grid[0]] * radius + self.grid + [self.grid[-1]] * radius
        sums = [sum(column) for column in zip(*padded[:full], strict=True)]
        out = [array("i", [value // full for value in sums])]
        for leaving, entering in zip(padded, padded[full:], strict=False):
            sums = list(map(add, sums, map(sub, entering, leaving)))
            out.append(array("i", [value // full for value in sums]))
        self.grid = out

    def grain(self, deviation: float, seed: int) -> None:
        """Add noise of that standard deviation, the same for the same *seed*."""
        source = random.Random(seed)
        noise = [int(source.gauss(0, deviation)) for _ in range(4093)]
        noise += noise
        for y, row in enumerate(self.grid):
            at = source.randrange(4093 - 1)
            strip = (noise[at:] + noise)[: self.columns]
            self.grid[y] = array("i", map(add, row, strip))

    def shade(self, value_at: Callable[[int, int, int], int]) -> None:
        """Replace every pixel by value_at(x, y, old)."""
        for y, row in enumerate(self.grid):
            self.grid[y] = array("i", [value_at(x, y, old) for x, old in enumerate(row)])

    def pixels16(self, low: int, high: int) -> bytes:
        """Return the grid as 16-bit little-endian words, clipped to low..high."""
        kind = "h" if low < 0 else "H"
        out = array(kind)
        for row in self.grid:
            out.extend(min(high, max(low, value)) for value in row)
        return struct.pack(f"<{len(out)}{kind}", *out)

    def pixels8(self) -> bytes:
        """Return the grid as bytes, clipped to 0..255."""
        return b"".join(bytes(min(255, max(0, value)) for value in row) for row in self.grid)


def _running_mean(row: array[int], radius: int) -> array[int]:
    full = 2 * radius + 1
    padded = row[:1] * radius + row + row[-1:] * radius
    sums = list(accumulate(padded, initial=0))
    return array("i", [value // full for value in map(sub, sums[full:], sums)])


def png(columns: int, rows: int, samples: bytes, *, colour: bool = False) -> bytes:
    """Return 8-bit grey or RGB *samples* as a PNG file. Source: PNG (ISO/IEC 15948) 11.2."""
    stride = columns * (3 if colour else 1)
    lines = b"".join(b"\0" + samples[y * stride : (y + 1) * stride] for y in range(rows))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 2 if colour else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 6)) + chunk(b"IEND", b"")
