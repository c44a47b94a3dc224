"""Studies, the mismatch queue, and merges that can be undone."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission, Role
from bridge.errors import Malformed
from bridge.flows.ask_outside import ask_again
from bridge.flows.explain_routes import explain_routes
from bridge.store import decisions, studies
from bridge.store.case_proposals import CaseProposal
from bridge.store.listings import queues
from bridge.store.listings.queues import MismatchRow
from bridge.store.listings.set_aside import SetAside
from bridge.store.outside_questions import Asked
from bridge.web import bodies, paging, reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.api import proposals, rejections, shapes, splits
from bridge.web.api.copies import copies
from bridge.web.api.looks import checklist
from bridge.web.study_views import StudyView

blueprint = Blueprint("api_studies", __name__, url_prefix="/api")

ACTIONS = ("bind", "unbind", "reject", "reopen", "restore", "read_again", "split")


@blueprint.get("/studies/<study_instance_uid>")
@needs(Permission.READ_STUDIES)
def read_study(study_instance_uid: str) -> Response:
    """Return a study's state, evidence, differences, candidates and where it was published."""
    with services().store.read() as tx:
        view = study_views.read(tx, study_instance_uid, caller())
    if caller().role == Role.IT:
        return jsonify(_counts(view))
    patient_key = view.patient.key if view.patient is not None else None
    reads.note("study_viewed", study_key=view.study.key, patient_key=patient_key)
    reads.note_compared(view.study.key, (one.patient for one in view.candidates))
    return jsonify(_whole(view))


@blueprint.post("/studies/<study_instance_uid>/decision")
@needs(Permission.DECIDE)
def decide_study(study_instance_uid: str) -> Response:
    """Bind, unbind, reject or split a study, in the queue or not (202: a second person confirms it); or read a waiting one again by its device's rules."""
    return _decide(study_instance_uid)


@blueprint.post("/studies/<study_instance_uid>/ask")
@needs(Permission.DECIDE)
def ask_again_about(study_instance_uid: str) -> Response:
    """Let other registries be asked once more who an undecided study is of."""
    here = services()
    sources = here.settings.outside.names
    ask_again(here.store, here.clock, sources, study_instance_uid, caller().name)
    return jsonify(study_instance_uid=study_instance_uid, asked=list(sources))


@blueprint.get("/studies/<study_instance_uid>/routes")
@needs(Permission.SEND_STUDIES)
def study_routes(study_instance_uid: str) -> Response:
    """Return where a study goes, where it is, and why it goes nowhere else."""
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError(study_instance_uid)
        found = explain_routes(tx, study, services().flows.hand_sender.routes)
    reads.note("routes_explained", study_key=study.key)
    if caller().role == Role.IT:
        # Why a route does not take it names what the study says: its physician, its order.
        found = replace(found, routes=tuple(replace(one, reasons=()) for one in found.routes))
    return jsonify(asdict(found))


@blueprint.post("/studies/<study_instance_uid>/send")
@needs(Permission.SEND_STUDIES)
def send_study(study_instance_uid: str) -> Response:
    """Send a bound study to a configured place, whatever the routes say."""
    to = bodies.text(bodies.only(bodies.json_object(), "to"), "to", required=True)
    services().flows.hand_sender.send(study_instance_uid, to, caller().name)
    return jsonify(study_instance_uid=study_instance_uid, to=to, queued=True)


@blueprint.get("/mismatches")
@needs(Permission.DECIDE)
def list_mismatches() -> Response:
    """Return the studies that wait for a person."""
    size = paging.limit()
    with services().store.read() as tx:
        rows, more = paging.cut(queues.open_mismatches(tx, before=paging.before(), limit=size + 1), size)
    reads.note("mismatches_listed", detail={"count": len(rows)})
    return jsonify(mismatches=[_case(row) for row in rows], next=paging.next_url(rows[-1].key if more else None))


def _case(row: MismatchRow) -> dict[str, Any]:
    return shapes.mismatch_row(row) | {"proposal": proposals.row(row.proposal) if row.proposal is not None else None}


@blueprint.post("/mismatches/<int:mismatch_key>/decision")
@needs(Permission.DECIDE)
def decide_mismatch(mismatch_key: int) -> Response:
    """Decide one case of the queue; 202 with the proposal where a second person has to confirm it."""
    with services().store.read() as tx:
        study = decisions.study_of_mismatch(tx, mismatch_key)
    if study is None:
        raise LookupError(mismatch_key)
    return _decide(study.study_instance_uid)


@blueprint.get("/merges")
@needs(Permission.DECIDE)
def list_merges() -> Response:
    """Return merges, newest first."""
    size = paging.limit()
    with services().store.read() as tx:
        rows, more = paging.cut(queues.merge_rows(tx, before=paging.before(), limit=size + 1), size)
    reads.note("merges_listed", detail={"count": len(rows)})
    return jsonify(merges=[shapes.merge_row(row) for row in rows], next=paging.next_url(rows[-1].key if more else None))


@blueprint.post("/merges/<int:merge_key>/undo")
@needs(Permission.DECIDE)
def undo_merge(merge_key: int) -> Response:
    """Take a merge, move or changed number back."""
    body = bodies.only(bodies.json_object(), "reason")
    reason = bodies.text(body, "reason", required=True)
    note = services().flows.undo_merge(merge_key=merge_key, reason=reason, actor=caller().name)
    return jsonify(id=merge_key, undone=True, note=note or None)


