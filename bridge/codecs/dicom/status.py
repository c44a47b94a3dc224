"""Which DIMSE status each of our errors becomes: the one table of this edge. Source: PS3.7 C, PS3.4 B.2.3, C.4, F.7."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom.datadict import tag_for_keyword

from bridge.errors import BridgeError, Conflict, Incomplete, Malformed, Refused, Unavailable, Unsupported

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
PENDING_UNSUPPORTED_KEYS: Final = 0xFF01
CANCELLED: Final = 0xFE00
SUBOPERATIONS_WARNING: Final = 0xB000
SUBOPERATIONS_FAILED: Final = 0xA702
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
PROCESSING_FAILURE: Final = 0x0110
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NOT_AUTHORIZED: Final = 0x0124
UNRECOGNIZED_OPERATION: Final = 0x0211
OUT_OF_RESOURCES: Final = 0xA700
ATTRIBUTE_LIST_ERROR: Final = 0x0107
VALUE_OUT_OF_RANGE: Final = 0x0116

# ErrorID of a performed step that is final. Source: PS3.4 F.7.2.2.
MAY_NO_LONGER_BE_UPDATED: Final = 0xA710

_COMMENT_MAX = 64


class Service(StrEnum):
    """What a presentation context is for, as far as statuses and rights differ."""

    VERIFICATION = "verification"
    STORAGE = "storage"
    WORKLIST = "worklist"
    PERFORMED_STEP = "performed_step"
    COMMITMENT = "commitment"
    AVAILABILITY = "availability"
    FIND = "find"
    GET = "get"
    MOVE = "move"


# Services of N operations: they say themselves what is wrong with a request's class or size.
NORMALIZED: Final = frozenset({Service.PERFORMED_STEP, Service.COMMITMENT, Service.AVAILABILITY})


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What is answered.

    comment: ErrorComment, at most 64 ASCII characters without patient data, "" for none. offending: the key at fault.
    """

    status: int = SUCCESS
    comment: str = ""
    error_id: int | None = None
    offending: tuple[int, ...] = ()


