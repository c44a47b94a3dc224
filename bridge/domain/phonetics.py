"""A phonetic key for names of many languages, and the number of edits between two spellings."""

from __future__ import annotations

import re
from functools import lru_cache

# Applied in this order to folded upper-case letters.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(?:KN|GN|PN)", "N"),
        (r"^WR", "R"),
        (r"^X", "S"),
        (r"X", "KS"),
        # From here on X stands for the sound of "sh".
        (r"TSCH|TCH|SCH|SH|CH", "X"),
        (r"PH", "F"),
        (r"TH", "T"),
        (r"KH", "H"),
        (r"GH(?=[EIAOU])", "G"),
        (r"GH", ""),
        (r"DG(?=[EIY])", "J"),
        (r"DT", "T"),
        (r"CK|CQ|QU|Q", "K"),
        (r"C(?=[EIY])", "S"),
        (r"C", "K"),
        (r"Z|TS", "S"),
        (r"[WV]", "V"),
        (r"J|(?<=[AEIOU])Y(?=[AEIOU])|^Y", "Y"),
        (r"(?<=[AEIOUY])H(?![AEIOUY])", ""),
    )
)
_REPEATED = re.compile(r"(.)\1+")
_VOWELS = frozenset("AEIOU")


@lru_cache(maxsize=50_000)
def phonetic_key(letters: str) -> str:
    """Return what *letters* sounds like: consonants, and an A for a vowel at the start. letters: folded, upper case."""
    text = letters
    for pattern, sound in _SOUNDS:
        text = pattern.sub(sound, text)
    head = "A" if text[:1] in _VOWELS else text[:1]
    body = "".join(char for char in text[1:] if char not in _VOWELS and char != "Y")
    return _REPEATED.sub(r"\1", head + body)


def edits_within(one: str, other: str, limit: int) -> bool:
    """Say whether at most *limit* insertions, deletions, changes or exchanges of neighbours lead from one to the other."""
    if abs(len(one) - len(other)) > limit:
        return False
    if one == other:
        return True
    letters, others = set(one), set(other)
    # Each letter that the other lacks costs an edit.
    if len(letters - others) > limit or len(others - letters) > limit:
        return False
    return _distance(*_without_common_ends(one, other), limit) <= limit


def _without_common_ends(one: str, other: str) -> tuple[str, str]:
    shorter = min(len(one), len(other))
    start = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    one, other = one[start:], other[start:]
    shorter -= start
    end = next((at for at in range(shorter) if one[-1 - at] != other[-1 - at]), shorter)
    return one[: len(one) - end], other[: len(other) - end]


def _distance(one: str, other: str, limit: int) -> int:
    """Return the number of edits, or some number above *limit*."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        current = [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(row) > limit:
            return limit + 1
        before, row = row, current
    return row[-1]
