"""A person corrects attributes of a bound study, or takes a correction back: each a version, never a change of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.clock import Clock
from bridge.codecs.dicom.leaving_rows import TagRow
from bridge.codecs.dicom.survey import cleaned
from bridge.domain.correctable import CORRECTABLE, check_correction
from bridge.domain.corrections import received_values
from bridge.domain.overlay import (
    Change,
    Layer,
    Overlay,
    OverlayVersion,
    Reason,
    VersionKind,
    changes_between,
    is_correction_of_this_binding,
    taken_back,
    undone_by,
    values_of,
    with_correction,
)
from bridge.domain.reason import require_reason
from bridge.domain.study import Instance, Study, StudyState
from bridge.domain.verdict import Outcome
from bridge.errors import Conflict, Malformed, Unavailable, Unsupported
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.lay_overlay import Made, lay
from bridge.leaving.objects import LeavingObject
from bridge.store import audit, decisions, events, overlays, studies
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station

# A study with more series than that is not read through before a person sees a page.
_SERIES_READ = 24
_CODE_PARTS = ("CodeValue", "CodeMeaning", "CodingSchemeDesignator")
_OF_THE_REQUEST = frozenset({"RequestedProcedureID", "ScheduledProcedureStepID"})


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person wants to leave otherwise: DICOM keyword to value, "" to erase. actor: "user:maria"."""

    values: Mapping[str, str]
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What an attribute that may be corrected leaves with now, "" for no value.

    reason: why it is not what was received, None where it is. is_open: whether a person may correct it now.
    """

    keyword: str
    value: str
    reason: Reason | None
    is_open: bool


class StudyCorrector:
    """Corrects what leaves of a study. Thread-safe."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, destinations: Destinations) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._destinations = destinations

    def standing(self, study_instance_uid: str) -> tuple[Standing, ...]:
        """Return what a bound study leaves with where people may correct it. Raises: LookupError; Conflict, if it is not bound."""
        received = self._received(study_instance_uid)
        with self._store.read() as tx:
            study = _found(tx, study_instance_uid)
            layers = overlays.current(tx, study).layers
        said = {**received, **values_of(layers)}
        reasons = {keyword: layer.reason for layer in layers for keyword in layer.values}
        closed = {keyword for keyword, reason in reasons.items() if reason == Reason.COERCE}
        closed |= frozenset() if _names_one_request(study) else _OF_THE_REQUEST
        return tuple(
            Standing(keyword, said.get(keyword, ""), reasons.get(keyword), keyword not in closed)
            for keyword in CORRECTABLE
        )

    def preview_undo(self, study_instance_uid: str, number: int) -> tuple[Change, ...]:
        """Return what taking version *number* back would change, nothing done. Raises: as `undo`."""
        received = self._received(study_instance_uid)
        with self._store.read() as tx:
            study = _found(tx, study_instance_uid)
            layers = _without(tx, study, number)
            now = overlays.current(tx, study).values
        return tuple(changes_between(now, values_of(layers), received))

    def preview(self, study_instance_uid: str, values: Mapping[str, str]) -> tuple[Change, ...]:
        """
        Return what a correction would change, nothing done.

        Raises: LookupError; Conflict, Incomplete, Malformed, if it cannot be made.
        """
        received = self._received(study_instance_uid)
        with self._store.read() as tx:
            study = _found(tx, study_instance_uid)
            layers = _corrected(tx, study, values, self._clock.now())
            now = overlays.current(tx, study).values
        return tuple(changes_between(now, values_of(layers), received))

    def correct(self, study_instance_uid: str, correction: Correction) -> OverlayVersion:
        """
        Make *correction* and send what leaves otherwise again.

        Raises: LookupError, if nothing of the study was received; Conflict, if it is not bound, the record decides the
        value, or nothing would change; Incomplete, Malformed, for what cannot be corrected so.
        """
        received, now = self._received(study_instance_uid), self._clock.now()
        made = Made(now, correction.actor, require_reason(correction.reason), VersionKind.CORRECTED, received=received)
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _found(tx, study_instance_uid)
            return self._lay(tx, study, _corrected(tx, study, correction.values, now), made)

    def undo(self, study_instance_uid: str, number: int, reason: str, actor: str) -> OverlayVersion:
        """
        Take version *number* back: what it changed leaves as it did before, unless it was changed again since.

        Raises: LookupError; Conflict, if that version is no correction of the present binding, or is taken back already.
        """
        received, now = self._received(study_instance_uid), self._clock.now()
        made = Made(now, actor, require_reason(reason), VersionKind.UNDONE, number, received)
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _found(tx, study_instance_uid)
            return self._lay(tx, study, _without(tx, study, number), made)

    def rows(self, sop_instance_uid: str) -> list[TagRow]:
        """
        Return each attribute of an instance as received beside what leaves; the caller has asked whether it may be seen.

        Raises: LookupError; Malformed, Unsupported, where it cannot be read or its corrections cannot be made.
        """
        with self._store.read() as tx:
            instance = studies.instance_by_uid(tx, sop_instance_uid)
            if instance is None:
                raise LookupError("no such instance")
            overlay = overlays.current(tx, studies.get(tx, instance.study_key))
        return LeavingObject(self._blobs, instance, overlay).rows()

    def _received(self, study_instance_uid: str) -> dict[str, str]:
        """Return what was received in the attributes that may be corrected, by each series' first object where they differ."""
        with self._store.read() as tx:
            study = _found(tx, study_instance_uid)
            groups = [group for group in studies.contents(tx, study.key).instances.values() if group]
        firsts = sorted((min(group, key=lambda one: one.key) for group in groups), key=lambda one: one.key)
        said = [rows for one in firsts[:_SERIES_READ] if (rows := self._said(one, study)) is not None]
        first = said[0] if said else {}
        differing = {word: _either(one.get(word, "") for one in said) for word in _differing(said)}
        return {**first, **received_values(study.received), **differing}

    def _said(self, instance: Instance, study: Study) -> dict[str, str] | None:
        """Return what an object says in the attributes that may be corrected; None where it cannot be read."""
        try:
            return _said_by(LeavingObject(self._blobs, instance, Overlay(study.key, 0, 0)).rows())
        except (Malformed, Unsupported, Unavailable, OSError):
            return None

    def _lay(self, tx: WriteTx, study: Study, layers: tuple[Layer, ...], made: Made) -> OverlayVersion:
        is_corrected = any(layer.reason == Reason.CORRECT for layer in layers)
        decided = decisions.of_study(tx, study.key)[0].outcome
        is_plain = not is_corrected and decided == Outcome.BIND
        state = StudyState.BOUND if is_plain else StudyState.BOUND_WITH_CORRECTION
        after = studies.save(tx, replace(study, state=state, binding_version=study.binding_version + 1))
        version = lay(tx, after, layers, made)
        if not version.changes:
            raise Conflict("nothing would leave otherwise", code="no_change", where="attributes")
        announce.study_changed(tx, after, self._destinations, made.at)
        _tell(tx, after, version)
        return version


