"""Invented people in any number, with names about as frequent and birth dates about as spread as in life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate, product
from random import Random
from typing import NamedTuple

_FAMILIES = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis "
    "Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall "
    "Rivera Campbell Mitchell Carter Roberts"
)
_GIVEN = {
    "F": "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Sandra Margaret Ashley "
    "Kimberly Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Sharon Laura Cynthia Amy Luz Ngozi Astrid",
    "M": "James Robert John Michael David William Richard Joseph Thomas Christopher Charles Daniel Matthew Anthony Mark "
    "Steven Donald Andrew Joshua Paul Kenneth Kevin Brian Timothy Ronald Jason George Edward Jeffrey Ryan Diego Omar Sean",
}
_STARTS = "Bar Cal Dor Fen Gar Hal Kel Lor Mar Nor Pel Ros Sal Tor Ver Win Zan Ab El Or Us Ty Bren Crai Drum"
_MIDDLES = "a e i o u an en in on ar er or al el il"
_ENDS = "by dale ford gate ham kin ley man more ner ridge sen son stein ton vich wald well wick worth ski ez ov ert os"
_COMMON_SHARE = 0.2
_GIVEN_WEIGHTS = [1 / (rank + 6) for rank in range(33)]
_FIRST_DAY, _DAYS = date(1930, 1, 1), 93 * 365


class Person(NamedTuple):
    """A person as registration has them. number: eight digits, in the order of registration."""

    number: str
    family: str
    given: str
    birth_date: str
    sex: str

    @property
    def patient_name(self) -> str:
        return f"{self.family}^{self.given}"


def people(count: int, seed: str = "people") -> Iterator[Person]:
    """Return *count* people, the same for the same seed."""
    draw = Random(seed)
    families, starts, middles, ends = (words.split() for words in (_FAMILIES, _STARTS, _MIDDLES, _ENDS))
    common = list(accumulate(1 / (rank + 3) for rank in range(len(families))))
    rare = ["".join(parts) for parts in product(starts, middles, ends)]
    given = {sex: names.split() for sex, names in _GIVEN.items()}
    weights = list(accumulate(_GIVEN_WEIGHTS))
    for number in range(count):
        sex = draw.choice("FM")
        is_common = draw.random() < _COMMON_SHARE
        family = draw.choices(families, cum_weights=common)[0] if is_common else draw.choice(rare)
        if draw.random() < 0.5:
            first = draw.choices(given[sex], cum_weights=weights)[0]
        else:
            first = draw.choice(starts) + draw.choice(middles) + draw.choice(("na", "ra", "la", "n", "s", "ta"))
        born = _FIRST_DAY + timedelta(days=draw.randrange(_DAYS))
        yield Person(f"{10_000_000 + number}", family, first, born.strftime("%Y%m%d"), sex)
