"""Parting a study that holds two patients, over REST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Incomplete
from bridge.store import studies
from bridge.store.case_proposals import CaseProposal
from bridge.store.splits import Split
from bridge.web import bodies
from bridge.web.access import caller, needs, services
from bridge.web.api import proposals, shapes

blueprint = Blueprint("api_splits", __name__, url_prefix="/api")


@blueprint.post("/splits/<int:split_key>/join")
@needs(Permission.DECIDE)
def join_split(split_key: int) -> Response:
    """Let what was split off a study stand where it was."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True, limit=1000)
    study = services().flows.studies.second_person.join(split_key, reason, caller().name)
    if isinstance(study, CaseProposal):
        return proposals.waits(study)
    return jsonify(id=split_key, joined=True, study_instance_uid=study.study_instance_uid, state=study.state.value)


def carry_out(study_instance_uid: str, body: dict[str, Any]) -> str | CaseProposal:
    """
    Split what *body* names off a study, and bind it if that says to whom; return the new Study Instance UID.

    Where two people decide, return what waits for the second one; to whom the part belongs is said after that.
    """
    uids = bodies.texts(body, "instances")
    if not uids:
        raise Incomplete("name series or instances", code="missing", where="instances")
    reason = bodies.text(body, "reason", required=True, limit=1000)
    flows = services().flows
    number, patient = bodies.text(body, "accession_number", limit=64) or None, bodies.patient_reference(body)
    if number or patient:
        _check_one_decides(study_instance_uid)
    new = flows.studies.second_person.split(study_instance_uid, uids, reason, caller().name)
    if isinstance(new, CaseProposal):
        return new
    if number or patient:
        flows.decide_study(
            study_instance_uid=new.study_instance_uid,
            action="bind",
            accession_number=number,
            patient=patient,
            reason=reason,
            actor=caller().name,
        )
    return new.study_instance_uid


def _check_one_decides(study_instance_uid: str) -> None:
    """Raises: Conflict, if two people decide: nobody can confirm whose a study is that does not exist yet."""
    here = services()
    with here.store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is not None and here.flows.studies.second_person.needs_two(tx, study):
            words = "two people decide this study: split it first, then say whose the part is"
            raise Conflict(words, code="second_person", where="patient")


def row(one: Split) -> dict[str, Any]:
    """Return a split as it stands with a study."""
    return {
        "id": one.key,
        "split_at": shapes.instant(one.split_at),
        "split_by": one.split_by,
        "reason": one.reason,
        "joined_at": shapes.instant(one.joined_at),
        "joined_by": one.joined_by or None,
    }
