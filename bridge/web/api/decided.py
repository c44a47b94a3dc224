"""Every decision about a study in the order it was taken, as JSON: who, when, what, by which rule, and what was known then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.store import decisions, studies
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision
from bridge.store.listings import accession_numbers, people
from bridge.store.listings.people import Person
from bridge.web import reads
from bridge.web.access import needs, services
from bridge.web.api import shapes
from bridge.web.api.shapes import Json

blueprint = Blueprint("api_decided", __name__, url_prefix="/api")


@blueprint.get("/studies/<study_instance_uid>/decisions")
@needs(Permission.DECIDE)
def list_decisions(study_instance_uid: str) -> Response:
    """Return every decision about a study, the first one first, with what each rested on."""
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError(study_instance_uid)
        made = decisions.of_study(tx, study.key)[::-1]
        said = _in_order(tx, made)
    reads.note("decisions_listed", study_key=study.key, patient_key=study.patient_key)
    return jsonify(study_instance_uid=study_instance_uid, decisions=said)


def _in_order(tx: ReadTx, made: Sequence[Decision]) -> list[Json]:
    known = people.by_key(tx, [*(one.patient_key for one in made), *_candidates(made, "patient_key")])
    linked = [key for one in made for key in one.snapshot.get("linked_order_keys", ())]
    numbers = accession_numbers.by_order(
        tx, [*(one.order_key for one in made), *linked, *_candidates(made, "order_key")]
    )
    return [_decision(one, known, numbers) for one in made]


def _candidates(made: Sequence[Decision], key: str) -> list[int]:
    return [one[key] for decision in made for one in decision.candidates if one.get(key) is not None]


def _decision(one: Decision, known: Mapping[int, Person], numbers: Mapping[int, str]) -> Json:
    return {
        "id": one.key,
        "at": shapes.instant(one.decided_at),
        "by": one.actor,
        "confirmed_by": one.confirmed_by or None,
        "outcome": one.outcome.lower(),
        "rule": one.rule,
        "sentence": one.sentence,
        "reason": one.reason or None,
        "patient": _person(known, one.patient_key),
        "accession_number": numbers.get(one.order_key or 0) or None,
        "linked_accession_numbers": _linked(one, numbers),
        "evidence": list(one.evidence),
        "differences": list(one.differences),
        "candidates": [
            {
                "patient": _person(known, row["patient_key"]),
                "accession_number": numbers.get(row.get("order_key") or 0) or None,
                "score": row["score"],
                "why": row["why"],
            }
            for row in one.candidates
        ],
        "binding_version": one.binding_version,
        "rules_version": one.snapshot.get("rules_version") or None,
        "supersedes": one.supersedes,
    }


def _person(known: Mapping[int, Person], key: int | None) -> Json | None:
    return shapes.person(known.get(key)) if key is not None else None


def _linked(one: Decision, numbers: Mapping[int, str]) -> list[str]:
    keys: Iterable[int] = one.snapshot.get("linked_order_keys", ())
    return [numbers[key] for key in keys if numbers.get(key)]
