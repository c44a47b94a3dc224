"""An object counts as kept by an archive only by that archive's own report on what it was sent last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.domain.commitment import SENDS_MOST, Failure, Reference, Report, Request
from bridge.store import commitment_requests, commitments, publications, studies
from bridge.store.commitments import Kept
from bridge.store.db import Store
from tests.fakes.clinic import CT_STORAGE, Clinic

UID = "2.25.4101"
TRANSACTION = "2.25.9001"


class Scene:
    def __init__(self, store: Store) -> None:
        self.clinic = Clinic(store)
        study = self.clinic.study(UID, series=1, instances=3)
        self.patient = self.clinic.patient("00041001")
        self.study = self.clinic.bind(study, self.patient)
        self.forward()

    def forward(self) -> None:
        """Let PACS take what it is owed."""
        with self.clinic.store.write() as tx:
            study = studies.get(tx, self.study.key)
            owed = publications.owed_instances(tx, study.key, "PACS", study.binding_version)
            taken = [(key, "0000", self.clinic.clock.now()) for key in owed]
            publications.put_forwards(tx, study.key, "PACS", study.binding_version, taken)

    def owed(self) -> int:
        with self.clinic.store.read() as tx:
            study = studies.get(tx, self.study.key)
            return len(publications.owed_instances(tx, study.key, "PACS", study.binding_version))

    def ask(self, transaction: str = TRANSACTION) -> None:
        with self.clinic.store.write() as tx:
            keys = [one.forward_key for one in commitments.open_of(tx, self.study.key, "PACS")]
            commitments.put_transaction(tx, keys, transaction)
            commitments.put_asked(tx, transaction, self.clinic.clock.now())

    def report(
        self, *failed: int, transaction: str = TRANSACTION, by: str = "PACS"
    ) -> list[commitments.Settled] | None:
        """Report on all three; failed: the numbers of those that are not kept."""
        kept = tuple(_reference(number) for number in (1, 2, 3) if number not in failed)
        lost = tuple(Failure(_reference(number), 0x0112) for number in failed)
        with self.clinic.store.write() as tx:
            return commitments.take_report(tx, by, Report(transaction, kept, lost), self.clinic.clock.now())

    @property
    def kept(self) -> Kept:
        with self.clinic.store.read() as tx:
            return commitments.of_study(tx, self.study.key)[0]

    @property
    def committed(self) -> int:
        """How many of the three PACS keeps as the study is bound now."""
        with self.clinic.store.read() as tx:
            return sum(one.committed for one in commitments.of_study(tx, self.study.key))


def _reference(number: int) -> Reference:
    return Reference(CT_STORAGE, f"{UID}.1.{number}")


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def test_what_was_only_sent_or_asked_for_is_not_kept(scene: Scene) -> None:
    assert scene.committed == 0
    scene.ask()
    assert (scene.kept.forwarded, scene.kept.asked, scene.kept.committed) == (3, 3, 0)


def test_a_report_commits_what_it_names(scene: Scene) -> None:
    scene.ask()
    assert [(one.committed, one.failed) for one in scene.report() or []] == [(3, 0)]
    assert (scene.kept.asked, scene.kept.committed) == (0, 3)
    assert scene.report() == []


def test_a_report_of_another_peer_or_transaction_commits_nothing(scene: Scene) -> None:
    scene.ask()
    assert scene.report(by="OTHER") is None
    assert scene.report(transaction="2.25.1") is None
    assert scene.kept.committed == 0


def test_an_object_that_is_both_committed_and_failed_has_failed(scene: Scene) -> None:
    scene.ask()
    both = Report(TRANSACTION, (_reference(1),), (Failure(_reference(1), 0x0110),))
    with scene.clinic.store.write() as tx:
        commitments.take_report(tx, "PACS", both, scene.clinic.clock.now())
    assert (scene.kept.failed, scene.kept.committed) == (1, 0)


def test_what_failed_is_owed_again_until_it_was_sent_too_often(scene: Scene) -> None:
    for attempt in range(1, SENDS_MOST + 1):
        scene.ask(f"{TRANSACTION}.{attempt}")
        (settled,) = scene.report(2, transaction=f"{TRANSACTION}.{attempt}") or []
        assert settled.reasons == (0x0112,)
        assert settled.exhausted == (attempt == SENDS_MOST)
        assert scene.owed() == (0 if settled.exhausted else 1)
        scene.forward()
    with scene.clinic.store.write() as tx:
        (lost,) = commitments.open_of(tx, scene.study.key, "PACS")
        commitments.send_again(tx, [lost.forward_key])
    assert scene.owed() == 1


def test_a_new_binding_opens_what_was_committed(scene: Scene) -> None:
    scene.ask()
    scene.report()
    other = scene.clinic.patient("00041002")
    scene.clinic.bind(scene.study, other, corrections={"PatientID": other.identifiers[0].patient_id})
    assert scene.committed == 0
    assert scene.owed() == 3
    scene.forward()
    assert scene.committed == 0


def test_a_study_that_is_bound_again_as_it_was_stays_committed(scene: Scene) -> None:
    scene.ask()
    scene.clinic.bind(scene.clinic.question(scene.study), scene.patient)
    assert scene.kept.asked == 3
    scene.report()
    assert scene.committed == 3


def test_a_request_is_found_until_it_was_looked_at_and_stays_until_it_was_reported(store: Store) -> None:
    clinic = Clinic(store)
    wanted = Request(TRANSACTION, (_reference(1), _reference(2)))
    with store.write() as tx:
        key = commitment_requests.add(tx, "CT1", wanted, clinic.clock.now())
        assert commitment_requests.count_unverified(tx, "CT1") == 1
        request = commitment_requests.next_unverified(tx)
        assert request is not None
        assert (request.references, request.report) == (wanted.references, None)
        lost = (Failure(_reference(2), 0x0112),)
        assert commitment_requests.put_verified(tx, request, lost, clinic.clock.now())
        assert commitment_requests.next_unverified(tx) is None
        found = commitment_requests.get(tx, key)
        assert found is not None
        assert found.report == Report(TRANSACTION, (_reference(1),), lost)
        commitment_requests.note_reported(tx, key, clinic.clock.now())


def test_a_request_that_comes_again_is_looked_at_again(store: Store) -> None:
    clinic = Clinic(store)
    wanted = Request(TRANSACTION, (_reference(1),))
    with store.write() as tx:
        key = commitment_requests.add(tx, "CT1", wanted, clinic.clock.now())
        first = commitment_requests.next_unverified(tx)
        assert first is not None
        clinic.clock.at += timedelta(seconds=5)
        assert commitment_requests.add(tx, "CT1", wanted, clinic.clock.now()) == key
        assert not commitment_requests.put_verified(tx, first, (), clinic.clock.now())
        again = commitment_requests.next_unverified(tx)
        assert again is not None
        assert not commitment_requests.is_in_use(tx, again)
        other = commitment_requests.add(tx, "CT1", Request(TRANSACTION, (_reference(2),)), clinic.clock.now())
        second = commitment_requests.get(tx, other)
        assert second is not None
        assert commitment_requests.is_in_use(tx, second)


def test_requests_of_a_month_ago_are_forgotten(store: Store) -> None:
    clinic = Clinic(store)
    with store.write() as tx:
        commitment_requests.add(tx, "CT1", Request(TRANSACTION, (_reference(1),)), clinic.clock.now())
        clinic.clock.at += timedelta(days=31)
        commitment_requests.add(tx, "CT1", Request("2.25.9002", (_reference(1),)), clinic.clock.now())
        left = commitment_requests.next_unverified(tx)
        assert left is not None
        assert left.transaction_uid == "2.25.9002"