def _differing(said: Sequence[Mapping[str, str]]) -> list[str]:
    return [word for word in CORRECTABLE if len({one.get(word, "") for one in said}) > 1]


def _either(values: Iterable[str]) -> str:
    """Return different values as a person reads them: the series do not agree."""
    return ", or ".join(dict.fromkeys(value or "nothing" for value in values))


def _said_by(rows: Sequence[TagRow]) -> dict[str, str]:
    """Return what a header says in the attributes that may be corrected, sequences as a correction writes them."""
    said = {row.keyword: row.received or "" for row in rows if not row.path and row.keyword in CORRECTABLE}
    inside = {(row.path[0], row.keyword): row.received or "" for row in rows if len(row.path) == 1}
    if "ProcedureCodeSequence" in said:
        code = [inside.get(("ProcedureCodeSequence 1", part), "") for part in _CODE_PARTS]
        said["ProcedureCodeSequence"] = "^".join(code) if any(code) else ""
    if "OtherPatientIDsSequence" in said:
        numbers = (text for (path, word), text in inside.items() if word == "PatientID" and path.startswith("OtherP"))
        said["OtherPatientIDsSequence"] = ", ".join(numbers)
    return said


def _found(tx: ReadTx, study_instance_uid: str) -> Study:
    study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise LookupError("no such study")
    if not study.is_bound:
        raise Conflict("the study is not bound: whose it is comes first", code="not_bound")
    return study


def _corrected(tx: ReadTx, study: Study, values: Mapping[str, str], at: datetime) -> tuple[Layer, ...]:
    """Return the layers with *values* corrected. Raises: as `check_correction`, and Malformed."""
    overlay = overlays.current(tx, study)
    bound = {word for layer in overlay.layers if layer.reason == Reason.COERCE for word in layer.values}
    check_correction(values, bound)
    clean = {keyword: cleaned(keyword, value) for keyword, value in values.items()}
    if set(clean) & _OF_THE_REQUEST and not _names_one_request(study):
        raise Conflict("the images do not name one request", code="no_request", where="RequestedProcedureID")
    number = overlays.of_study(tx, study.key)[0].number + 1
    return with_correction(overlay.layers, Layer(at, clean, Reason.CORRECT, number))


def _names_one_request(study: Study) -> bool:
    return len(study.received.request_attributes) == 1


def _without(tx: ReadTx, study: Study, number: int) -> tuple[Layer, ...]:
    """Return the layers without what version *number* changed. Raises: LookupError, Conflict."""
    versions = overlays.of_study(tx, study.key)
    version = next((one for one in versions if one.number == number), None)
    before = next((one for one in versions if one.number < number), None)
    if version is None or before is None:
        raise LookupError("no such version")
    if not is_correction_of_this_binding(version, versions):
        raise Conflict("only a correction of the present binding is taken back here", code="not_a_correction")
    if undone_by(version, versions) is not None:
        raise Conflict("this version is taken back already", code="undone_already")
    return taken_back(overlays.current(tx, study).layers, version, before.layers)


def _tell(tx: WriteTx, study: Study, version: OverlayVersion) -> None:
    """Say in the audit trail and on the timeline what was corrected; values stand with the version alone."""
    keywords = [one.keyword for one in version.changes]
    words = ", ".join(CORRECTABLE.get(one, one).lower() for one in keywords)
    audit.add(
        tx,
        at=version.made_at,
        action=f"study_{version.kind.value}",
        actor=version.actor,
        patient_key=study.patient_key,
        study_key=study.key,
        order_key=study.order_key,
        detail={"version": version.number, "attributes": keywords},
    )
    verb = "Corrected on the way out" if version.undoes is None else f"Version {version.undoes} taken back"
    source = ("decision", str(version.number))
    what = f"{verb}: {words}"
    events.add(tx, Event(version.made_at, Station.RECONCILED, what, version.actor, *source, study.order_key, study.key))