def _decide(study_instance_uid: str) -> Response:
    body = bodies.only(bodies.json_object(), "action", "accession_number", "patient", "reason", "instances")
    action = bodies.text(body, "action", required=True)
    if action not in ACTIONS:
        raise Malformed(f"one of {', '.join(ACTIONS)} is wanted", code="not_in_table", where="action")
    if action == "split":
        made = splits.carry_out(study_instance_uid, body)
        if isinstance(made, CaseProposal):
            return proposals.waits(made)
        with services().store.read() as tx:
            said = _whole(study_views.read(tx, study_instance_uid, caller()))
        return jsonify(said | {"split_into": made})
    bodies.only(body, "action", "accession_number", "patient", "reason")
    proposal = services().flows.decide_study(
        study_instance_uid=study_instance_uid,
        action=action,
        accession_number=bodies.text(body, "accession_number", limit=64) or None,
        patient=bodies.patient_reference(body),
        reason=bodies.text(body, "reason", required=True, limit=1000),
        actor=caller().name,
    )
    if proposal is not None:
        return proposals.waits(proposal)
    with services().store.read() as tx:
        return jsonify(_whole(study_views.read(tx, study_instance_uid, caller())))


def _counts(view: StudyView) -> dict[str, Any]:
    """Return what `it` may see of a study: no patient, no evidence."""
    with services().store.read() as tx:
        rows = queues.with_studies(tx, list(view.deliveries))
    return {
        "id": view.study.key,
        "study_instance_uid": view.study.study_instance_uid,
        "state": view.study.state.value,
        "patient": None,
        "accession_number": None,
        "series": view.on_exam.series_count,
        "instances": view.on_exam.instance_count,
        "expected": view.on_exam.announced or None,
        "received": view.on_exam.arrived if view.on_exam.announced else None,
        "published": [shapes.published(one) for one in view.published],
        "copies": copies(view.copies, view.stated),
        "deliveries": [shapes.delivery_row(row) for row in rows],
        **_on_shelf(view),
    }


def _on_shelf(view: StudyView) -> dict[str, Any]:
    """Return how many objects are damaged, and how many were removed here because archives keep them."""
    shelf = view.on_shelf
    return {"damaged": shelf.damaged, "removed": shelf.removed, "kept_by": list(shelf.kept_by)}


def _kept_out(view: StudyView) -> dict[str, Any]:
    """Return what was kept and is no part of the study: other content under its UIDs, what was rejected; and who was asked."""
    return {
        "set_aside": [_set_aside(one) for one in view.set_aside],
        "rejections": [rejections.row(one) for one in view.rejections],
        "asked": [_asked(one) for one in view.asked],
        "splits": [splits.row(one) for one in view.splits],
    }


def _to_look_at(view: StudyView) -> dict[str, Any]:
    """Return what a person should know before they rely on the images, and what does not fit their order."""
    return {
        "warnings": [shapes.image_warning(one) for one in view.warnings],
        "checklist": checklist(view.checklist),
    }


def _by_two(view: StudyView) -> dict[str, Any]:
    """Return who confirmed the last decision, whether the next one needs two people, and what was proposed."""
    return {
        "confirmed_by": (view.latest.confirmed_by if view.latest is not None else "") or None,
        "needs_two": view.needs_two,
        "proposals": [proposals.row(one) for one in view.proposals],
    }


def _set_aside(one: SetAside) -> dict[str, Any]:
    return {
        "sop_instance_uid": one.sop_instance_uid,
        "reason": one.reason,
        "patient": shapes.person(one.received),
        "accession_number": one.received_accession_number or None,
        "received_at": shapes.instant(one.received_at),
        "from": one.received_from,
    }


def _asked(one: Asked) -> dict[str, Any]:
    return {
        "source": one.source,
        "state": one.state.value,
        "at": shapes.instant(one.asked_at),
        "said": one.sentence,
        "attempts": one.attempts,
    }


def _whole(view: StudyView) -> dict[str, Any]:
    latest, study = view.latest, view.study
    said: dict[str, Any] = {
        "id": study.key,
        "study_instance_uid": study.study_instance_uid,
        "state": study.state.value,
        "patient": shapes.person(view.patient),
        "accession_number": view.accession_number or None,
        "rule": study.rule,
        "decided_by": study.decided_by,
        "sentence": latest.sentence if latest is not None else "",
        "evidence": list(latest.evidence) if latest is not None else [],
        "differences": list(latest.differences) if latest is not None else [],
        **_on_shelf(view),
        "repairs": [one._asdict() for one in study.received.repairs],
        "candidates": [
            {
                "patient": shapes.person(one.patient),
                "accession_number": one.accession_number or None,
                "score": one.score,
                "why": one.why,
            }
            for one in view.candidates
        ],
        "published": [shapes.published(one) for one in view.published],
        "copies": copies(view.copies, view.stated),
        **(_kept_out(view) | _by_two(view)),
        "series": view.on_exam.series_count,
        "instances": view.on_exam.instance_count,
        **_to_look_at(view),
        "source_ae_title": study.source_ae_title,
        "foreign": study.foreign,
        "received_at": shapes.instant(study.first_instance_at),
        "completed_at": shapes.instant(study.completed_at),
    }
    if view.held_from is not None:
        said["held_from"] = {"patient": shapes.person(view.held_from[0]), "accession_number": view.held_from[1] or None}
    if study.closed_reason:
        said["closed"] = study.closed_reason
    return said
