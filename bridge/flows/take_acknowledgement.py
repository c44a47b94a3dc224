"""What the other side says of an X12 file that we handed over: whether it could read it (TA1), and will work on it (999, 997).

It is told by our own numbers alone: ISA13 with its time, or the kind of the group and GS06. What answers somebody else's file,
a billing system's for instance, says nothing here. What was refused once stays refused: it is sent anew under new numbers.
Source: 005010X231A1; 005010 appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.x12.acknowledgement import GroupAnswer, InterchangeAnswer
from bridge.codecs.x12.envelope import GROUP_OF
from bridge.domain.attachment import AttachmentState
from bridge.domain.interchange import Interchange, InterchangeState, after
from bridge.domain.submission import PayerAnswer, SubmissionState
from bridge.store import audit, authorizations, events, interchanges, studies, submissions
from bridge.store.db import WriteTx, lock
from bridge.store.events import Event, Station

_DIGITS_MAX = 9
_ERRORS_SHOWN = 5
# TA105 of an interchange that they have already.
_DUPLICATE = "025"
CONTENT_TYPE = "application/edi-x12"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What is said of one file of ours. content: the segments that say it; by: who brought them."""

    found: Interchange
    state: InterchangeState
    detail: str
    content: bytes
    by: str


def of_interchange(
    tx: WriteTx, said: InterchangeAnswer, origin: str
) -> tuple[Interchange, InterchangeState, str] | None:
    """Return the file that a TA1 is about, and what it says of it; None for somebody else's. origin: whose folder it lay in."""
    found = _ours(tx, said.control_number, origin)
    if found is None or found.stamp != said.created:
        return None
    if said.is_accepted:
        return found, InterchangeState.RECEIVED, f"{_name(found)} was received (TA1 {said.code})"
    if said.note == _DUPLICATE and found.copies > 1:
        what = f"{_name(found)} was received before; its second copy was not taken (TA1 {said.code}, note {said.note})"
        return found, InterchangeState.RECEIVED, what
    return found, InterchangeState.REFUSED, f"{_name(found)} was refused (TA1 {said.code}, note {said.note})"


def of_group(tx: WriteTx, said: GroupAnswer, origin: str) -> tuple[Interchange, InterchangeState, str] | None:
    """Return the file that a 999 or 997 is about, and what it says of it; None for somebody else's."""
    found = _ours(tx, said.control_number, origin)
    if found is None or GROUP_OF.get(found.transaction) != said.name:
        return None
    errors = [f"{one.where} (code {', '.join(one.codes)})" for each in said.transactions for one in each.errors]
    shown = "; ".join(errors[:_ERRORS_SHOWN]) + ("; and more" if len(errors) > _ERRORS_SHOWN else "")
    is_accepted = said.is_accepted and all(one.is_accepted for one in said.transactions)
    if is_accepted:
        with_errors = f", with errors: {shown}" if shown else ""
        return found, InterchangeState.ACCEPTED, f"{_name(found)} was accepted (999 {said.code}){with_errors}"
    return (
        found,
        InterchangeState.REFUSED,
        f"{_name(found)} was refused (999 {said.code}){f': {shown}' if shown else ''}",
    )


def take_acknowledgement(tx: WriteTx, said: Acknowledged, at: datetime) -> bool:
    """Put on record what is said of a file; False, if it was known."""
    lock(tx, "identity")
    state = after(said.found.state, said.state)
    if state == said.found.state:
        return False
    interchanges.set_state(tx, said.found.key, state, said.detail, at)
    submissions.add_answer(
        tx, PayerAnswer(0, said.found.submission_key, at, said.content, CONTENT_TYPE, detail=said.detail)
    )
    submission = submissions.get(tx, said.found.submission_key)
    attachment = authorizations.get_attachment(tx, submission.attachment_key)
    every = [one.state for one in interchanges.of_submissions(tx, [submission.key])]
    if InterchangeState.REFUSED in every:
        submissions.set_state(tx, submission.key, SubmissionState.REFUSED, at, said.detail)
        if attachment.state == AttachmentState.SENT and _is_newest(tx, submission.key, attachment.key):
            authorizations.set_attachment_state(tx, attachment.key, AttachmentState.FAILED, at, detail=said.detail)
    elif set(every) == {InterchangeState.ACCEPTED}:
        submissions.set_state(tx, submission.key, SubmissionState.ACCEPTED, at, said.detail)
    on, study = authorizations.get(tx, attachment.authorization_key), studies.get(tx, attachment.study_key)
    line = (Station.AUTHORIZATION, f"{submission.destination}: {said.detail}", submission.destination)
    events.add(tx, Event(at, *line, "authorization", str(on.key), study.order_key, study.key))
    detail = {"submission": submission.key, "interchange": said.found.key, "state": state.value}
    audit.add(tx, at=at, action="file_acknowledged", actor=said.by, study_key=study.key, detail=detail)
    return True


def _is_newest(tx: WriteTx, submission_key: int, attachment_key: int) -> bool:
    newest = submissions.newest(tx, attachment_key)
    return newest is not None and newest.key == submission_key


def _ours(tx: WriteTx, number: str, origin: str) -> Interchange | None:
    """Return our file of a number, if it left; one that lay in a folder is about files of that clearinghouse alone."""
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        return None
    found = interchanges.by_control_number(tx, int(number))
    if found is None or not found.blob or (origin and origin != found.clearinghouse):
        return None
    return found


def _name(found: Interchange) -> str:
    return f"our {found.transaction}, interchange {found.control_number},"
