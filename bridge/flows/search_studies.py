"""Study Root queries and retrievals: bound studies for whoever may ask, unbound ones for peers that may see those.

What leaves carries the binding's identity: answers show the record's values, objects are corrected on their way out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom import charset, overlay, study_answers
from bridge.codecs.dicom.keys import StudyQuery, to_study_query
from bridge.codecs.dicom.study_answers import StudyEntry
from bridge.domain.study import Instance, OutgoingObject
from bridge.errors import Malformed
from bridge.store import decisions, study_search
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.study_search import StudyNarrowing

MAX_STUDIES = 500
_MODIFYING_SYSTEM = "Imaging Bridge"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. charset: what it can read; unbound: it may see studies that no rule or person has bound yet."""

    ae_title: str = ""
    charset: str = ""
    unbound: bool = False


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
        return [
            found
            for entry in entries
            for found in study_answers.find_answers(entry, query, transfer_syntax_uid, asker.charset)
        ]

    @contextmanager
    def open(self, identifier: bytes, transfer_syntax_uid: str, asker: Asker) -> Iterator[Collection[OutgoingObject]]:
        """
        Open the objects that a retrieval names, each corrected when its turn comes.

        Raises: Malformed (A900), if it names no study. Source: PS3.4 C.4.3.1.3.
        """
        query = to_study_query(identifier, transfer_syntax_uid, default_charset=_charset(asker))
        if not query.study_instance_uid:
            raise Malformed("no study named", where="StudyInstanceUID", source="PS3.4 C.4.3.1.3.1")
        with self._store.read() as tx:
            chosen = [
                (instance, decisions.corrections(tx, contents.study))
                for contents in study_search.candidates(tx, narrowing(query, asker), MAX_STUDIES)
                for instance in study_answers.named_instances(contents, query)
            ]
        with self.leaving(chosen) as objects:
            yield objects

    @contextmanager
    def leaving(self, chosen: Sequence[tuple[Instance, dict[str, str]]]) -> Iterator[Collection[OutgoingObject]]:
        """Open *chosen* instances, each with its corrections, as objects ready to leave."""
        with tempfile.TemporaryDirectory(prefix="leaving-", dir=self._blobs.spool) as folder:
            yield _Objects(self, chosen, Path(folder))

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


class _Objects(Collection[OutgoingObject]):
    """The objects of one retrieval; a corrected copy exists from its turn to the end of the retrieval."""

    def __init__(self, search: StudySearch, chosen: Sequence[tuple[Instance, dict[str, str]]], folder: Path) -> None:
        self._search = search
        self._chosen = chosen
        self._folder = folder

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[OutgoingObject]:
        for instance, corrections in self._chosen:
            yield self._search.object_of(instance, corrections, self._folder)

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
