"""Storage commitment: who has promised to keep what. Source: PS3.4 J.3."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Failure Reason (0008,1197). Source: PS3.4 J.3.3.1.1, PS3.3 C.14.
PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_INSTANCE_CONFLICT: Final = 0x0119
CLASS_NOT_SUPPORTED: Final = 0x0122
DUPLICATE_TRANSACTION: Final = 0x0131
RESOURCE_LIMITATION: Final = 0x0213

# How often an object that an archive does not keep is sent to it before a person looks.
SENDS_MOST: Final = 3

_REASONS: Final = {
    PROCESSING_FAILURE: "processing failure",
    NO_SUCH_INSTANCE: "no such object",
    CLASS_INSTANCE_CONFLICT: "another class under this UID",
    CLASS_NOT_SUPPORTED: "class not supported",
    DUPLICATE_TRANSACTION: "transaction in use",
    RESOURCE_LIMITATION: "no room",
}


class CommitmentState(StrEnum):
    """What an archive says of one object that it took. Only its own report makes it committed."""

    UNASKED = ""
    ASKED = "asked"
    COMMITTED = "committed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Reference:
    """One object that a commitment is about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that is not committed, and why."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked to be kept, under the asker's Transaction UID. Source: PS3.4 J.3.2.1.1."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is kept and what is not. Source: PS3.4 J.3.3.1.1."""

    transaction_uid: str
    committed: tuple[Reference, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def event_type(self) -> int:
        """1 where all are kept, 2 where failures exist. Source: PS3.4 J.3.3.1.2."""
        return 2 if self.failed else 1


def words_of(reason: int) -> str:
    """Return a failure reason as people read it."""
    return f"{reason:04X} {_REASONS.get(reason, 'other reason')}"
