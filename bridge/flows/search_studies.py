"""Study Root queries and retrievals: bound studies for whoever may ask, unbound ones for peers that may see those.

What leaves carries the binding's identity: answers show the record's values, objects are corrected on their way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom import charset, study_answers
from bridge.codecs.dicom.keys import StudyQuery, to_study_query
from bridge.codecs.dicom.study_answers import StudyEntry
from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance, Outgoing, Study
from bridge.errors import Conflict, Malformed
from bridge.flows.record_access import record_access
from bridge.leaving.objects import LeavingObject
from bridge.store import audit, overlays, studies, study_search
from bridge.store.blobs import Blobs
from bridge.store.db import Store
from bridge.store.study_search import StudyNarrowing

MAX_STUDIES = 500


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks. charset: what it can read; unbound: it may see studies that no rule or person has bound yet.

    origin: the address of a peer whose look goes into the audit trail here, "" where the caller writes that itself.
    destination: the peer that what is retrieved goes to, "" for the asker.
    """

    ae_title: str = ""
    charset: str = ""
    unbound: bool = False
    origin: str = ""
    destination: str = ""


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

    def find(self, identifier: bytes, transfer_syntax_uid: str, asker: Asker) -> list[bytes]:
        """
        Return the encoded identifiers that match, of at most 500 studies.

        Raises: Malformed (A900), Unsupported, for an identifier that cannot be served. Source: PS3.4 C.4.1.
        """
        query = to_study_query(identifier, transfer_syntax_uid, default_charset=_charset(asker))
        with self._store.read() as tx:
            entries = [
                StudyEntry(contents, overlays.current(tx, contents.study).values, self._ae_title)
                for contents in study_search.candidates(tx, narrowing(query, asker), MAX_STUDIES)
            ]
        answers = [
            (entry.contents.study, found)
            for entry in entries
            for found in study_answers.find_answers(entry, query, transfer_syntax_uid, asker.charset)
        ]
        self._note_search(asker, [study for study, _ in answers])
        return [found for _, found in answers]

    @contextmanager
    def open(self, identifier: bytes, transfer_syntax_uid: str, asker: Asker) -> Iterator[_Objects]:
        """
        Open the objects that a retrieval names, each corrected when its turn comes.

        Raises: Malformed (A900), if it names no study. Walking them raises Conflict once the binding is another one.
        Source: PS3.4 C.4.3.1.3.
        """
        query = to_study_query(identifier, transfer_syntax_uid, default_charset=_charset(asker))
        if not query.study_instance_uid:
            raise Malformed("no study named", where="StudyInstanceUID", source="PS3.4 C.4.3.1.3.1")
        with self._store.read() as tx:
            chosen = [
                _Chosen(instance, over, contents.study)
                for contents in study_search.candidates(tx, narrowing(query, asker), MAX_STUDIES)
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


def narrowing(query: StudyQuery, asker: Asker) -> StudyNarrowing:
    """Return the part of *query* that indexes can answer."""
    dates = query.study_dates
    return StudyNarrowing(
        study_instance_uid=query.study_instance_uid,
        series_instance_uid=query.series_instance_uid,
        sop_instance_uid=query.sop_instance_uid,
        accession_number=_exact(query.accession_number),
        patient_id=_exact(query.patient_id),
        dates_from=(dates.low or None) if dates is not None else None,
        dates_until=(dates.high or None) if dates is not None else None,
        unbound=asker.unbound,
    )


def _exact(values: Sequence[str]) -> tuple[str, ...]:
    return () if any(set(value) & set("*?") for value in values) else tuple(values)


def _charset(asker: Asker) -> charset.CharacterSet:
    return charset.parse_setting(asker.charset) or charset.LATIN_1
