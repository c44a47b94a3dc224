"""What two people decide: one proposes, another confirms; until then nothing changes, and one of two races wins."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.building.bulk import bulk_queue
from bridge.building.web_flows import second_person_desk
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study, StudyState
from bridge.errors import BridgeError, Conflict, Refused
from bridge.flows import manage_users
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.confirm_decision import SecondPersonDesk
from bridge.flows.resolve_mismatch import Ruling
from bridge.store import audit, bulk_jobs, case_proposals, decisions, events, splits, studies, users
from bridge.store.case_proposals import CaseProposal
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, renamed, study_uid
from tests.conftest import ROOT
from tests.flows.asking import say, study_of
from tests.flows.test_doubted_records import registered
from tests.flows.test_images import receive, resolver
from tests.flows.test_rejections import desk as rejection_desk
from tests.flows.test_rejections import note, standing
from tests.flows.test_splits import splitter, strange

MakeHouse = Callable[..., House]
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MIXED = image(replace(PLAIN, patient_id=STRANGER.patient_id), "A1")
HERS = Ruling("bind", "asked the technologist", "user:maria", "A1", PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))


def careful(make_house: MakeHouse, folder: Path, *vetoes: str) -> House:
    """Return a house whose site asks for two people after *vetoes*, with maria, luis and a viewer."""
    mappings = folder / "mappings"
    shutil.copytree(ROOT / "samples" / "mappings", mappings)
    named = ", ".join(f'"{one}"' for one in vetoes)
    (mappings / "reconcile.toml").write_text(f"[rules]\ntwo_person = [{named}]\n", "utf-8")
    house = make_house(FixedClock(AT), bridge={"data": folder / "data", "mappings": mappings, "time_zone": "UTC"})
    for name, role in (("maria", Role.INTAKE), ("luis", Role.INTAKE), ("vera", Role.VIEWER)):
        manage_users.trusted_sign_in_link(house.store, house.clock, name, role)
    return house


@pytest.fixture
def house(make_house: MakeHouse, tmp_path: Path) -> House:
    """V06 holds A1: its number is STRANGER's, its order PLAIN's."""
    found = careful(make_house, tmp_path, "V06", "V02")
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def desk(house: House) -> SecondPersonDesk:
    return second_person_desk(house)


def propose(house: House, ruling: Ruling = HERS) -> CaseProposal:
    proposal = resolver(house).resolve(study_uid("A1"), ruling)
    assert proposal is not None
    return proposal


def bound_by_two(house: House) -> Study:
    receive(house, MIXED)
    desk(house).confirm(propose(house).key, "user:luis")
    return study_of(house, "A1")


def ended(house: House, proposal: CaseProposal) -> tuple[str, str]:
    with house.store.read() as tx:
        found = case_proposals.get(tx, proposal.key)
    return found.settled_as, found.settled_by


def test_nothing_changes_before_a_second_person_confirms(house: House) -> None:
    receive(house, MIXED)
    before = study_of(house, "A1")
    assert before.rule == "V06"
    proposal = propose(house)
    assert study_of(house, "A1") == before
    with house.store.read() as tx:
        assert len(decisions.of_study(tx, before.key)) == 1
    assert desk(house).confirm(proposal.key, "user:luis").settled_as == "confirmed"
    after = study_of(house, "A1")
    assert after.is_bound
    assert after.decided_by == "user:maria"


def test_the_record_the_timeline_and_the_trail_name_both(house: House) -> None:
    after = bound_by_two(house)
    with house.store.read() as tx:
        made = decisions.of_study(tx, after.key)[0]
        told = [(one.what, one.by) for one in events.timeline(tx, [], [after.key]) if one.source_kind == "proposal"]
        trail = {row.action: row for row in audit.recent(tx, limit=20)}
    assert (made.actor, made.confirmed_by, made.reason) == ("user:maria", "user:luis", "asked the technologist")
    assert ("Confirmed: whose images these are", "user:luis") in told
    assert trail["decision_proposed"].actor == "user:maria"
    assert trail["decision_confirmed"].actor == "user:luis"
    assert trail["study_bind"].detail["confirmed_by"] == "user:luis"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_another_person_who_may_decide_confirms(house: House) -> None:
    receive(house, MIXED)
    proposal = propose(house)
    for second in ("user:maria", "user:MARIA", "user:terminal:maria", "user:vera", "user:x", "token:luis"):
        with pytest.raises(Refused):
            desk(house).confirm(proposal.key, second)
    assert study_of(house, "A1").state == StudyState.REVIEW
    assert ended(house, proposal) == ("", "")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_program_and_nobody_without_the_permission_proposes(house: House) -> None:
    receive(house, MIXED)
    for first in ("token:luis", "user:vera", "user:terminal:root"):
        with pytest.raises(Refused):
            resolver(house).resolve(study_uid("A1"), replace(HERS, actor=first))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_whoever_left_had_proposed_is_not_confirmed(house: House) -> None:
    receive(house, MIXED)
    proposal = propose(house)
    with house.store.read() as tx:
        maria = users.find(tx, "maria")
    assert maria is not None
    manage_users.change_user(house.store, house.clock, maria.key, role=Role.INTAKE, disabled=True, actor="system")
    with pytest.raises(Conflict, match="may no longer decide"):
        desk(house).confirm(proposal.key, "user:luis")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_proposal_waits_at_a_time_and_a_declined_one_makes_room(house: House) -> None:
    receive(house, MIXED)
    first = propose(house)
    with pytest.raises(Conflict, match="waits for a second person"):
        propose(house, Ruling("reject", "a phantom", "user:luis"))
    with pytest.raises(Refused, match="withdraw"):
        desk(house).decline(first.key, "no", "user:maria")
    with pytest.raises(Refused, match="decline"):
        desk(house).withdraw(first.key, "user:luis")
    desk(house).decline(first.key, "the wristband says otherwise", "user:luis")
    assert ended(house, first) == ("declined", "user:luis")
    second = propose(house)
    desk(house).withdraw(second.key, "user:maria")
    assert ended(house, second) == ("withdrawn", "user:maria")
    with pytest.raises(Conflict, match="withdrawn before"):
        desk(house).confirm(second.key, "user:luis")


def test_a_proposal_lapses_when_the_case_is_decided_otherwise(house: House) -> None:
    receive(house, MIXED)
    proposal = propose(house)
    receive(house, strange(1))
    assert study_of(house, "A1").rule == "V02"
    assert ended(house, proposal) == ("lapsed", "V02")
    with pytest.raises(Conflict, match="the case changed"):
        desk(house).confirm(proposal.key, "user:luis")
    assert study_of(house, "A1").state != StudyState.BOUND


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_two_people_bound_one_cannot_take_back(house: House) -> None:
    bound_by_two(house)
    proposal = propose(house, Ruling("unbind", "it was the other one", "user:luis"))
    assert study_of(house, "A1").is_bound
    desk(house).confirm(proposal.key, "user:maria")
    assert not study_of(house, "A1").is_bound
    again = propose(house)
    assert again.action == "bind"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_setting_aside_and_opening_again_take_two(house: House) -> None:
    receive(house, MIXED)
    desk(house).confirm(propose(house, Ruling("reject", "a phantom", "user:maria")).key, "user:luis")
    assert study_of(house, "A1").closed_reason == "a phantom"
    reopening = propose(house, Ruling("reopen", "it was not", "user:luis"))
    desk(house).confirm(reopening.key, "user:maria")
    assert study_of(house, "A1").closed_reason == ""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_record_gets_its_earlier_values_back_by_two_where_they_had_bound_its_images(house: House) -> None:
    bound_by_two(house)
    say(house, adt(renamed(PLAIN, "OKONKWO^DANIEL", "19991224"), "A08", at="20260302113000"))
    assert not study_of(house, "A1").is_bound
    proposal = propose(house, Ruling("restore", "typed over the wrong record", "user:maria"))
    assert registered(house).in_question
    desk(house).confirm(proposal.key, "user:luis")
    record = registered(house)
    assert (record.patient_name, record.in_question) == (PLAIN.name, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_case_that_two_decide_is_not_closed_with_many_others_nor_opened_again_with_them(house: House) -> None:
    receive(house, MIXED, image(PLAIN, "", study="2.25.9"))
    resolver(house).resolve("2.25.9", Ruling("unbind", "doubt", "user:maria"))
    with house.store.read() as tx:
        keys = [studies.by_uid(tx, uid) for uid in (study_uid("A1"), "2.25.9")]
    bulk = BulkDesk(house.store, house.clock)
    key = bulk.close([one.key for one in keys if one is not None], "a phantom", "user:maria")
    bulk_queue(house).work()
    with house.store.read() as tx:
        outcomes = bulk_jobs.tally(tx, bulk_jobs.get(tx, key))
        other = studies.by_uid(tx, "2.25.9")
    assert study_of(house, "A1").closed_reason == ""
    assert other is not None
    assert other.closed_reason == "a phantom"
    assert outcomes["changed"] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_other_cases_and_other_sites_take_one(make_house: MakeHouse, tmp_path: Path) -> None:
    house = careful(make_house, tmp_path, "V01")
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    receive(house, MIXED)
    assert resolver(house).resolve(study_uid("A1"), HERS) is None
    assert study_of(house, "A1").is_bound


def test_a_split_takes_two_and_so_does_its_end(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), strange(1))
    assert study_of(house, "A1").rule == "V02"
    part = [f"{study_uid('A1')}.2"]
    with pytest.raises(Conflict, match="two people"):
        splitter(house).split(study_uid("A1"), part, "two on one list", "user:maria")
    proposal = desk(house).split(study_uid("A1"), part, "two on one list", "user:maria")
    assert isinstance(proposal, CaseProposal)
    with house.store.read() as tx:
        assert splits.of_study(tx, study_of(house, "A1").key) == []
    assert study_of(house, "A1").rule == "V02"
    desk(house).confirm(proposal.key, "user:luis")
    assert study_of(house, "A1").is_bound
    assert ended(house, proposal) == ("confirmed", "user:luis")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_two_people_bound_stays_in_both_names_when_its_record_is_refreshed(house: House) -> None:
    bound_by_two(house)
    say(house, adt(replace(PLAIN, name="HALVORSEN^INGRID^MARIT"), at="20260302110000"))
    with house.store.read() as tx:
        after, *_ = made = decisions.of_study(tx, study_of(house, "A1").key)
    assert len(made) > 2
    assert (after.actor, after.confirmed_by) == ("user:maria", "user:luis")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_joining_again_takes_two_where_the_whole_does(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), strange(1))
    part = [f"{study_uid('A1')}.2"]
    proposal = desk(house).split(study_uid("A1"), part, "two on one list", "user:maria")
    assert isinstance(proposal, CaseProposal)
    desk(house).confirm(proposal.key, "user:luis")
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, study_of(house, "A1").key)
    with pytest.raises(Conflict, match="two people"):
        splitter(house).join(made.key, "one patient", "user:maria")
    joining = desk(house).join(made.key, "one patient", "user:luis")
    assert isinstance(joining, CaseProposal)
    desk(house).confirm(joining.key, "user:maria")
    with house.store.read() as tx:
        assert splits.get(tx, made.key).joined_at is not None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("action", ["undo", "apply"])
def test_a_rejection_is_taken_back_or_applied_by_two(house: House, action: str) -> None:
    receive(house, MIXED)
    receive(house, note("113001", MIXED), calling="CT1" if action == "undo" else "")
    (rejection,) = standing(house)
    with pytest.raises(Conflict, match="two people"):
        rejection_desk(house).decide(rejection.key, action, "looked at them", "user:maria")
    proposal = desk(house).decide_rejection(rejection.key, action, "looked at them", "user:maria")
    assert isinstance(proposal, CaseProposal)
    assert standing(house) == [rejection]
    desk(house).confirm(proposal.key, "user:luis")
    assert standing(house)[0].state == ("undone" if action == "undo" else "applied")


def test_of_two_confirmations_at_once_one_counts(house: House, make_house: MakeHouse, tmp_path: Path) -> None:
    receive(house, MIXED)
    manage_users.trusted_sign_in_link(house.store, house.clock, "ann", Role.INTAKE)
    proposal = propose(house)
    answers = at_once(
        lambda: desk(house).confirm(proposal.key, "user:luis"),
        lambda: desk(make_house(house.clock, bridge=house.settings.bridge.model_dump())).confirm(
            proposal.key, "user:ann"
        ),
    )
    assert sorted(answers) == ["", "proposal_confirmed"]
    with house.store.read() as tx:
        made = decisions.of_study(tx, study_of(house, "A1").key)
    assert [one.actor for one in made] == ["user:maria", "V06"]
    assert ended(house, proposal) == ("confirmed", made[0].confirmed_by)


def test_a_confirmation_and_a_change_of_the_case_never_both_count(house: House) -> None:
    receive(house, MIXED)
    proposal = propose(house)
    answers = at_once(lambda: desk(house).confirm(proposal.key, "user:luis"), lambda: receive(house, strange(1)))
    end = ended(house, proposal)[0]
    assert (end, answers[0]) in {("confirmed", ""), ("lapsed", "proposal_lapsed")}
    assert study_of(house, "A1").rule == "V02"
    with house.store.read() as tx:
        named = [one.confirmed_by for one in decisions.of_study(tx, study_of(house, "A1").key)]
    assert named.count("user:luis") == (end == "confirmed")


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Make these calls at the same time; return what each was refused with, "" for nothing."""
    start, said = threading.Barrier(len(calls)), [""] * len(calls)

    def make(at: int) -> None:
        start.wait()
        try:
            calls[at]()
        except BridgeError as fault:
            said[at] = fault.code

    threads = [threading.Thread(target=make, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said
