"""An archive says what can be retrieved from it: written down, for whoever asks where a study is. Source: PS3.4 R.3.2.

It names no patient and makes none, binds nothing, and promises nothing: whether an archive keeps a study, only its
commitment says. A study that is not here yet is met by its UID when it comes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bridge.clock import Clock
from bridge.codecs.dicom.availability_note import read_note
from bridge.domain.performed import AttributeList
from bridge.errors import Conflict
from bridge.store import stated_copies
from bridge.store.db import Store, lock

_log = structlog.get_logger(__name__)

# So long an archive may be ahead of the images and the order of a study it speaks of.
_UNKNOWN_STAYS = timedelta(days=90)


def note_availability(store: Store, clock: Clock, uid: str, received: AttributeList, peer: str) -> str:
    """
    Take an N-CREATE's attribute list down and return its SOP Instance UID, one of ours where *uid* is "".

    Raises: Incomplete, Malformed, for what is no such list; Conflict, code "duplicate", if the UID was taken before.
    """
    note = read_note(received.data, received.transfer_syntax_uid)
    named = uid or clock.new_uid()
    with store.write() as tx:
        lock(tx, f"availability:{named}", f"availability:{peer}/{note.study_instance_uid}")
        if stated_copies.is_known(tx, named):
            raise Conflict("the notification was taken before", code="duplicate", source="PS3.7 C.5.7")
        news = stated_copies.take(tx, named, peer, note, clock.now())
    _log.info("availability_noted", peer=peer, instances=len(note.instances), news=news)
    return named


def forget_unknown(store: Store, now: datetime) -> int:
    """Forget what was said 90 days ago of studies nobody else ever named; return of how many instances."""
    with store.write() as tx:
        return stated_copies.forget_unknown(tx, now - _UNKNOWN_STAYS)
