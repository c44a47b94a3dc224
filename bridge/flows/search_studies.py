"""Study Root queries and retrievals: bound studies for whoever may ask, unbound ones for peers that may see those.

What leaves carries the binding's identity: answers show the record's values, objects are corrected on their way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom import charset, status, study_answers
from bridge.codecs.dicom.keys import check_hierarchy, named, to_study_query
from bridge.codecs.dicom.study_answers import StudyEntry
from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance, Outgoing, Study
from bridge.errors import Conflict
from bridge.flows.record_access import record_access
from bridge.flows.study_criteria import criteria_of
from bridge.leaving.objects import LeavingObject
from bridge.store import audit, overlays, retention, studies, study_entries, study_search
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store

MAX_STUDIES = 1000
_STUDIES_WHOLE = 20


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks. charset: what it can read; unbound: it may see studies that no rule or person has bound yet.

    origin: the address of a peer whose look goes into the audit trail here, "" where the caller writes that itself.
    destination: the peer that what is retrieved goes to, "" for the asker. relational: it may ask for series and
    instances without naming what is above them. patient_keys: bound studies of these are all that there is for it, None
    for everybody's. most: how many answers are enough, 0 for all.
    """

    ae_title: str = ""
    charset: str = ""
    unbound: bool = False
    origin: str = ""
    destination: str = ""
    relational: bool = True
    patient_keys: Collection[int] | None = None
    most: int = 0


class Found(list[bytes]):
    """The identifiers that match. status: of each answer; was_cut: more studies matched than were looked at."""

    status: int = status.PENDING
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One object of a retrieval, with the study as it was when what lies over it was read."""

    instance: Instance
    overlay: Overlay
    study: Study


class StudySearch:
    """Answers Study Root FIND and opens what GET and MOVE name. Thread-safe."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, ae_title: str) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._ae_title = ae_title

    def find(self, identifier: bytes, transfer_syntax_uid: str, asker: Asker) -> Found:
        """
        Return the encoded identifiers that match, of the newest 1000 studies that do.

        Raises: Malformed (A900), for an identifier that cannot be served. Source: PS3.4 C.4.1.
        """
        query = to_study_query(identifier, transfer_syntax_uid, default_charset=_charset(asker))
        if not asker.relational:
            check_hierarchy(query)
        self._refresh()
        criteria = replace(criteria_of(query, unbound=asker.unbound), patient_keys=asker.patient_keys)
        found, seen = Found(), list[Study]()
        found.status = status.PENDING if query.is_fully_supported else status.PENDING_UNSUPPORTED_KEYS
        with self._store.read() as tx:
            keys = study_search.keys_of(tx, criteria, MAX_STUDIES + 1)
            found.was_cut = len(keys) > MAX_STUDIES
            for entry in self._entries(tx, keys[:MAX_STUDIES], with_instances=query.level == "IMAGE"):
                if asker.most and len(found) >= asker.most:
                    break
                before = len(found)
                found += study_answers.find_answers(entry, query, transfer_syntax_uid, asker.charset)
                seen += [entry.study] * (len(found) - before)
        self._note_search(asker, seen)
        return found

    def _refresh(self) -> None:
        """Bring what is searched up to date with what was decided since the last look."""
        with self._store.read() as tx:
            if not study_entries.are_stale(tx):
                return
        made = True
        while made:
            with self._store.write() as tx:
                made = bool(study_entries.refresh(tx, lambda tx, study: overlays.current(tx, study).values))

    def _entries(self, tx: ReadTx, keys: Sequence[int], *, with_instances: bool) -> Iterator[StudyEntry]:
        """Yield what may be shown, a few studies in memory at a time where every instance is wanted."""
        step = _STUDIES_WHOLE if with_instances else MAX_STUDIES
        for at in range(0, len(keys), step):
            some = keys[at : at + step]
            removed = retention.partly_removed(tx, some)
            for one in study_search.listed(tx, some, with_instances=with_instances):
                yield StudyEntry(
                    one.study,
                    one.series,
                    one.counts,
                    one.sop_classes,
                    one.instances,
                    overlays.current(tx, one.study).values,
                    self._ae_title,
                    is_here=one.study.key not in removed,
                )

    @contextmanager
    def open(self, identifier: bytes, transfer_syntax_uid: str, asker: Asker) -> Iterator[_Objects]:
        """
        Open the objects that a retrieval names, each corrected when its turn comes.

        Raises: Malformed (A900), if it does not name what its level asks for. Walking them raises Conflict once the binding is another one.
        Source: PS3.4 C.4.3.1.3.
        """
        query = to_study_query(identifier, transfer_syntax_uid, default_charset=_charset(asker))
        check_hierarchy(query, retrieves=True)
        self._refresh()
        with self._store.read() as tx:
            keys = study_search.keys_of(tx, criteria_of(named(query), unbound=asker.unbound), MAX_STUDIES)
            chosen = [
                _Chosen(instance, over, contents.study)
                for contents in study_search.contents(tx, keys)
                for over in [overlays.current(tx, contents.study)]
                for instance in study_answers.named_instances(contents, query)
            ]
        self._note_retrieval(asker, chosen)
        yield _Objects(self, chosen)

    def check_binding(self, study: Study) -> None:
        """Raises: Conflict, if *study* is bound otherwise by now: what was read for it must not leave."""
        with self._store.read() as tx:
            if studies.get(tx, study.key).binding_version != study.binding_version:
                raise Conflict("the study was bound otherwise meanwhile; ask again", code="binding_changed")

    def object_of(self, chosen: _Chosen) -> LeavingObject:
        """Return one object as it may leave."""
        return LeavingObject(self._blobs, chosen.instance, chosen.overlay)

    def _note_search(self, asker: Asker, found: Sequence[Study]) -> None:
        """Write one row for a peer's query; it names patient and study where all answers are about one."""
        if not asker.origin:
            return
        people = {study.patient_key for study in found}
        keys = {study.key for study in found}
        about: audit.About = {"origin": asker.origin, "detail": {"count": len(found)}}
        if len(people) == 1:
            about["patient_key"] = people.pop()
        if len(keys) == 1:
            about["study_key"] = keys.pop()
        record_access(self._store, self._clock, action="dicom_searched", actor=f"peer:{asker.ae_title}", **about)

    def _note_retrieval(self, asker: Asker, chosen: Sequence[_Chosen]) -> None:
        """Write one row for each study that a peer retrieves, or one in all where there is none."""
        if not asker.origin:
            return
        counts = Counter(one.study.key for one in chosen)
        detail = {"destination": asker.destination} if asker.destination else {}
        action, actor, now = "dicom_retrieved", f"peer:{asker.ae_title}", self._clock.now()
        with self._store.write() as tx:
            if not chosen:
                audit.add(tx, at=now, action=action, actor=actor, origin=asker.origin, detail={**detail, "count": 0})
            for key, study in {one.study.key: one.study for one in chosen}.items():
                audit.add(
                    tx,
                    at=now,
                    action=action,
                    actor=actor,
                    origin=asker.origin,
                    study_key=key,
                    patient_key=study.patient_key,
                    detail={**detail, "count": counts[key]},
                )


