"""A study's binding, and whatever people correct, becomes a version of what lies over it, in the deciding transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.domain.correctable import ONLY_TAKEN_OFF
from bridge.domain.corrections import received_values
from bridge.domain.overlay import (
    Layer,
    OverlayVersion,
    VersionKind,
    changes_between,
    values_of,
    with_identity,
)
from bridge.domain.study import Study
from bridge.domain.verdict import Verdict
from bridge.store import overlays, patients
from bridge.store.db import ReadTx, WriteTx


@dataclass(frozen=True, slots=True)
class Made:
    """
    Who made a version, when, how and why.

    received: what the objects say, keyword to value, where more is known of it than the study's header.
    """

    at: datetime
    actor: str
    why: str
    kind: VersionKind = VersionKind.BOUND
    undoes: int | None = None
    received: Mapping[str, str] = field(default_factory=dict)


def standing_corrections(tx: ReadTx, study: Study, patient_key: int | None) -> tuple[Layer, ...]:
    """
    Return what people corrected in *study* and what stays corrected when it is bound to *patient_key*.

    Corrections were made of one person's exam: another person's study leaves without them.
    """
    last = last_bound(overlays.of_study(tx, study.key))
    if last is None or last.patient_key is None or patient_key is None:
        return ()
    return last.corrections if patients.survivor(tx, last.patient_key).key == patient_key else ()


def lay_binding(tx: WriteTx, study: Study, verdict: Verdict, corrections: Sequence[Layer], made: Made) -> None:
    """
    Append the version that a decision about *study* makes; an undecided study that stays so has none.

    corrections: what people corrected before, and what still stands.
    """
    versions = overlays.of_study(tx, study.key)
    last = last_bound(versions)
    number = versions[0].number + 1 if versions else 1
    if not study.is_bound:
        if versions and versions[0].kind != VersionKind.HELD:
            held = (study.key, number, study.binding_version, study.binding_version)
            overlays.add(tx, OverlayVersion(*held, VersionKind.HELD, made.at, made.actor, made.why))
        return
    standing = tuple(layer for layer in last.layers if layer not in last.corrections) if last is not None else ()
    identity = {**_identity(verdict), **_numbers_of_another(tx, study)}
    layers = with_identity((*standing, *corrections), Layer(made.at, identity, version=number))
    is_same = last is not None and _is_same_person(tx, last, study)
    kind = VersionKind.FOLLOWED if is_same and versions[0].kind != VersionKind.HELD else VersionKind.BOUND
    lay(tx, study, layers, replace(made, kind=kind))


def lay(tx: WriteTx, study: Study, layers: tuple[Layer, ...], made: Made) -> OverlayVersion:
    """Append the version under which a bound *study*'s objects leave with *layers*."""
    versions = overlays.of_study(tx, study.key)
    last = last_bound(versions)
    before = values_of(last.layers) if last is not None else {}
    is_as_before = last is not None and last.layers == layers
    version = OverlayVersion(
        study_key=study.key,
        number=versions[0].number + 1 if versions else 1,
        binding_version=study.binding_version,
        since=last.since if last is not None and is_as_before else study.binding_version,
        kind=made.kind,
        made_at=made.at,
        actor=made.actor,
        why=made.why,
        patient_key=study.patient_key,
        layers=layers,
        changes=tuple(changes_between(before, values_of(layers), {**received_values(study.received), **made.received})),
        undoes=made.undoes,
    )
    overlays.add(tx, version)
    return version


def last_bound(versions: Sequence[OverlayVersion]) -> OverlayVersion | None:
    """Return the newest of *versions*, newest first, under which anything could leave."""
    return next((one for one in versions if one.kind != VersionKind.HELD), None)


def _is_same_person(tx: ReadTx, last: OverlayVersion, study: Study) -> bool:
    return last.patient_key is not None and patients.survivor(tx, last.patient_key).key == study.patient_key


def _numbers_of_another(tx: ReadTx, study: Study) -> Mapping[str, str]:
    """Return what takes the further numbers off where the one that was received is another known patient's."""
    received = received_values(study.received)
    number, issuer = received["PatientID"].strip(), received["IssuerOfPatientID"].strip()
    whose = {patients.survivor(tx, key).key for key in patients.holders(tx, number, issuer)} if number else set()
    return dict.fromkeys(ONLY_TAKEN_OFF, "") if whose and study.patient_key not in whose else {}


def _identity(verdict: Verdict) -> Mapping[str, str]:
    """Return the whole identity that a decision publishes: other objects than the first may name the patient otherwise."""
    identity = dict(verdict.snapshot.get("published", {}))
    for one in verdict.differences:
        if one.applied:
            identity[one.keyword] = one.record
        else:
            identity.pop(one.keyword, None)
    return identity
