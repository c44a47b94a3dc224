"""Whatever happens to patients, orders and images, in any order: no image is under a patient whom no rule or person named.

Run for long by `make campaign`: 50,000 stories (BRIDGE_STORIES=n for another number).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bridge.codecs.fhir.imaging_study import House as ChartHouse
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.reconcile_rules import BIND_RULES
from bridge.domain.study import Study, is_person
from bridge.publishers.imaging_study import ImagingStudyPublisher, StudyParcel
from bridge.store import decisions, deliveries, orders, patients, splits, studies
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision
from bridge.store.deliveries import Delivery, DeliveryState
from tests.property.identity_desk import PREFIXING
from tests.property.identity_world import ACCESSIONS, PEOPLE, STUDIES, Deed, Seen, World
from tests.property.stories import LIMIT_SECS, tell_stories, world_of

TOLD_AGAIN_OF = 4

WHO = st.sampled_from(sorted(PEOPLE))
SOMEBODY_OR_NONE = st.sampled_from(["", *sorted(PEOPLE)])
ACCESSION = st.sampled_from(ACCESSIONS)
STUDY = st.sampled_from(sorted(STUDIES))
NUMBER = st.integers(0, 3)
TITLE = st.sampled_from(["113001", "113037", "113038", "113039"])
DEVICE = st.sampled_from(["CT1", "CT1", PREFIXING])
PUBLISHER = ImagingStudyPublisher({}, ChartHouse(UTC, {}.get), timedelta(seconds=20))  # type: ignore[arg-type]


class Identity(RuleBasedStateMachine):
    """A story. world: shared by all stories of a run."""

    world: World

    @initialize(known=st.sets(WHO, min_size=1), ordered=st.lists(st.tuples(ACCESSION, WHO), max_size=3))
    def begin(self, known: set[str], ordered: list[tuple[str, str]]) -> None:
        self.world.begin()
        for who in sorted(known):
            self.world.do("registered", who)
        for accession, who in ordered:
            self.world.do("ordered", accession, who, "NW")

    @rule(who=WHO)
    def somebody_is_registered(self, who: str) -> None:
        self.world.do("registered", who)

    @rule(who=WHO, shown=WHO)
    def a_record_is_changed(self, who: str, shown: str) -> None:
        self.world.do("renamed", who, shown)

    @rule(accession=ACCESSION, who=WHO, control=st.sampled_from(["NW", "NW", "XO", "CA"]))
    def an_order_comes(self, accession: str, who: str, control: str) -> None:
        self.world.do("ordered", accession, who, control)

    @rule(study=STUDY, who=WHO, named=WHO, accession=st.sampled_from(["", *ACCESSIONS]), device=DEVICE)
    def an_image_comes(self, study: str, who: str, named: str, accession: str, device: str) -> None:
        self.world.do("imaged", study, who, named, accession, device)

    @rule(accession=ACCESSION, who=SOMEBODY_OR_NONE, named=WHO, device=DEVICE)
    def an_image_comes_of_the_worklist(self, accession: str, who: str, named: str, device: str) -> None:
        self.world.do("imaged", f"of {accession}", who, who or named, accession, device)

    @rule(survivor=WHO, retired=WHO)
    def two_records_are_merged(self, survivor: str, retired: str) -> None:
        self.world.do("merged", survivor, retired)

    @rule(number=NUMBER)
    def a_merge_is_undone(self, number: int) -> None:
        self.world.do("unmerged", number)

    @rule(survivor=WHO, retired=WHO)
    def a_merge_is_undone_at_once(self, survivor: str, retired: str) -> None:
        self._undone_at_once("merges", ("merged", survivor, retired), ("unmerged",))

    @rule(study=STUDY)
    def a_scanner_reports_a_wrong_entry(self, study: str) -> None:
        before = self.world.seen().get(STUDIES[study])
        self.world.do("discontinued", study)
        after = self.world.seen().get(STUDIES[study])
        assert before is None or before.state != "bound" or (after is not None and after.state == "waiting")

    @rule(study=STUDY, title=TITLE, all_of_it=st.booleans())
    def images_are_rejected(self, study: str, title: str, all_of_it: bool) -> None:
        self.world.do("noted", study, title, all_of_it)

    @rule(number=NUMBER, action=st.sampled_from(["undo", "apply"]))
    def a_person_decides_about_a_rejection(self, number: int, action: str) -> None:
        self.world.do("rejection_decided", number, action)

    @rule(study=STUDY, title=TITLE, all_of_it=st.booleans())
    def a_rejection_is_undone_at_once(self, study: str, title: str, all_of_it: bool) -> None:
        self._undone_at_once("rejections", ("noted", study, title, all_of_it), ("rejection_decided",), "undo")

    @rule(study=STUDY)
    def a_study_is_split(self, study: str) -> None:
        self.world.do("parted", study)

    @rule(accession=ACCESSION, who=WHO, device=DEVICE)
    def images_of_one_header_are_split(self, accession: str, who: str, device: str) -> None:
        for _ in range(2):
            self.world.do("imaged", f"of {accession}", who, who, accession, device)
        self.world.do("parted", f"of {accession}")

    @rule(number=NUMBER)
    def what_was_split_off_is_joined(self, number: int) -> None:
        self.world.do("joined", number)

    # What is joined is read as its device is read by now: it may say another name than the person knew who bound it.
    @precondition(lambda self: not self.world.is_repaired)
    @rule(study=STUDY)
    def what_was_split_off_is_joined_at_once(self, study: str) -> None:
        self._undone_at_once("splits", ("parted", study), ("joined",))

    @precondition(lambda self: self.world.has_prefixes)
    @rule()
    def a_device_is_read_otherwise(self) -> None:
        self.world.do("repaired")

    @precondition(lambda self: self.world.has_prefixes)
    @rule(number=NUMBER)
    def a_device_is_read_as_before(self, number: int) -> None:
        self.world.do("repair_undone", number)

    @precondition(lambda self: self.world.has_prefixes)
    @rule()
    def a_device_is_read_as_before_at_once(self) -> None:
        self._undone_at_once("bulks", ("repaired",), ("repair_undone",))

    @rule(study=STUDY, who=WHO)
    def a_person_gives_a_study_to_somebody(self, study: str, who: str) -> None:
        self.world.do("given", study, who)

    @rule(study=STUDY, accession=ACCESSION)
    def a_person_gives_a_study_to_an_order(self, study: str, accession: str) -> None:
        self.world.do("given_order", study, accession)

    @rule(study=STUDY, action=st.sampled_from(["unbind", "reject", "reopen", "restore"]))
    def a_person_decides_otherwise(self, study: str, action: str) -> None:
        self.world.do("ruled", study, action)

    @rule(study=STUDY)
    def a_case_is_closed_and_opened_again_at_once(self, study: str) -> None:
        before = self.world.seen()
        if (was := before.get(STUDIES[study])) is not None and was.state != "closed":
            assert self.world.do("ruled", study, "reject")
            assert self.world.do("ruled", study, "reopen")
            _stands_as_before(before, self.world.seen())

    def _undone_at_once(self, what: str, deed: Deed, undo: Deed, *also: Any) -> None:
        """Let something happen and take every row of *what* back that came of it, the last first."""
        before, count = self.world.seen(), self.world.desk.count(what)
        self.world.do(*deed)
        came = range(count, self.world.desk.count(what))
        for number in reversed(came):
            assert self.world.do(*undo, number, *also), "what just happened cannot be undone"
        if came:
            _stands_as_before(before, self.world.seen())

    @invariant()
    def no_image_is_shown_under_a_patient_without_a_word_behind_it(self) -> None:
        at = self.world.clock.at + timedelta(days=1)
        with self.world.house.store.read() as tx:
            for study in self.world.stirred.studies(tx):
                if study.is_bound:
                    _has_a_word(tx, study)
                    _is_named_by_a_key(tx, study, self.world.reissued)
                    _is_nobodys_whose_other_part_is(tx, study)
                else:
                    assert (study.patient_key, study.order_key) == (None, None)
                for one in deliveries.of_study(tx, study.key):
                    _says_whose_it_is(tx, study, one, at)

    def teardown(self) -> None:
        deeds = list(self.world.deeds)
        if len(deeds) % TOLD_AGAIN_OF == 0:
            told = self.world.told()
            self.world.begin()
            for deed in deeds:
                self.world.do(*deed)
            assert self.world.told() == told, "the same events decide otherwise when they are told again"


def _says_whose_it_is(tx: ReadTx, study: Study, one: Delivery, at: datetime) -> None:
    """Nothing leaves but a bound study, under the patient it is bound to."""
    assert study.is_bound or one.state != DeliveryState.PENDING, f"{one.topic} of an unbound study waits"
    parcel = PUBLISHER.prepare(tx, one, at)
    if isinstance(parcel, StudyParcel):
        assert study.is_bound, "an unbound study is sent"
        assert parcel.patient is None or parcel.patient.key == study.patient_key
    else:
        shows_images = bool(studies.contents(tx, study.key).instance_count)
        assert not (study.is_bound and shows_images), "a bound study is not sent"


def _stands_as_before(before: dict[str, Seen], after: dict[str, Seen]) -> None:
    """
    After an undo everything is as it was, but for what a rule had to find anyway when it looked again.

    That is an order of the patient's own which is free by now.
    """
    for uid, was in before.items():
        now = after[uid]
        if not was.accession_number:
            now = replace(now, accession_number="")
        assert now == was, "an undo does not show what was visible before"
    assert all(after[uid].state == "closed" for uid in after.keys() - before.keys()), "an undo leaves a study behind"


def _has_a_word(tx: ReadTx, study: Study) -> None:
    """A rule or a person has named the patient that a study is under, or whoever was merged into that record since."""
    assert study.patient_key is not None
    assert patients.get(tx, study.patient_key).merged_into is None, "bound to a record that was merged away"
    made = decisions.of_study(tx, study.key)
    assert (made[0].patient_key, made[0].order_key) == (study.patient_key, study.order_key)
    words = [one for one in made if one.patient_key is not None and (one.rule in BIND_RULES or is_person(one.actor))]
    assert any(patients.survivor(tx, one.patient_key or 0).key == study.patient_key for one in words)
    if study.order_key is not None:
        assert patients.survivor(tx, orders.get(tx, study.order_key).patient_key).key == study.patient_key


def _is_named_by_a_key(tx: ReadTx, study: Study, reissued: set[str]) -> None:
    """What a rule bound, a number or an order in its header names; and they do not name two people."""
    if study.is_decided_by_person:
        return
    said = study.received
    holder = patients.find(tx, PatientIdentifier(said.patient_id, "RIVERSIDE")) if said.patient_id else None
    by_number = {patients.survivor(tx, holder.key).key} if holder is not None else set()
    bound, made = _binding(tx, study), decisions.of_study(tx, study.key)
    # An undo gives back a binding that was held meanwhile: it stands since it was made first.
    stands_since = min(one.decided_at for one in made if (one.patient_key, one.rule) == (bound.patient_key, bound.rule))
    registered_at = patients.registered_at(tx, min(by_number)) if by_number else None
    is_stranger = registered_at is not None and registered_at > stands_since
    named = orders.by_study_uid(tx, study.study_instance_uid)
    named += orders.by_accession(tx, said.accession_number) if said.accession_number else []
    by_order = {patients.survivor(tx, one.patient_key).key for one in named}
    if said.patient_id in reissued:
        return
    assert study.patient_key in by_number | by_order, "no key names the patient that a rule chose"
    # Somebody who was registered after the binding is a stranger to it: an order of theirs would be news, a number is not.
    if by_number and len(by_order) == 1 and not is_stranger:
        assert by_number == by_order, "the keys name two people, and a rule chose one"


def _is_nobodys_whose_other_part_is(tx: ReadTx, study: Study) -> None:
    """What a person parted, no rule gives to one patient: not when the other part is theirs already."""
    if study.is_decided_by_person:
        return
    bound = _binding(tx, study)
    for split in splits.of_study(tx, study.key):
        if split.joined_at is None:
            other = split.study_key if split.new_study_key == study.key else split.new_study_key
            before = (one for one in decisions.of_study(tx, other) if one.key < bound.key)
            was = next(before, None)
            assert was is None or was.patient_key != bound.patient_key, (
                "a rule gives both parts of a split to one patient"
            )


def _binding(tx: ReadTx, study: Study) -> Decision:
    """Return the decision that a bound study has been bound since, be it to another record by a merge."""
    *_, first = takewhile(lambda one: one.patient_key is not None, decisions.of_study(tx, study.key))
    return first


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with world_of(World) as found:
        yield found


@pytest.mark.timeout(LIMIT_SECS)
def test_no_story_shows_an_image_under_somebody_whom_nobody_named(world: World) -> None:
    tell_stories(Identity, world, campaign=50_000, deeds=24)
