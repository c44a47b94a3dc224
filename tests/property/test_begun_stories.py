"""Whatever happens to an exam that has begun: one resource of it stands, in the chart of whose it is, and what is read agrees.

Run for long by `make campaign`: 2,000 stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.domain.chart_status import is_going
from bridge.domain.identifiers import PatientIdentifier
from bridge.store import orders, patients, performed, studies
from bridge.store.chart_withdrawals import Coming, withdrawal_of
from bridge.store.db import ReadTx
from tests.property.begun_world import STATUSES, BegunWorld, Json
from tests.property.identity_world import ACCESSIONS, STUDIES
from tests.property.stories import LIMIT_SECS, tell_stories, world_of

ENDED = ("cancelled", "entered-in-error")

WHO = st.sampled_from(["plain", "twin", "stranger"])
ACCESSION = st.sampled_from(ACCESSIONS[:2])
STUDY = st.sampled_from(["of A1", "of A2"])
NUMBER = st.integers(0, 3)


class Begun(RuleBasedStateMachine):
    """A story. world: shared by all stories of a run."""

    world: BegunWorld

    @initialize(whose=st.tuples(WHO, WHO))
    def begin(self, whose: tuple[str, str]) -> None:
        self.world.begin()
        for who in ("plain", "twin", "stranger"):
            self.world.do("registered", who)
        for accession, who in zip(("A1", "A2"), whose, strict=True):
            self.world.do("ordered", accession, who, "NW")
        self.world.do("began", ("A1",), whose[0], "of A1")

    @rule(accession=ACCESSION, named=st.sampled_from(["", "plain", "twin", "stranger"]))
    def a_device_begins(self, accession: str, named: str) -> None:
        self.world.do("began", (accession,), named, f"of {accession}")

    @rule(study=STUDY, named=st.sampled_from(["", "plain"]))
    def a_device_begins_for_two_orders(self, study: str, named: str) -> None:
        self.world.do("began", ("A1", "A2"), named, study)

    @rule(
        number=NUMBER,
        status=st.sampled_from(["COMPLETED", "DISCONTINUED"]),
        reason=st.sampled_from(["", "110514", "110501"]),
    )
    def a_device_ends(self, number: int, status: str, reason: str) -> None:
        self.world.do("ended", number, status, reason if status == "DISCONTINUED" else "")

    @rule(accession=ACCESSION, who=WHO, control=st.sampled_from(["NW", "XO", "CA", "DC"]))
    def an_order_comes(self, accession: str, who: str, control: str) -> None:
        self.world.do("ordered", accession, who, control)

    @rule(who=WHO, shown=WHO)
    def a_record_is_changed(self, who: str, shown: str) -> None:
        self.world.do("renamed", who, shown)

    @rule(to=WHO, whose=WHO, trigger=st.sampled_from(["A40", "A40", "A43", "A47"]))
    def registration_moves_something(self, trigger: str, to: str, whose: str) -> None:
        self.world.do("moved", trigger, to, whose)

    @rule(accession=ACCESSION, to=WHO, whose=WHO)
    def a_visit_moves(self, accession: str, to: str, whose: str) -> None:
        self.world.do("visit_moved", accession, to, whose)

    @rule(accession=ACCESSION, who=WHO)
    def an_image_comes_of_the_worklist(self, accession: str, who: str) -> None:
        self.world.do("imaged", f"of {accession}", who, who, accession)

    @rule(to=WHO, whose=WHO, works=st.booleans())
    def two_are_merged_and_that_is_undone(self, to: str, whose: str, works: bool) -> None:
        count = self.world.desk.count("merges")
        if self.world.do("moved", "A40", to, whose):
            if works:
                self.world.do("worked")
            self.world.do("unmerged", count)

    @rule(number=NUMBER)
    def a_merge_is_undone(self, number: int) -> None:
        self.world.do("unmerged", number)

    @rule(accession=ACCESSION, who=WHO, named=WHO)
    def an_image_comes(self, accession: str, who: str, named: str) -> None:
        self.world.do("imaged", f"of {accession}", who, named, accession)

    @rule(study=STUDY, who=WHO)
    def a_person_gives_a_study_to_somebody(self, study: str, who: str) -> None:
        self.world.do("given", study, who)

    @rule(study=STUDY, accession=ACCESSION)
    def a_person_gives_a_study_to_an_order(self, study: str, accession: str) -> None:
        self.world.do("given_order", study, accession)

    @rule(study=STUDY, action=st.sampled_from(["unbind", "reject", "reopen"]))
    def a_person_decides_otherwise(self, study: str, action: str) -> None:
        self.world.do("ruled", study, action)

    @rule(study=STUDY, deed=st.sampled_from(["withdrawn", "let_back"]))
    def a_person_takes_it_out_of_the_charts_or_lets_it_back(self, study: str, deed: str) -> None:
        self.world.do(deed, study)

    @rule()
    def the_worker_comes(self) -> None:
        self.world.do("worked")
        for status in STATUSES:
            assert all(one["status"] == status for one in self.world.found(f"status={status}"))
        found = {one["id"]: one for one in self.world.found()}
        for one in found.values():
            history = self.world.get(f"/fhir/r4/ImagingStudy/{one['id']}/_history")
            newest = history["entry"][0]["resource"]
            assert (newest["status"], newest["meta"]["versionId"]) == (one["status"], one["meta"]["versionId"])
        with self.world.house.store.read() as tx:
            for uid in STUDIES.values():
                registered = [one for one in _of(uid, found.values()) if one["status"] == "registered"]
                if studies.by_uid(tx, uid) is None:
                    owner = _whose(tx, uid)
                    assert len(registered) == (owner is not None), "what is read is not what has begun"
                    assert all(one["subject"]["reference"] == f"Patient/{owner}" for one in registered)

    @invariant()
    def one_resource_stands_in_the_chart_of_whose_it_is(self) -> None:
        found = self.world.found()
        for one in found:
            assert self.world.get(f"/fhir/r4/ImagingStudy/{one['id']}") == one
        with self.world.house.store.read() as tx:
            for uid in STUDIES.values():
                standing = [one for one in _of(uid, found) if one["status"] not in ENDED]
                assert len(standing) < 2, "a study stands twice"
                for one in standing:
                    subject = int(one["subject"]["reference"].partition("/")[2])
                    live = patients.survivor(tx, subject).key
                    study = studies.by_uid(tx, uid)
                    if study is not None:
                        assert (study.is_bound, study.patient_key) == (True, live)
                    for order in one.get("basedOn", ()):
                        key = int(order["reference"].rpartition("-")[2])
                        assert patients.survivor(tx, orders.get(tx, key).patient_key).key == live
                ended = [one for one in _of(uid, found) if one["status"] == "entered-in-error"]
                assert not any("basedOn" in one for one in ended)


def _whose(tx: ReadTx, uid: str) -> int | None:
    """Return whose study certainly has begun: all that is said of what goes on names one person, whose record is sound."""
    going = [one for one in performed.of_study(tx, uid) if is_going(one)]
    ordered = [
        orders.get(tx, step.order_key).patient_key for one in going for step in orders.get_steps(tx, one.step_keys)
    ]
    holders = [patients.find(tx, PatientIdentifier(one.patient_id, "RIVERSIDE")) for one in going if one.patient_id]
    named = {patients.survivor(tx, one.key).key if one is not None else None for one in holders}
    owners = {patients.survivor(tx, key).key for key in ordered}
    if len(owners) != 1 or named - owners or withdrawal_of(tx, Coming(uid)) is not None:
        return None
    (owner,) = owners
    return None if any(one.in_question for one in patients.records_of(tx, owner)) else owner


def _of(uid: str, found: Iterable[Json]) -> list[Json]:
    return [one for one in found if one["identifier"][0]["value"] == f"urn:oid:{uid}"]


@pytest.fixture(scope="module")
def world() -> Iterator[BegunWorld]:
    with world_of(BegunWorld) as found:
        yield found


@pytest.mark.timeout(LIMIT_SECS)
def test_no_story_shows_what_has_begun_in_a_wrong_chart(world: BegunWorld) -> None:
    tell_stories(Begun, world, campaign=2000, deeds=16)
