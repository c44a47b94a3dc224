"""What an attachment is while its study's patient is in question, and after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.domain.attachment import TO_PAYER, AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Conflict
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import PayerReleases, Release
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import authorizations, events, studies
from bridge.store.events import Station
from bridge.store.tables import attachments, deliveries
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.flows.asking import say, typed_authorization


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A house with one bound study."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    found.instances.receive(spooled(found, image(PLAIN, "A1"), "CT1"))
    return found


def attached(house: House, state: AttachmentState) -> ClaimAttachment:
    """Put the study on an authorization of its patient, and the attachment in *state*."""
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    typed = typed_authorization("PA1", PLAIN, "A1")
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    key = entry.enter(typed, "user:bill")
    (made,) = attacher.attach(key, study_uid("A1"), [AttachmentKind.CLAIM], actor="user:bill")
    with house.store.write() as tx:
        tx.execute(deliveries.delete().where(deliveries.c.topic == "claim"))
        authorizations.set_attachment_state(tx, made.key, state, house.clock.now())
    return made


def rule(house: House, action: str, **on: PatientIdentifier | str) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling(action, "looked again", "user:maria", **on))  # type: ignore[arg-type]


def state_of(house: House, made: ClaimAttachment) -> AttachmentState:
    with house.store.read() as tx:
        return authorizations.get_attachment(tx, made.key).state


def owner_is_told(house: House) -> list[str]:
    with house.store.read() as tx:
        (study,) = [found for found in [studies.by_uid(tx, study_uid("A1"))] if found is not None]
        lines = events.timeline(tx, [], [study.key])
    return [line.what for line in lines if line.station == Station.AUTHORIZATION and "already" in line.what]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (AttachmentState.DRAFT, ["the study's patient is in question", "the study is another patient's now"]),
        (AttachmentState.RELEASED, ["the study's patient is in question", "the study is another patient's now"]),
        (
            AttachmentState.SENT,
            [
                "had already been sent: the study's patient is in question",
                "had already been sent: the study is another patient's now",
            ],
        ),
    ],
)
def test_the_claim_s_owner_reads_whether_it_had_been_sent_when_it_turned_out_otherwise(
    house: House, before: AttachmentState, words: list[str]
) -> None:
    made = attached(house, before)
    rule(house, "unbind")
    said = [detail_of(house, made)]
    rule(house, "bind", patient=PatientIdentifier(STRANGER.patient_id))
    assert [*said, detail_of(house, made)] == words
    told = [f"What user:bill put on authorization PA1 {one}" for one in words if "already" in one]
    assert sorted(owner_is_told(house)) == sorted(told)


def detail_of(house: House, made: ClaimAttachment) -> str:
    with house.store.read() as tx:
        found = authorizations.get_attachment(tx, made.key)
    assert found.state == AttachmentState.REVIEW
    return found.detail


def claims_queued(house: House) -> list[str]:
    with house.store.read() as tx:
        return [row.state for row in tx.execute(deliveries.select().where(deliveries.c.topic == "claim"))]


@pytest.mark.parametrize(
    ("before", "after", "queued"),
    [
        (AttachmentState.DRAFT, AttachmentState.DRAFT, []),
        (AttachmentState.RELEASED, AttachmentState.RELEASED, ["pending"]),
        (AttachmentState.SENT, AttachmentState.RELEASED, ["pending"]),
    ],
)
def test_a_study_that_keeps_its_patient_gives_an_attachment_back_as_it_was(
    house: House, before: AttachmentState, after: AttachmentState, queued: list[str]
) -> None:
    made = attached(house, before)
    rule(house, "unbind")
    assert state_of(house, made) == AttachmentState.REVIEW
    rule(house, "bind", patient=PatientIdentifier(STRANGER.patient_id))
    assert state_of(house, made) == AttachmentState.REVIEW
    rule(house, "unbind")
    rule(house, "bind", accession_number="A1")
    assert state_of(house, made) == after
    assert claims_queued(house) == queued


@pytest.mark.parametrize("kind", sorted(TO_PAYER))
def test_trap_11_what_comes_in_question_is_blocked_before_it_leaves_in_every_way(
    house: House, kind: AttachmentKind
) -> None:
    made = attached(house, AttachmentState.DRAFT)
    with house.store.write() as tx:
        tx.execute(attachments.update().where(attachments.c.key == made.key).values(kind=kind.value))
    releases = PayerReleases(house.store, house.clock, ())
    rule(house, "unbind")
    with pytest.raises(Conflict) as refused:
        releases.release(made.authorization_key, made.key, Release("asked for", "user:bill"))
    assert refused.value.code == "not_a_draft"
    rule(house, "bind", patient=PatientIdentifier(STRANGER.patient_id))
    assert state_of(house, made) == AttachmentState.REVIEW
    with house.store.write() as tx:
        authorizations.set_attachment_state(tx, made.key, AttachmentState.DRAFT, house.clock.now())
        tx.execute(attachments.update().values(binding_version=studies.get(tx, made.study_key).binding_version))
    with pytest.raises(Conflict) as refused:
        releases.release(made.authorization_key, made.key, Release("asked for", "user:bill"))
    assert refused.value.code == "other_patient"
