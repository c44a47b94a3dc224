"""What is asked of a payer about an authorization, as a person released it: a request, a change of it, its end, or how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.domain.authorization import AuthorizationLine
from bridge.domain.submission import SubmissionState

# What the payer compares from one version of a request to the next.
_COMPARED = (
    "code",
    "modifiers",
    "diagnoses",
    "requested_units",
    "place_of_service",
    "ordering_npi",
    "rendering_npi",
    "service_from",
    "service_to",
)


class RequestKind(StrEnum):
    """submit: for the first time; update: what changed, or further evidence; cancel: all of it; inquire: how it stands."""

    SUBMIT = "submit"
    UPDATE = "update"
    CANCEL = "cancel"
    INQUIRE = "inquire"


class RequestState(StrEnum):
    """begun: it may be with the payer, which has not said so; dropped: it never left, and will not."""

    WAITING = "waiting"
    BEGUN = "begun"
    ANSWERED = "answered"
    FAILED = "failed"
    DROPPED = "dropped"


OPEN = (RequestState.WAITING, RequestState.BEGUN)
# Of a request with evidence, by how far its release is.
BY_RELEASE = {
    SubmissionState.READY: RequestState.WAITING,
    SubmissionState.SENDING: RequestState.BEGUN,
    SubmissionState.UNCLEAR: RequestState.BEGUN,
    SubmissionState.SENT: RequestState.ANSWERED,
    SubmissionState.ACCEPTED: RequestState.ANSWERED,
    SubmissionState.REFUSED: RequestState.FAILED,
    SubmissionState.TAKEN_BACK: RequestState.DROPPED,
}


@dataclass(frozen=True, slots=True)
class PayerRequest:
    """
    One request to one payer. trace: ours, the same for the request's whole life (TRN02).

    lines: what is asked for; cancelled: the sequence numbers of those that are asked for no more. control_numbers: of the
    evidence in it; submission_key, attachment_key: the release of that evidence, whose state is this one's too, None for a
    request without. begun_at: when it may have left. whom_digest: of the person and the member that it is about, as whoever let it
    go saw them; "" of a question how it stands.
    """

    key: int
    authorization_key: int
    payer: str
    kind: RequestKind
    trace: str
    state: RequestState = RequestState.WAITING
    lines: tuple[AuthorizationLine, ...] = ()
    cancelled: tuple[int, ...] = ()
    control_numbers: tuple[str, ...] = ()
    submission_key: int | None = None
    attachment_key: int | None = None
    asked_by: str = ""
    reason: str = ""
    asked_at: datetime | None = None
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    detail: str = ""
    whom_digest: str = ""

    @property
    def changes_something(self) -> bool:
        """Whether the payer does something about it, and so must not have it twice."""
        return self.kind != RequestKind.INQUIRE


class LineChange(StrEnum):
    """What became of a line since the payer was last told of it."""

    SAME = "same"
    ADDED = "added"
    CHANGED = "changed"
    CANCELLED = "cancelled"


def change_of(line: AuthorizationLine, known: Iterable[AuthorizationLine], cancelled: Iterable[int]) -> LineChange:
    """Return what became of *line*. known: what the payer was last told; cancelled: sequence numbers."""
    if line.sequence in cancelled:
        return LineChange.CANCELLED
    before = next((one for one in known if one.sequence == line.sequence), None)
    if before is None:
        return LineChange.ADDED
    same = all(getattr(before, name) == getattr(line, name) for name in _COMPARED)
    return LineChange.SAME if same else LineChange.CHANGED


@dataclass(frozen=True, slots=True)
class Told:
    """What a payer was told of an authorization by now: lines as last sent, those cancelled, and the evidence's numbers."""

    lines: tuple[AuthorizationLine, ...] = ()
    cancelled: frozenset[int] = frozenset()
    control_numbers: frozenset[str] = frozenset()
    is_known: bool = False


def told_by(requests: Sequence[PayerRequest]) -> Told:
    """Return what the *requests* that the payer answered told it, oldest first."""
    answered = [one for one in requests if one.state == RequestState.ANSWERED and one.changes_something]
    if not answered:
        return Told()
    last = answered[-1]
    evidence = frozenset(number for one in answered for number in one.control_numbers)
    return Told(last.lines, frozenset(last.cancelled), evidence, is_known=True)


def asks_again_at(pended_at: datetime, asked_at: datetime) -> datetime:
    """
    Return when a payer that pended a request may be asked again, at the earliest. Source: HL7 Da Vinci PAS, checking status.

    pended_at: when it said so first; asked_at: when it was asked last.
    """
    return asked_at + (_SOON if asked_at - pended_at < _SOON_FOR else _LATER)


_SOON, _SOON_FOR, _LATER = timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1)


def in_words(
    lines: Iterable[AuthorizationLine], known: Sequence[AuthorizationLine], cancelled: Iterable[int]
) -> list[str]:
    """Return what a request asks for, a sentence for each line."""
    gone = frozenset(cancelled)
    return [f"Line {line.sequence}, {_named(line)}: {_WORDS[change_of(line, known, gone)]}" for line in lines]


_WORDS = {
    LineChange.SAME: "as the payer has it",
    LineChange.ADDED: "asked for",
    LineChange.CHANGED: "changed",
    LineChange.CANCELLED: "asked for no more",
}


def _named(line: AuthorizationLine) -> str:
    return "-".join((line.code or "no code", *line.modifiers))
