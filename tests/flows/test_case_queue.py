"""How a case comes into the queue, how urgent it is there, and how it is closed and opened again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.case_risk import CaseRisk
from bridge.errors import Conflict
from bridge.flows.resolve_mismatch import Ruling
from bridge.store import decisions, publications
from bridge.store.listings import queues
from bridge.store.listings.queues import MismatchRow
from bridge.store.publications import Publication
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order
from tests.flows.asking import say, study_of
from tests.flows.test_images import house, receive, resolver

__all__ = ["house"]
MIXED = replace(PLAIN, patient_id=STRANGER.patient_id)
UID = str(image(PLAIN, "A1").StudyInstanceUID)


def waiting(house: House) -> list[MismatchRow]:
    with house.store.read() as tx:
        return queues.open_mismatches(tx, before=None, limit=9)


def rule_on(house: House, action: str, seen: int | None = None) -> None:
    resolver(house).resolve(UID, Ruling(action, "looked at", "user:maria", seen=seen))


def test_a_case_whose_order_is_urgent_says_so(house: House) -> None:
    say(house, order(PLAIN, "A1").replace(b"^^R||", b"^^S||"), order(PLAIN, "A2"))
    receive(house, image(MIXED, "A1"), image(MIXED, "A2"))
    assert sorted(row.risk for row in waiting(house)) == [CaseRisk.URGENT, CaseRisk.ROUTINE]


def test_what_stood_in_a_chart_and_was_taken_back_is_graver_than_what_never_did(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    study = study_of(house, "A1")
    with house.store.write() as tx:
        stands = ("ImagingStudy/1", "1", "available", "Patient/1", study.patient_key, "d", study.binding_version)
        publications.put(tx, Publication(study.key, "ehr", "ImagingStudy", *stands, house.clock.now()))
    rule_on(house, "unbind")
    assert [row.risk for row in waiting(house)] == [CaseRisk.WITHDRAWN]


def test_a_signal_against_the_patient_is_the_gravest(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    with house.store.write() as tx:
        decisions.add_signal(tx, UID, "110514", "mpps", house.clock.now())
    receive(house, image(MIXED, "A1"))
    assert [row.risk for row in waiting(house)] == [CaseRisk.SAFETY]


def test_a_closed_case_is_opened_again_and_keeps_its_history(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(MIXED, "A1"))
    rule_on(house, "reject")
    assert waiting(house) == []
    rule_on(house, "reopen")
    assert [row.rule for row in waiting(house)] == ["V06"]
    assert study_of(house, "A1").closed_reason == ""
    with house.store.read() as tx:
        made = decisions.of_study(tx, study_of(house, "A1").key)
    assert [(one.actor, one.outcome) for one in made] == [
        ("user:maria", "REVIEW"),
        ("user:maria", "QUARANTINE"),
        ("V06", "REVIEW"),
    ]
    with pytest.raises(Conflict) as refused:
        rule_on(house, "reopen")
    assert refused.value.code == "not_closed"


def test_a_case_that_a_rule_would_bind_by_now_is_opened_for_a_person_all_the_same(house: House) -> None:
    receive(house, image(replace(PLAIN, patient_id="00049999"), "A1"))
    rule_on(house, "reject")
    say(house, order(PLAIN, "A1"))
    rule_on(house, "reopen")
    assert not study_of(house, "A1").is_bound
    assert "by now a rule would bind it" in waiting(house)[0].sentence


def test_whoever_saw_an_older_decision_decides_nothing(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(MIXED, "A1"))
    with house.store.read() as tx:
        seen = decisions.of_study(tx, study_of(house, "A1").key)[0].key
    rule_on(house, "reject", seen)
    with pytest.raises(Conflict) as refused:
        resolver(house).resolve(UID, Ruling("bind", "mine", "user:ben", "A1", seen=seen))
    assert refused.value.code == "decided_meanwhile"
    assert study_of(house, "A1").closed_reason == "looked at"


def test_what_a_person_took_back_no_rule_gives_back_after_its_case_was_closed_and_opened_again(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    bound = study_of(house, "A1")
    for action in ("unbind", "reject", "reopen"):
        rule_on(house, action)
    assert study_of(house, "A1").held_from_patient_key == bound.patient_key
    say(house, adt(PLAIN), order(PLAIN, "A2"))
    assert not study_of(house, "A1").is_bound
