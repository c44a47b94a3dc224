"""Text that runs from right to left, made ready for a page: letters joined as they are written, lines in the order they are seen.

A page is filled from left to right, so that each line is put into visual order after it was broken. Source: Unicode UAX #9.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from arabic_reshaper import ArabicReshaper
from bidi import get_display
from bidi.mirror import MIRRORED

# Hebrew, Arabic, Syriac, Thaana, N'Ko and their forms.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")
# They steer the order and draw nothing; what they would turn around against the letters' own order stays as it was written.
_CONTROLS = re.compile("[\u034f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# They say where letters join, and draw nothing.
_JOINERS = re.compile("[\u200c\u200d]")
# Vowel signs stay: they tell names apart.
_JOINED = ArabicReshaper({"delete_harakat": False, "support_ligatures": True})

# Bidi_Mirrored characters, and what takes the direction of the character before it (NSM) and draws nothing: where it comes first, the
# two were turned around, and the mirror image is drawn (L4), which the library leaves to us.
_FOLLOWER = "\u034f"
_MIRRORED = f"([{re.escape(''.join(MIRRORED))}])"
_FOLLOWED = re.compile(f"{_MIRRORED}{_FOLLOWER}|{_FOLLOWER}{_MIRRORED}")

Base = Literal["L", "R"]


def runs_right_to_left(text: str) -> bool:
    """Say whether anything in *text* is written from right to left."""
    return _RIGHT_TO_LEFT.search(text) is not None


def base_of(text: str) -> Base:
    """Return the direction of a paragraph: that of its first letter. Source: UAX #9 P2, P3."""
    first = _LETTER.search(text)
    return "R" if first is not None and runs_right_to_left(first[0]) else "L"


def in_visual_order(line: str, base: Base) -> str:
    """Return one line as it is seen, from left to right."""
    joined = _JOINERS.sub("", _JOINED.reshape(_CONTROLS.sub("", line)))
    followed = re.sub(_MIRRORED, rf"\1{_FOLLOWER}", joined)
    return _FOLLOWED.sub(_mirrored, get_display(followed, base_dir=base))


def lines_of(text: str, width: float, width_of: Callable[[str], float]) -> Iterator[str]:
    """
    Yield *text* in lines of at most *width*, each in visual order; a word that is wider stands alone.

    width_of: of a piece in visual order.
    """
    base, space = base_of(text), width_of(" ")
    line: list[str] = []
    left = width
    for word in text.split():
        # Letters join within words alone, and a mirror image is as wide.
        wanted = width_of(in_visual_order(word, base))
        if line and wanted > left:
            yield in_visual_order(" ".join(line), base)
            line, left = [], width
        line.append(word)
        left -= wanted + space
    yield in_visual_order(" ".join(line), base)


def _mirrored(found: re.Match[str]) -> str:
    return found[1] or MIRRORED[found[2]]
