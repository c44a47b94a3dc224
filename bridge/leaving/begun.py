"""A study that a modality has begun, and of which no image is here: whose it certainly is, and how it stands in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links
from bridge.domain.chart_status import ChartFacts, ChartStatus, chart_status, is_going, is_stopped
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.performed import PerformedStep, may_be_of
from bridge.leaving import procedures
from bridge.leaving.studies import ORDER_ID, visit_of
from bridge.store import announced_studies, chart_withdrawals, orders, patients, performed, studies
from bridge.store.announced_studies import AnnouncedStudy
from bridge.store.chart_withdrawals import Coming
from bridge.store.db import ReadTx

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Begun:
    """A performed step that goes on, its order, and the live record of whose it certainly is."""

    step: PerformedStep
    order: Order
    patient: Patient


def certain(tx: ReadTx, steps: Sequence[PerformedStep]) -> Begun | None:
    """
    Return the newest performed step that is going on, and its order; None where they are not certainly one patient's.

    That is: all orders are of one live record that no update has made another person of, none is a test's, no device names
    somebody else, and nobody has taken the study out of every chart.
    """
    going = [one for one in steps if is_going(one)]
    found = [
        (one, orders.get(tx, planned.order_key)) for one in going for planned in orders.get_steps(tx, one.step_keys)
    ]
    owners = {owner.key: owner for owner in (patients.survivor(tx, order.patient_key) for _, order in found)}
    if len(owners) != 1:
        return None
    (owner,) = owners.values()
    records = patients.records_of(tx, owner.key)
    is_in_question = any(one.in_question for one in records)
    names_another = not all(may_be_of(step, records) for step in going)
    is_test = any(order.is_test for _, order in found)
    if is_in_question or is_test or names_another or _is_out(tx, found[-1][0].study_instance_uid):
        return None
    return Begun(*found[-1], owner)


def begun(tx: ReadTx, study_instance_uid: str) -> Begun | None:
    """Return how a study of which no image is here has begun, None if it has not, or not certainly for one patient."""
    if studies.key_by_uid(tx, study_instance_uid) is not None:
        return None
    return certain(tx, performed.of_study(tx, study_instance_uid))


def status_of(tx: ReadTx, one: AnnouncedStudy) -> ChartStatus:
    """
    Return how what was announced stands in its chart now, as of the order that it was announced of.

    Where images are here it is an error, unless a study goes on as it: then it is read there.
    """
    uid = one.study_instance_uid
    if studies.key_by_uid(tx, uid) is not None:
        return ChartStatus.ENTERED_IN_ERROR
    live = patients.survivor(tx, one.patient_key).key
    now, steps, own = begun(tx, uid), performed.of_study(tx, uid), announced_studies.of_person(tx, uid, live)
    is_own = own is not None and own.key == one.key
    facts = ChartFacts(
        standing=one.status,
        announced=is_own and now is not None and (now.patient.key, now.order.key) == (live, one.order_key),
        stopped=is_stopped(steps),
        misplaced=live not in {owner.key for owner in owners(tx, steps)} or _is_out(tx, uid),
    )
    return chart_status(facts) or ChartStatus.ENTERED_IN_ERROR


def owners(tx: ReadTx, steps: Sequence[PerformedStep]) -> list[Patient]:
    """Return the live records whose orders these performed steps are of."""
    named = [orders.get(tx, planned.order_key) for step in steps for planned in orders.get_steps(tx, step.step_keys)]
    return [patients.survivor(tx, one.patient_key) for one in named]


def said(tx: ReadTx, one: Begun, house: House) -> dict[str, Json]:
    """Return what our own server says of it, by FHIR release: no instance, and no way to any."""
    links = Links(
        f"Patient/{one.patient.key}",
        service_request=f"ServiceRequest/{ORDER_ID}{one.order.key}",
        encounter=visit_of(tx, one.order),
        procedures=procedures.of_study(tx, one.step.study_instance_uid, one.patient.key),
    )
    content = codec.announced(one.step, one.order, links, house)
    return {"R4": r4.imaging_study(content), "R5": r5.imaging_study(content)}


def _is_out(tx: ReadTx, study_instance_uid: str) -> bool:
    return chart_withdrawals.withdrawal_of(tx, Coming(study_instance_uid)) is not None