_QUERY: dict[type[BridgeError], int] = {
    Malformed: 0xA900,
    Unsupported: SOP_CLASS_NOT_SUPPORTED,
    Incomplete: 0xA900,
    Conflict: 0xC001,
    Refused: NOT_AUTHORIZED,
    Unavailable: OUT_OF_RESOURCES,
}
_RETRIEVE: dict[type[BridgeError], int] = _QUERY | {Unavailable: 0xA701}
_QUERIES = frozenset({Service.WORKLIST, Service.FIND})
_STORE: dict[type[BridgeError], int] = {
    Malformed: 0xC000,
    Unsupported: SOP_CLASS_NOT_SUPPORTED,
    Incomplete: 0xA900,
    Conflict: PROCESSING_FAILURE,
    Refused: NOT_AUTHORIZED,
    Unavailable: OUT_OF_RESOURCES,
}
_NORMALIZED: dict[type[BridgeError], int] = {
    Malformed: 0x0106,
    Unsupported: SOP_CLASS_NOT_SUPPORTED,
    Incomplete: 0x0120,
    Conflict: PROCESSING_FAILURE,
    Refused: NOT_AUTHORIZED,
    Unavailable: 0x0213,
}
_TABLE: dict[Service, dict[type[BridgeError], int]] = {
    Service.VERIFICATION: _NORMALIZED,
    Service.STORAGE: _STORE,
    Service.WORKLIST: _QUERY,
    Service.FIND: _QUERY,
    Service.GET: _RETRIEVE,
    Service.MOVE: _RETRIEVE,
    Service.PERFORMED_STEP: _NORMALIZED,
    Service.AVAILABILITY: _NORMALIZED,
    Service.COMMITMENT: _NORMALIZED | {Malformed: 0x0115, Incomplete: 0x0115},
}
# Where the error's code says more than its class.
_BY_CODE: dict[tuple[Service, str], int] = {
    (Service.STORAGE, "sop_class_mismatch"): 0xA900,
    (Service.STORAGE, "uid_mismatch"): 0xA900,
    (Service.STORAGE, "missing_uid"): 0xA900,
    (Service.STORAGE, "invalid_uid"): 0x0117,
    # Sent again it would be as large.
    (Service.STORAGE, "inflation_limit"): 0xC000,
    (Service.PERFORMED_STEP, "invalid_uid"): 0x0117,
    (Service.PERFORMED_STEP, "empty_value"): 0x0121,
    (Service.PERFORMED_STEP, "missing_value"): 0x0121,
    (Service.PERFORMED_STEP, "no_such_class"): 0x0118,
    (Service.PERFORMED_STEP, "duplicate_invocation"): 0x0210,
    (Service.PERFORMED_STEP, "mistyped_argument"): 0x0212,
    (Service.PERFORMED_STEP, "duplicate"): 0x0111,
    (Service.PERFORMED_STEP, "unknown"): 0x0112,
    (Service.COMMITMENT, "unknown"): 0x0112,
    (Service.COMMITMENT, "no_such_event"): 0x0113,
    (Service.COMMITMENT, "no_such_argument"): 0x0114,
    (Service.COMMITMENT, "invalid_uid"): 0x0117,
    (Service.COMMITMENT, "no_such_class"): 0x0118,
    (Service.COMMITMENT, "class_instance_conflict"): 0x0119,
    (Service.COMMITMENT, "no_such_action"): 0x0123,
    (Service.COMMITMENT, "duplicate_invocation"): 0x0210,
    (Service.AVAILABILITY, "invalid_uid"): 0x0117,
    (Service.AVAILABILITY, "empty_value"): 0x0121,
    (Service.AVAILABILITY, "no_such_class"): 0x0118,
    (Service.AVAILABILITY, "duplicate_invocation"): 0x0210,
    (Service.AVAILABILITY, "duplicate"): 0x0111,
    (Service.WORKLIST, "required_key_missing"): 0xC001,
    (Service.MOVE, "unknown_destination"): MOVE_DESTINATION_UNKNOWN,
}
# A retrieval that found its objects and could not send them. Source: PS3.4 C.4.2.1.5, C.4.3.1.4.
_UNSENT = frozenset(
    {
        "unreachable",
        "tls_failed",
        "association_rejected",
        "association_aborted",
        "association_lost",
        "no_answer",
        "bad_peer",
    }
)
_OUR_FAULT: dict[Service, int] = {
    Service.STORAGE: 0xC000,
    Service.WORKLIST: 0xC000,
    Service.FIND: 0xC000,
    Service.GET: 0xC000,
    Service.MOVE: 0xC000,
}


def outcome_of(service: Service, fault: Exception) -> Outcome:
    """
    Return the answer to a request of *service* that ended in *fault*.

    The comment is the error's detail, which holds no patient data; an exception of another family gives none of its text.
    """
    if not isinstance(fault, BridgeError):
        return Outcome(_OUR_FAULT.get(service, PROCESSING_FAILURE), "internal error")
    if service == Service.PERFORMED_STEP and fault.code == "performed_step_final":
        return Outcome(PROCESSING_FAILURE, comment_of(fault.detail), MAY_NO_LONGER_BE_UPDATED)
    status = _BY_CODE.get((service, fault.code))
    if service in (Service.GET, Service.MOVE) and fault.code in _UNSENT:
        status = SUBOPERATIONS_FAILED
    if status is None:
        table = _TABLE[service]
        status = next((table[kind] for kind in type(fault).__mro__ if kind in table), None)
    if status is None:
        return Outcome(_OUR_FAULT.get(service, PROCESSING_FAILURE), "internal error")
    offending = tag_for_keyword(fault.where) if service in _QUERIES and fault.where else None
    return Outcome(status, comment_of(fault.detail), offending=() if offending is None else (offending,))


def comment_of(detail: str) -> str:
    """Return *detail* as an ErrorComment: LO, at most 64 characters, no backslash. Source: PS3.7 C.4, PS3.5 6.2."""
    plain = "".join(char if 0x20 <= ord(char) < 0x7F and char != "\\" else "?" for char in detail)
    return plain if len(plain) <= _COMMENT_MAX else plain[: _COMMENT_MAX - 3] + "..."


def is_warning(status: int) -> bool:
    """Say whether a C-STORE status means stored, with a remark. Source: PS3.4 B.2.3, PS3.7 C.2."""
    return status in (0x0001, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF
