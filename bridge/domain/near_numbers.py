"""Numbers that one slip of the hand makes of another: what somebody may have meant who typed one that nobody knows."""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import islice
from typing import Final

_LENGTH_MAX: Final = 24
_MOST: Final = 900


def near_numbers(number: str) -> tuple[str, ...]:
    """
    Return the numbers that differ from *number* by one slip, likeliest first, at most 900; () for one beyond any number's length.

    A slip: letters' case, leading zeros, two neighbours swapped, one character more or less, one digit for another.

    >>> near_numbers("a12")[:4], "021" in near_numbers("201")
    (('A12', '1a2', 'a21', '12'), True)
    """
    number = number.strip()
    if not number or len(number) > _LENGTH_MAX:
        return ()
    found = dict.fromkeys(_slips(number))
    found.pop(number, None)
    found.pop("", None)
    return tuple(islice(found, _MOST))


def _slips(number: str) -> Iterator[str]:
    yield from (number.upper(), number.lower(), number.lstrip("0"))
    places = range(len(number))
    yield from (number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in places[:-1])
    yield from (number[:at] + number[at + 1 :] for at in places)
    yield from (
        number[:at] + other + number[at + 1 :] for at in places if number[at].isdigit() for other in string.digits
    )
    yield from (number[:at] + other + number[at:] for at in range(len(number) + 1) for other in string.digits)
    letters = string.ascii_uppercase
    yield from (number[:at] + other + number[at + 1 :] for at in places if number[at].isalpha() for other in letters)