@dataclass(frozen=True, slots=True)
class _Checked:
    """An object of a retrieval that leaves only while its study is bound as it was when the retrieval began."""

    leaving: LeavingObject
    check: Callable[[], None]

    @property
    def sop_class_uid(self) -> str:
        return self.leaving.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        return self.leaving.sop_instance_uid

    @property
    def transfer_syntax_uid(self) -> str:
        return self.leaving.transfer_syntax_uid

    @contextmanager
    def at_hand(self) -> Iterator[Path]:
        """Yield the object as it leaves. Raises: Conflict besides, if the study is bound otherwise by now."""
        with self.leaving.at_hand() as path:
            self.check()
            yield path


class _Objects(Collection[Outgoing]):
    """The objects of one retrieval; a corrected copy exists while it is sent."""

    def __init__(self, search: StudySearch, chosen: Sequence[_Chosen]) -> None:
        self._search = search
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Outgoing]:
        for one in self._chosen:
            yield _Checked(self._search.object_of(one), partial(self._search.check_binding, one.study))

    def check(self, place: int) -> None:
        """Raises: Conflict, if the study of the object at *place* is bound otherwise by now."""
        self._search.check_binding(self._chosen[place].study)

    def __contains__(self, item: object) -> bool:
        return any(item == one for one in self)


def _charset(asker: Asker) -> charset.CharacterSet:
    return charset.parse_setting(asker.charset) or charset.LATIN_1
