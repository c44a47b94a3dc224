"""A disc, a folder or a ZIP of another hospital becomes studies, by the way that every object comes; then the rules look.

Each object that counts as taken in is committed and on disk. An import that ends in the middle is begun again: what is
here already is recognised by its bytes. Whoever imports may say whose it is: a proposal, which a veto still questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from bridge.clock import Clock
from bridge.codecs.dicom.media_directory import DIRECTORY_CLASS, MOST_BYTES, listed_files
from bridge.codecs.dicom.part10 import read_file_meta
from bridge.codecs.dicomweb.multipart_reader import Content, End, Event, Head
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError, Conflict, Malformed
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, propose
from bridge.flows.media_files import MOST_FILES, UNREADABLE, MediaFile
from bridge.flows.store_parts import PartStorer, Sender, StoredPart
from bridge.store import audit, events, patients, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event as Line
from bridge.store.events import Station

_log = structlog.get_logger(__name__)

_CHUNK = 256 << 10
_META = 64 << 10
_PREAMBLE = 132
_NO_ROOM = frozenset({"disk_full", "disk_failing"})


@dataclass(slots=True)
class ImportedStudy:
    """What came of one study. taken: new objects; known: those that were here already, byte for byte."""

    study_instance_uid: str
    taken: int = 0
    known: int = 0
    state: str = ""
    rule: str = ""
    sentence: str = ""


@dataclass(slots=True)
class Imported:
    """
    What came of an import. set_aside: objects that were not taken in, by why; other_files: what is no DICOM object.

    missing: how many files the DICOMDIR names that are not there, None without a readable one. stopped: why it ended
    before its end, "" if it did not.
    """

    studies: dict[str, ImportedStudy] = field(default_factory=dict)
    set_aside: Counter[str] = field(default_factory=Counter)
    other_files: int = 0
    missing: int | None = None
    stopped: str = ""

    @property
    def objects(self) -> int:
        return sum(one.taken + one.known for one in self.studies.values())


@dataclass(frozen=True, slots=True)
class Importing:
    """
    Who imports. actor: as decisions say it, "user:maria"; origin: from where. patient: whose it is, as they say.

    looks: told after every object how many there were; False stops behind it.
    """

    actor: str
    origin: str = ""
    patient: PatientIdentifier | None = None
    looks: Callable[[Imported], bool] = lambda imported: True


class MediaImporter:
    """Takes in media. Thread-safe."""

    def __init__(
        self, store: Store, clock: Clock, parts: PartStorer, rules: ReconcileRules, destinations: Destinations
    ) -> None:
        self._store = store
        self._clock = clock
        self._parts = parts
        self._rules = rules
        self._destinations = destinations

    def import_files(self, files: Iterable[MediaFile], how: Importing) -> Imported:
        """
        Take in every DICOM object among *files*, and decide whose each study is.

        Raises: Conflict, before anything is taken in, if nobody has the proposed number; Malformed, Unsupported, for media
        that cannot be read at all.
        """
        proposed = self._patient_key(how.patient) if how.patient is not None else None
        imported, began_at = Imported(), self._clock.now()
        listed: set[tuple[str, ...]] | None = None
        seen: set[tuple[str, ...]] = set()
        for number, file in enumerate(files):
            if number >= MOST_FILES:
                imported.stopped = f"more than {MOST_FILES} files"
                break
            if file.is_directory:
                listed = _listed(file) if listed is None else listed
                continue
            seen.add(file.parts)
            if not self._take(file, imported, how, began_at) or not how.looks(imported):
                imported.stopped = imported.stopped or "stopped"
                break
        if listed is not None and not imported.stopped:
            imported.missing = len(listed - _from_any_folder(seen, listed))
        for one in imported.studies.values():
            self._conclude(one, how, proposed)
        self._note(imported, how)
        return imported

    def look(self, files: Iterable[MediaFile]) -> tuple[int, int]:
        """Return how many of *files* are DICOM objects, and how many are something else; nothing is taken in."""
        kinds = Counter(_is_object(file) for file in files if not file.is_directory)
        return kinds[True], kinds[False]

    def _patient_key(self, identifier: PatientIdentifier) -> int:
        issuer = identifier.issuer_of_patient_id or self._rules.authority
        with self._store.read() as tx:
            holder = patients.find(tx, PatientIdentifier(identifier.patient_id, issuer))
            if holder is None:
                raise Conflict("no such patient", code="unknown", where="--patient")
            return patients.survivor(tx, holder.key).key

    def _take(self, file: MediaFile, imported: Imported, how: Importing, began_at: datetime) -> bool:
        """Take one file in, or count why not; False where going on makes no sense."""
        if not _is_object(file):
            imported.other_files += 1
            return True
        try:
            kept = list(self._parts.keep_each(_events(file), Sender(how.actor, "", how.origin)))
        except Malformed as fault:
            imported.set_aside[fault.detail] += 1
            return True
        for part in kept:
            if part.fault is not None and part.fault.code in _NO_ROOM:
                imported.stopped = f"{part.fault.detail}: mend that and import it again"
                return False
            self._count(part, imported, began_at)
        return True

    def _count(self, part: StoredPart, imported: Imported, began_at: datetime) -> None:
        if part.fault is not None:
            imported.set_aside[part.fault.detail] += 1
            return
        one = imported.studies.setdefault(part.study_instance_uid, ImportedStudy(part.study_instance_uid))
        with self._store.read() as tx:
            kept = studies.instance_by_uid(tx, part.sop_instance_uid)
        if kept is not None and kept.received_at is not None and kept.received_at < began_at:
            one.known += 1
        else:
            one.taken += 1

    def _conclude(self, one: ImportedStudy, how: Importing, proposed: int | None) -> None:
        """Put a proposal before the rules, and say how the study stands."""
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{one.study_instance_uid}")
            study = studies.by_uid(tx, one.study_instance_uid)
            if study is None:
                return
            if proposed is not None:
                deciding = Deciding(self._rules, self._destinations, self._clock.now(), cause=how.actor)
                study = propose(tx, study, proposed, how.actor, deciding)
            one.state, one.rule, one.sentence = study.state.value, study.rule, study.sentence
            self._tell(tx, one, study.key, how, proposed)

    def _tell(self, tx: WriteTx, one: ImportedStudy, study_key: int, how: Importing, proposed: int | None) -> None:
        now, count = self._clock.now(), one.taken + one.known
        whose = "; a patient was proposed" if proposed is not None else ""
        what = f"Imported {count} object{'s' if count != 1 else ''} from a disc or folder{whose}"
        events.add(tx, Line(now, Station.IMAGES, what, by=how.actor, study_key=study_key))
        detail = {"count": one.taken, "known": one.known}
        audit.add(
            tx,
            at=now,
            action="study_imported",
            actor=how.actor,
            origin=how.origin,
            study_key=study_key,
            patient_key=proposed,
            detail=detail,
        )

    def _note(self, imported: Imported, how: Importing) -> None:
        """Write a row for what was not taken in, too, without a name of any file."""
        set_aside, now = sum(imported.set_aside.values()), self._clock.now()
        detail = {"studies": len(imported.studies), "objects": imported.objects, "set_aside": set_aside}
        with self._store.write() as tx:
            audit.add(tx, at=now, action="media_imported", actor=how.actor, origin=how.origin, detail=detail)
        _log.info("media_imported", other_files=imported.other_files, stopped=bool(imported.stopped), **detail)


def _listed(file: MediaFile) -> set[tuple[str, ...]] | None:
    """Return what the DICOMDIR names, None where it cannot be read: the objects are found without it."""
    try:
        with file.open() as opened:
            content = opened.read(MOST_BYTES + 1)
        return listed_files(content) if len(content) <= MOST_BYTES else None
    except (Malformed, *UNREADABLE):
        return None


def _from_any_folder(seen: set[tuple[str, ...]], listed: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return what was seen as the DICOMDIR would name it: a ZIP often holds the disc in a folder of its own."""
    depths = {len(one) for one in listed}
    return {one[-depth:] for one in seen for depth in depths if depth <= len(one)}


def _is_object(file: MediaFile) -> bool:
    """Say whether a file is a Part 10 file of an object: a directory, a picture or a viewer is none."""
    try:
        with file.open() as opened:
            head = opened.read(_META)
    except UNREADABLE:
        # A part of the media that cannot be read may be an object: what comes of it is said, not passed over.
        return True
    if head[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        return False
    with suppress(BridgeError):
        return read_file_meta(head).media_storage_sop_class_uid != DIRECTORY_CLASS
    return True


def _events(file: MediaFile) -> Iterator[Event]:
    """Yield a file as one part. One that cannot be read to its end breaks off."""
    yield Head({})
    try:
        with file.open() as opened:
            while chunk := opened.read(_CHUNK):
                yield Content(chunk)
    except UNREADABLE:
        raise Malformed("the media cannot be read there", code="unreadable_media") from None
    yield End()
