"""A file of a payer or a clearinghouse: whether all of it could be taken in, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NAME_MAX = 200


class PayerFileState(StrEnum):
    """open: it is being read, or was when the process ended. refused: not all of it could be taken in."""

    OPEN = "open"
    TAKEN = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PayerFile:
    """
    One file, by its bytes: the same again is the same file.

    blob: SHA-256 of its bytes, under which they are kept. name: as it was called when it came first. origin: in whose folder
    it lay, "" if a person handed it in. reasons: why not all of it was taken, in words without values. mends: the key of the
    refused one that it stands in for; mended_by: of the one that stands in for it.
    """

    key: int
    blob: str
    size_bytes: int
    name: str
    origin: str
    state: PayerFileState
    taken_by: str
    taken_at: datetime
    reasons: tuple[str, ...] = ()
    mends: int | None = None
    mended_by: int | None = None


def plain_name(name: str) -> str:
    """Return a file's name without a path and without signs that no list can show, "" where nothing is left."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(sign for sign in last if sign.isprintable())[:NAME_MAX].strip()
