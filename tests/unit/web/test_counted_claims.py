"""What the proof counts follows what payers say and what is done with images: each claim and each exam once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.authorization_warnings import ExamWarning, WarningKind
from bridge.domain.proof import Measure, Proof, Share, Spread, Tally
from bridge.domain.study import Study
from bridge.flows.count_claims import ExamCounter
from bridge.flows.prove import NO_DEVICE, Prover
from bridge.store import authorization_links, authorization_warnings, authorizations, orders, patients, studies
from bridge.store.listings.proof import Window
from tests.contract.test_registry_plans import plans
from tests.fakes.console import Console
from tests.unit.codecs.x12.claims import PAYMENT, file_of
from tests.unit.web.test_claims import waiting

YEAR = Window("20260101", "20261231")
SPLIT = Window("20260101", "20261231", "20260312")
BACK = """
BPR*I*0*C*NON************20260501
TRN*1*EFT0018*1999999999
N1*PR*EASTPLAN HEALTH
REF*2U*EAST01
N1*PE*CLEARVIEW IMAGING*XX*1234567893
LX*1
CLP*ACC17*22*-650*-520*-65*12*EP-CLM-1*11*1
CAS*PR*2*-65
CAS*CO*45*-65
NM1*QC*1*HALVORSEN*INGRID****MI*EP0041001
DTM*232*20260310
"""


def take(console: Console, *texts: str) -> None:
    for text in texts:
        console.services.flows.billing.claims.import_file(file_of("835", "005010X221A1", text), "user:bill")


def proof(console: Console, window: Window = YEAR) -> Proof:
    return console.services.flows.billing.prover.prove(window)


def count(console: Console) -> int:
    return ExamCounter(console.store, console.clock, UTC).count_all()


@dataclass(frozen=True)
class Exam:
    """The exam ACC18 under authorization 1, of which CT1 sent images at 15:00."""

    console: Console
    order_key: int
    study: Study

    def warned(self, hours: float) -> None:
        """Let it be warned of so many hours after the first image."""
        warning = ExamWarning(WarningKind.CODE_NOT_COVERED, "Another code.", self.order_key)
        with self.console.store.write() as tx:
            authorization_warnings.replace_all(tx, 1, [warning], self._at(hours))

    def attached(self, hours: float, kind: AttachmentKind = AttachmentKind.CLAIM) -> None:
        """Let an attachment leave so many hours after the last image."""
        new = ClaimAttachment(0, 1, self.study.key, kind, AttachmentState.RELEASED, 1)
        with self.console.store.write() as tx:
            key = authorizations.put_attachment(tx, new, "", self._at(0)).key
            authorizations.set_attachment_state(tx, key, AttachmentState.SENT, self._at(hours))

    def _at(self, hours: float) -> datetime:
        return self.study.last_instance_at + timedelta(hours=hours)


@pytest.fixture
def exam(console: Console) -> Exam:
    console.order("ACC18")
    study = console.clinic.study("1.2.3")
    with console.store.read() as tx:
        (order,) = orders.by_accession(tx, "ACC18")
        patient = patients.get(tx, order.patient_key)
    bound = console.clinic.bind(study, patient, order)
    with console.store.read() as tx:
        return Exam(console, order.key, studies.get(tx, bound.key))


def test_each_claim_of_a_payment_counts_once_however_often_it_comes(console: Console) -> None:
    take(console, PAYMENT, PAYMENT)
    tally = proof(console).overall.since.tally
    assert (tally.decided, tally.documents, tally.otherwise, tally.clean, tally.void) == (3, 1, 1, 1, 0)
    # ACC19 names no day of service; ACC21 is taken back, and of what nobody knows.
    assert proof(console).undated == 1


def test_what_is_taken_back_is_no_claim_any_more(console: Console) -> None:
    take(console, PAYMENT, BACK)
    tally = proof(console).overall.since.tally
    assert (tally.decided, tally.clean, tally.void) == (2, 0, 1)
    assert proof(console).overall.since.spread(Measure.PAYMENT) == Spread(1, 20, 20)


def test_a_day_parts_what_was_before_it_from_what_is_since(console: Console) -> None:
    take(console, PAYMENT)
    overall = proof(console, SPLIT).overall
    assert overall.before.share(Measure.DOCUMENTS) == Share(1, 2)
    assert overall.since.share(Measure.DOCUMENTS) == Share(0, 1)
    assert overall.whole.share(Measure.CLEAN) == Share(1, 3)
    assert overall.before.spread(Measure.PAYMENT) == Spread(1, 22, 22)
    (month,) = proof(console, SPLIT).months
    assert (month.name, month.before.tally.decided, month.since.tally.decided) == ("202603", 2, 1)
    assert proof(console, Window("20260101", "20260309")).months == ()


def test_denials_are_told_by_why_and_by_code(console: Console) -> None:
    take(console, PAYMENT)
    found = proof(console, SPLIT)
    assert [(one.category, one.before, one.since) for one in found.categories] == [
        ("bundled", 0, 1),
        ("documentation", 1, 0),
    ]
    assert {(one.code, one.category) for one in found.reasons} == {
        ("CO-16", "documentation"),
        ("N706", "documentation"),
        ("M31", "documentation"),
        ("CO-97", "bundled"),
    }


def test_a_claim_is_of_the_device_whose_images_its_exam_has(exam: Exam) -> None:
    console = exam.console
    take(console, PAYMENT)
    assert {one.name: one.since.tally.decided for one in proof(console).devices} == {"CT1": 1, NO_DEVICE: 2}
    console.clinic.question(exam.study)
    assert count(console) == 1
    assert {one.name for one in proof(console).devices} == {NO_DEVICE}
    assert count(console) == 0


def test_a_claim_moves_with_the_person_who_says_whose_it_is(exam: Exam) -> None:
    console = exam.console
    take(console, PAYMENT)
    key = next(one.key for one in waiting(console) if one.claim_number == "ACC17")
    claims = console.services.flows.billing.claims
    claims.assign(key, "ACC18", "user:bill")
    assert {one.name: one.since.tally.decided for one in proof(console).devices} == {"CT1": 2, NO_DEVICE: 1}
    claims.take_back(key, "not so", "user:bill")
    assert {one.name: one.since.tally.decided for one in proof(console).devices} == {"CT1": 1, NO_DEVICE: 2}


@pytest.mark.parametrize(("hours", "in_time"), [(-2.0, 1), (0.0, 0), (3.0, 0)])
def test_a_warning_is_in_time_before_the_first_image(exam: Exam, hours: float, in_time: int) -> None:
    exam.warned(hours)
    assert count(exam.console) == 1
    overall = proof(exam.console).overall.since
    assert (overall.tally.exams, overall.share(Measure.WARNED)) == (1, Share(in_time, 1))


def test_the_first_attachment_that_left_ends_the_time_from_the_last_image(exam: Exam) -> None:
    count(exam.console)
    assert proof(exam.console).overall.since.spread(Measure.EVIDENCE) == Spread(0, None, None)
    exam.attached(5, AttachmentKind.PDF)
    exam.attached(2.5)
    exam.attached(9)
    assert count(exam.console) == 1
    assert proof(exam.console).overall.since.spread(Measure.EVIDENCE) == Spread(1, 2.5, 2.5)
    (payer,) = proof(exam.console).payers
    assert payer.name == "Acme Health Plan"


def test_a_look_at_exams_of_which_nothing_changed_keeps_nobody_from_writing(exam: Exam) -> None:
    count(exam.console)
    begun: list[str] = []

    def noted(*said: Any) -> None:
        begun.append(said[2])

    event.listen(Engine, "before_cursor_execute", noted)
    try:
        with exam.console.store.write():
            assert count(exam.console) == 0
    finally:
        event.remove(Engine, "before_cursor_execute", noted)
    assert not [one for one in begun if one.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_recent_exams_alone_are_looked_at_in_between(exam: Exam) -> None:
    counter = ExamCounter(exam.console.store, exam.console.clock, UTC)
    assert counter.count_recent() == 1
    exam.warned(-1)
    exam.console.clock.at += timedelta(days=31)
    assert counter.count_recent() == 0
    assert counter.count_all() == 1


def test_an_order_without_authorization_is_no_exam_of_the_proof(exam: Exam) -> None:
    console = exam.console
    with console.store.write() as tx:
        (link,) = authorization_links.of_authorization(tx, 1)
        authorization_links.end(tx, link.key, "user:bill", "not this one", console.clock.now())
    assert count(console) == 0
    assert proof(console).overall.since.tally == Tally()


def test_the_figures_are_read_from_their_indexes(exam: Exam) -> None:
    take(exam.console, PAYMENT)
    seen: dict[str, Any] = {}

    def noted(*said: Any) -> None:
        seen.setdefault(said[2], said[3])

    event.listen(Engine, "before_cursor_execute", noted)
    Prover(exam.console.store).prove(SPLIT)
    event.remove(Engine, "before_cursor_execute", noted)
    with exam.console.store.write() as tx:
        asked = [(text, said) for text, said in seen.items() if text.startswith("SELECT")]
        found = plans(tx, asked, exam.console.store.is_sqlite)
    assert len(found) > 8
    whole = ("SCAN claim_figures'", "SCAN exam_figures'", "SCAN claim_denials'", "Seq Scan")
    assert {text: plan for text, plan in found.items() if any(mark in plan for mark in whole)} == {}
