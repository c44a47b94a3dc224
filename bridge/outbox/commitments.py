"""What an archive's report on its keeping means for what is queued: told on the timeline, sent again, or held."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.commitment import Report, words_of
from bridge.outbox import enqueue
from bridge.outbox.enqueue import Work
from bridge.store import commitments, events, studies
from bridge.store.commitments import Kept, Settled
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station


def take_report(tx: WriteTx, destination: str, report: Report, at: datetime) -> bool:
    """Write down what *destination* reports, and do what follows from it; False if it was not asked under that UID."""
    found = commitments.take_report(tx, destination, report, at)
    for settled in found or ():
        if settled.failed:
            _take_failures(tx, destination, settled, at)
        elif settled.committed:
            _tell_of_end(tx, destination, settled.study_key, at)
        # The question that waits for its answer ends now, or is held.
        ask(tx, destination, settled.study_key, at)
    return found is not None


def ask(tx: WriteTx, destination: str, study_key: int, at: datetime) -> None:
    """Queue the question whether *destination* keeps what it took of a study."""
    uid = studies.get(tx, study_key).study_instance_uid
    enqueue.enqueue(tx, Work(enqueue.COMMITMENT, destination, uid, study_key=study_key), at)


def kept_by(tx: ReadTx, destination: str, study_key: int) -> Kept | None:
    """Return what *destination* has and keeps of a study, None if it has nothing."""
    return next((one for one in commitments.of_study(tx, study_key) if one.destination == destination), None)


def _take_failures(tx: WriteTx, destination: str, settled: Settled, at: datetime) -> None:
    """Send what is not kept again, up to a number of times; then it waits for a person."""
    what = f"{destination} has not committed {settled.failed} of {settled.failed + settled.committed}"
    what += f": {', '.join(words_of(reason) for reason in settled.reasons)}"
    _tell(tx, destination, settled.study_key, what if settled.exhausted else f"{what}; sent again", at)
    if not settled.exhausted:
        uid = studies.get(tx, settled.study_key).study_instance_uid
        enqueue.enqueue(tx, Work(enqueue.ARCHIVE, destination, uid, study_key=settled.study_key), at)


def _tell_of_end(tx: WriteTx, destination: str, study_key: int, at: datetime) -> None:
    kept = kept_by(tx, destination, study_key)
    if kept is not None and kept.committed == kept.forwarded:
        _tell(tx, destination, study_key, f"{destination} has committed {kept.committed} of {kept.forwarded}", at)


def _tell(tx: WriteTx, destination: str, study_key: int, what: str, at: datetime) -> None:
    events.add(tx, Event(at, Station.IMAGES, what, destination, "commitment", "", study_key=study_key))
