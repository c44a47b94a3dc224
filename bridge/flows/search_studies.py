"""Study Root queries and retrievals: bound studies for whoever may ask, unbound ones for peers that may see those.

What leaves carries the binding's identity: answers show the record's values, objects are corrected on their way out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom import charset, overlay, study_answers
from bridge.codecs.dicom.keys import StudyQuery, to_study_query
from bridge.codecs.dicom.study_answers import StudyEntry
from bridge.domain.study import Instance, OutgoingObject, Study
from bridge.errors import Conflict, Malformed
from bridge.flows.record_access import record_access
from bridge.store import audit, decisions, studies, study_search
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.study_search import StudyNarrowing

MAX_STUDIES = 500
_MODIFYING_SYSTEM = "Imaging Bridge"


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
    """One object of a retrieval, with the study as it was when its corrections were read."""

    instance: Instance
    corrections: dict[str, str]
    study: Study


class StudySearch:
    """Answers Study Root FIND and opens what GET and MOVE name. Thread-safe."""

    def __init__(self, store: Store, blobs: FolderBlobs, clock: Clock, ae_title: str) -> None:
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
                StudyEntry(contents, decisions.corrections(tx, contents.study), self._ae_title)
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
                _Chosen(instance, decisions.corrections(tx, contents.study), contents.study)
                for contents in study_search.candidates(tx, narrowing(query, asker), MAX_STUDIES)
                for instance in study_answers.named_instances(contents, query)
            ]
        self._note_retrieval(asker, chosen)
        with tempfile.TemporaryDirectory(prefix="leaving-", dir=self._blobs.spool) as folder:
            yield _Objects(self, chosen, Path(folder))

    def check_binding(self, study: Study) -> None:
        """Raises: Conflict, if *study* is bound otherwise by now: what was read for it must not leave."""
        with self._store.read() as tx:
            if studies.get(tx, study.key).binding_version != study.binding_version:
                raise Conflict("the study was bound otherwise meanwhile; ask again", code="binding_changed")

    def object_of(self, instance: Instance, corrections: dict[str, str], folder: Path) -> OutgoingObject:
        """
        Return one instance as it may leave: the original where nothing is corrected, else a corrected copy in *folder*.

        Raises: Malformed, Unsupported, where the corrections cannot be made: it does not leave then.
        """
        path = self._blobs.path_of(instance.blob)
        if corrections:
            copy = folder / f"{instance.key}.dcm"
            overlay.corrected_copy(path, copy, corrections, at=self._clock.now(), modifying_system=_MODIFYING_SYSTEM)
            path = copy
        return OutgoingObject(path, instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)

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


class _Objects(Collection[OutgoingObject]):
    """The objects of one retrieval; a corrected copy exists from its turn to the end of the retrieval."""

    def __init__(self, search: StudySearch, chosen: Sequence[_Chosen], folder: Path) -> None:
        self._search = search
        self._chosen = chosen
        self._folder = folder

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[OutgoingObject]:
        for place, one in enumerate(self._chosen):
            found = self._search.object_of(one.instance, one.corrections, self._folder)
            self.check(place)
            yield found

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
