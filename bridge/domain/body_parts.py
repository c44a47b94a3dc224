"""Body parts and sides as texts and codes name them, by the words of a site's data."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

_LONGEST_PHRASE = 4
WHOLE_BODY = "whole_body"


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part. words: as texts have it; codes: of it, or of procedures on it; within: the larger part, "" for none."""

    name: str
    words: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    within: str = ""
    is_paired: bool = False

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class BodyParts:
    """Every part that is known, by its name. together: one word for several parts."""

    parts: Mapping[str, BodyPart] = field(default_factory=dict)
    together: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def _by_phrase(self) -> dict[str, tuple[str, ...]]:
        """Return the parts of each phrase, its words with one blank between, and of the same without blanks."""
        found: dict[str, tuple[str, ...]] = {}
        for part in self.parts.values():
            for word in part.words:
                phrase = " ".join(tokens(word))
                found[phrase] = found[phrase.replace(" ", "")] = (part.name,)
        for word, several in self.together.items():
            found["".join(tokens(word))] = several
        return found

    @cached_property
    def _by_code(self) -> dict[str, str]:
        return {code: part.name for part in self.parts.values() for code in part.codes}

    def named_in(self, texts: Iterable[str], codes: Iterable[str] = ()) -> frozenset[str]:
        """Return the parts that *texts* or *codes* name; of overlapping phrases the longest counts."""
        found = {name for text in texts for name in self._in_text(text)}
        return frozenset(found | {self._by_code[code] for code in codes if code in self._by_code})

    def _in_text(self, text: str) -> list[str]:
        words, found, at = tokens(text), list[str](), 0
        if whole := self._by_phrase.get("".join(words)):
            return [*whole]
        while at < len(words):
            for length in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1):
                if parts := self._by_phrase.get(" ".join(words[at : at + length])):
                    found += parts
                    at += length - 1
                    break
            at += 1
        return found

    def may_be_same(self, one: str, other: str) -> bool:
        """Say whether two parts are one, or one lies within the other."""
        return WHOLE_BODY in (one, other) or one in self._around(other) or other in self._around(one)

    def _around(self, name: str) -> list[str]:
        """Return a part and what it lies within."""
        found: list[str] = []
        while name in self.parts and name not in found:
            found.append(name)
            name = self.parts[name].within
        return found

    def is_paired(self, names: Iterable[str]) -> bool:
        """Say whether one of these parts is there on both sides."""
        return any(self.parts[name].is_paired for name in names if name in self.parts)

    def titles(self, names: Iterable[str]) -> str:
        """Return the parts in words, in the order of the data."""
        wanted = set(names)
        return ", ".join(part.title for part in self.parts.values() if part.name in wanted)


@dataclass(frozen=True, slots=True)
class Sides:
    """Words and codes for a side, folded."""

    left: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    both: frozenset[str] = frozenset()

    def named_in(self, texts: Iterable[str], codes: Iterable[str] = ()) -> frozenset[str]:
        """Return "L" and "R" as *texts* and *codes* name them; both for a word that means both."""
        words = {word for text in texts for word in tokens(text)} | set(codes)
        found = {side for side, known in (("L", self.left), ("R", self.right)) if words & known}
        return frozenset("LR" if words & self.both else found)


def tokens(text: str) -> list[str]:
    """
    Return the words of *text*, folded: letters and digits, nothing between.

    >>> tokens("XR KNEE_LT, 3 views")
    ['xr', 'knee', 'lt', '3', 'views']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char if char.isalnum() else " " for char in folded).split()
