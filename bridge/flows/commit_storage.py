"""
Storage commitment to whoever sent us objects: a request is written down, every object read from the disk, the asker told.

Committed is what lies here as it was received, its digest computed after the request came; whether anybody has bound it
to a patient makes no difference. Source: PS3.4 J.3.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.codecs.dicom.commitment import read_request
from bridge.domain.commitment import (
    CLASS_INSTANCE_CONFLICT,
    DUPLICATE_TRANSACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    Failure,
    Reference,
    Report,
)
from bridge.domain.study import Instance
from bridge.errors import Unavailable
from bridge.flows.lookout import Lookout
from bridge.outbox import enqueue
from bridge.outbox.enqueue import Work
from bridge.store import commitment_requests, leases, studies
from bridge.store.blobs import Blobs
from bridge.store.commitment_requests import CommitmentRequest
from bridge.store.db import Store, WriteTx

# The association that asked has so long to hear the report itself.
_HEAD_START = timedelta(seconds=35)
_WAITING_MOST = 200
_LEASE = timedelta(seconds=60)
_RENEW_SECS = 15.0


class StorageCommitment:
    """Takes requests down and says what became of them. is_called: whether we may open associations to a peer. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, is_called: Callable[[str], bool]) -> None:
        self._store = store
        self._clock = clock
        self._is_called = is_called

    def request(self, data: bytes, transfer_syntax_uid: str, ae_title: str) -> int:
        """
        Take an N-ACTION's Action Information down and return its row; it will be reported on, also after a crash.

        Raises: Malformed, for what is no request; Unavailable, while too many of this peer wait.
        """
        asked = read_request(data, transfer_syntax_uid)
        with self._store.write() as tx:
            if commitment_requests.count_unverified(tx, ae_title) >= _WAITING_MOST:
                raise Unavailable("too many requests of this peer wait", code="too_many", source="PS3.7 C.5.20")
            now = self._clock.now()
            key = commitment_requests.add(tx, ae_title, asked, now)
            self._queue(tx, ae_title, key, now, now + _HEAD_START)
        return key

    def report(self, key: int) -> Report | None:
        """Return what is to be reported on a request, None while it is looked at, or was reported another way."""
        with self._store.read() as tx:
            request = commitment_requests.get(tx, key)
        return None if request is None or request.reported_at is not None else request.report

    def note_report(self, key: int, *, told: bool) -> None:
        """Note that the asker has heard, or that it must hear by an association of ours, now."""
        with self._store.write() as tx:
            now = self._clock.now()
            request = commitment_requests.get(tx, key)
            if request is None or request.reported_at is not None:
                return
            if told:
                commitment_requests.note_reported(tx, key, now)
            self._queue(tx, request.ae_title, key, now, now)

    def _queue(self, tx: WriteTx, ae_title: str, key: int, at: datetime, next_at: datetime) -> None:
        if self._is_called(ae_title):
            work = Work(enqueue.COMMITMENT_REPORT, ae_title, enqueue.commitment_request(key))
            enqueue.enqueue(tx, work, at, next_at)


class CommitmentWatch(Lookout):
    """Looks at what was asked to be kept, one request at a time in one process. owner: this process, unlike any other."""

    name = "commitments"

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._owner = owner

    def work(self) -> bool:
        """Look at the oldest request; False if there is none, or another process looks. Raises: Unavailable."""
        with self._store.read() as tx:
            request = commitment_requests.next_unverified(tx)
            is_duplicate = request is not None and commitment_requests.is_in_use(tx, request)
        if request is None or not self._takes_lead():
            return False
        if is_duplicate:
            failed = tuple(Failure(one, DUPLICATE_TRANSACTION) for one in request.references)
        else:
            found = self._failures(request)
            if found is None:
                return False
            failed = found
        with self._store.write() as tx:
            commitment_requests.put_verified(tx, request, failed, self._clock.now())
        return True

    def _takes_lead(self) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, "commitments", self._owner, self._clock.now(), _LEASE)

    def _failures(self, request: CommitmentRequest) -> tuple[Failure, ...] | None:
        """Read every object; return those that are not kept, None if this process is told to stop on the way."""
        failed, renewed_at = [], time.monotonic()
        for reference in request.references:
            if self._stopping.is_set():
                return None
            if time.monotonic() - renewed_at > _RENEW_SECS:
                renewed_at = time.monotonic()
                if not self._takes_lead():
                    return None
            reason = self._doubt(reference, request.ae_title)
            if reason is not None:
                failed.append(Failure(reference, reason))
        return tuple(failed)

    def _doubt(self, reference: Reference, ae_title: str) -> int | None:
        """Return why an object is not kept, None if it is."""
        with self._store.read() as tx:
            instance = studies.instance_by_uid(tx, reference.sop_instance_uid)
            is_disputed = studies.has_conflict_from(tx, reference.sop_instance_uid, ae_title)
        if instance is None or instance.removed_at is not None:
            return NO_SUCH_INSTANCE
        if instance.sop_class_uid != reference.sop_class_uid:
            return CLASS_INSTANCE_CONFLICT
        # The asker has sent other content under this UID: which of the two it means, nobody knows.
        return PROCESSING_FAILURE if is_disputed or not self._is_sound(instance) else None

    def _is_sound(self, instance: Instance) -> bool:
        """Say whether the bytes that lie there now are those that were received."""
        found = hashlib.sha256()
        try:
            for chunk in self._blobs.read(instance.blob):
                found.update(chunk)
        except OSError:
            return False
        return found.hexdigest() == instance.digest
