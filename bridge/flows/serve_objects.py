"""Objects that somebody fetches over HTTP: found, allowed, corrected as they leave, and written down. Source: PS3.18 10.4."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom.frames import Pixels, open_pixels
from bridge.codecs.dicom.leaving_header import LeavingHeader, leaving_header
from bridge.codecs.dicom.unpacked import Unpack
from bridge.errors import Conflict, Malformed, Unavailable, Unsupported
from bridge.flows.record_access import record_access
from bridge.leaving.objects import MODIFYING_SYSTEM, LeavingObject
from bridge.store import served_objects, studies
from bridge.store.blobs import Blobs
from bridge.store.db import Store
from bridge.store.served_objects import Named, Served, Sight

# A viewer that pages through a study asks for every frame by itself: one look is one row.
SAME_LOOK = timedelta(minutes=10)
_LOOKS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Looker:
    """Who fetches. actor: as audit rows say it; origin: the address it comes from."""

    actor: str
    origin: str
    sight: Sight


class ObjectServer:
    """Opens what DICOMweb serves. unpack: of compressed pixels. Thread-safe."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, unpack: Unpack) -> None:
        self.unpack = unpack
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._looks = _Looks()

    def named(self, uids: tuple[str, str, str], looker: Looker, action: str) -> Named:
        """
        Return what (study, series, instance) name, "" for all of it; the look is audited first.

        Rows of one looker, study and action are written once in ten minutes. Raises: LookupError, if there is nothing
        that *looker* may see; Unavailable, if the row cannot be written.
        """
        with self._store.read() as tx:
            found = served_objects.find(tx, uids, looker.sight)
        if found is None:
            raise LookupError("nothing of that name")
        self._note(found, looker, action)
        return found

    def first_header(self, uids: tuple[str, str, str], sight: Sight) -> LeavingHeader | None:
        """Return the header of the first object that (study, series, instance) name, None where none can leave."""
        with self._store.read() as tx:
            found = served_objects.find(tx, uids, sight, limit=1)
        try:
            return self.header(found, found.objects[0]) if found is not None else None
        except (Conflict, Unavailable):
            return None

    @contextmanager
    def at_hand(self, named: Named, one: Served) -> Iterator[Path]:
        """
        Yield a Part 10 file of *one* as it leaves.

        Raises: Conflict, if it cannot be corrected, or the study is bound otherwise by now; Unavailable, if its file
        cannot be read.
        """
        with _may_leave(), LeavingObject(self._blobs, one.instance, named.overlay).at_hand() as path:
            self._check(named)
            yield path

    def header(self, named: Named, one: Served) -> LeavingHeader:
        """Return the header of *one* as it leaves. Raises: as `at_hand`."""
        with _may_leave(), LeavingObject(self._blobs, one.instance, named.overlay).received() as path:
            found = leaving_header(path, named.overlay.layers, MODIFYING_SYSTEM)
        self._check(named)
        return found

    @contextmanager
    def pixels(self, named: Named, one: Served) -> Iterator[Pixels]:
        """Open the pixels of *one*, which no correction touches. Raises: LookupError, if it has none; as `at_hand`."""
        self.header(named, one)
        with self._blobs.at_hand(one.instance.blob) as path, open_pixels(path) as found:
            yield found

    def _check(self, named: Named) -> None:
        with self._store.read() as tx:
            now = studies.get(tx, named.study.key)
        if now.binding_version != named.study.binding_version:
            raise Conflict("the study was bound otherwise meanwhile; ask again", code="binding_changed")

    def _note(self, found: Named, looker: Looker, action: str) -> None:
        study = found.study
        look = (looker.actor, looker.origin, action, study.key, study.binding_version)
        if self._looks.is_known(look, self._clock.now()):
            return
        about = {"series": len({one.series_instance_uid for one in found.objects}), "instances": len(found.objects)}
        record_access(
            self._store,
            self._clock,
            action=action,
            actor=looker.actor,
            origin=looker.origin,
            study_key=study.key,
            patient_key=study.patient_key,
            detail=about,
        )
        self._looks.remember(look, self._clock.now())


def version_of(named: Named, *representation: str) -> str:
    """Return an entity tag: the same objects, overlay and representation give the same. Source: RFC 9110 8.8.3."""
    digest = hashlib.sha256("\n".join(representation).encode())
    digest.update(f"\n{named.overlay.since}:{len(named.objects)}".encode())
    for one in named.objects:
        digest.update(f"\n{one.instance.sop_instance_uid} {one.instance.digest} {one.is_here:d}".encode())
    return digest.hexdigest()[:40]


@contextmanager
def _may_leave() -> Iterator[None]:
    """Turn what keeps an object from leaving into what its caller is told: the original never takes its place."""
    try:
        yield
    except (Malformed, Unsupported) as fault:
        raise Conflict(
            "the object is kept, but cannot leave with its corrections", code=f"cannot_leave_{fault.code}"
        ) from fault
    except OSError as fault:
        raise Unavailable("the object's file cannot be read", code="object_unreadable") from fault


class _Looks:
    """The looks of the last while, so that a row is not written for every frame."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[object, ...], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def is_known(self, look: tuple[object, ...], now: datetime) -> bool:
        with self._lock:
            at = self._at.get(look)
        return at is not None and now - at < SAME_LOOK

    def remember(self, look: tuple[object, ...], now: datetime) -> None:
        with self._lock:
            self._at[look] = now
            self._at.move_to_end(look)
            while len(self._at) > _LOOKS_KEPT:
                self._at.popitem(last=False)
