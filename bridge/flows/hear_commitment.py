"""An archive reports what it keeps of what it was sent: written down, or the archive hears that it was not asked."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.codecs.dicom.commitment import read_report
from bridge.errors import Conflict
from bridge.outbox import commitments
from bridge.store.db import Store


def hear_commitment(store: Store, clock: Clock, data: bytes, transfer_syntax_uid: str, ae_title: str) -> None:
    """
    Take down the Event Information of an N-EVENT-REPORT from *ae_title*.

    Raises: Malformed, if it cannot be read; Conflict, code "unknown", if it was never asked under that Transaction UID.
    Source: PS3.4 J.3.3.
    """
    report = read_report(data, transfer_syntax_uid)
    with store.write() as tx:
        if not commitments.take_report(tx, ae_title, report, clock.now()):
            raise Conflict("no such transaction of this archive", code="unknown", where="TransactionUID")
