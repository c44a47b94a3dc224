"""A billing desk with a payer that takes CDex: a house with one bound and reported CT, and its worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.building.destinations import publishers, ways_to_payers
from bridge.clock import FixedClock
from bridge.domain.attachment import AttachmentKind, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.submission import Outgoing, Submission
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import PayerReleases, Release
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.outbox.worker import Worker
from bridge.pictures.pool import DecoderPool
from bridge.store import authorizations, deliveries, events, incidents, studies, submissions
from bridge.store.deliveries import DeliveryState
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, STRANGER, adt, image, order, report, spooled, study_uid
from tests.flows.asking import say, typed_authorization

SAID = Release("the payer asked by phone", "user:bill")


class ReleasingDesk:
    """A house from which attachments leave for payers, by whatever way."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.releases = PayerReleases(house.store, house.clock, ways_to_payers(house))

    def outgoing(self, made: ClaimAttachment) -> Outgoing:
        with self.house.store.read() as tx:
            return self.releases.outgoing(tx, made.authorization_key, made.key)[1]

    def state(self, made: ClaimAttachment) -> ClaimAttachment:
        with self.house.store.read() as tx:
            return authorizations.get_attachment(tx, made.key)

    def submission(self, made: ClaimAttachment) -> Submission:
        with self.house.store.read() as tx:
            found = submissions.newest(tx, made.key)
        assert found is not None
        return found

    def rule(self, action: str, **on: PatientIdentifier | str) -> None:
        house = self.house
        resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
        resolver.resolve(study_uid("A1"), Ruling(action, "looked again", "user:maria", **on))  # type: ignore[arg-type]


class Desk(ReleasingDesk):
    """A house with a bound and reported CT, and a payer that takes CDex."""

    def __init__(self, house: House, payer: StrictPayer) -> None:
        super().__init__(house)
        self.payer = payer
        mine = [one for one in publishers(house) if one.topic in ("packet", "cdex", "evidence_request")]
        self._worker = Worker(house.store, house.clock, mine, owner="test", jitter=lambda: 0.5)

    def attach(self, kind: AttachmentKind = AttachmentKind.CDEX, **said: Any) -> ClaimAttachment:
        entry = AuthorizationEntry(self.house.store, self.house.clock, self.house.rules)
        known = {"member_id": "W1122"} | said
        key = entry.enter(typed_authorization("PA1", PLAIN, "A1", **known), "user:bill")
        return self.attach_again(key, kind)

    def attach_again(self, key: int, kind: AttachmentKind = AttachmentKind.CDEX) -> ClaimAttachment:
        attacher = ImageAttacher(self.house.store, self.house.clock, self.house.destinations)
        (made,) = attacher.attach(key, study_uid("A1"), [kind], actor="user:bill")
        return made

    def work(self) -> None:
        """Let the worker do what is due, and what it put off for a moment."""
        self._worker.run_due()

    def later(self, **step: float) -> None:
        clock = self.house.clock
        assert isinstance(clock, FixedClock)
        clock.at += timedelta(**step)
        self.work()

    def ready(self, **said: Any) -> ClaimAttachment:
        made = self.attach(**said)
        self.work()
        return made

    def released(self, **said: Any) -> ClaimAttachment:
        return self.release(self.ready(**said))

    def release(self, made: ClaimAttachment) -> ClaimAttachment:
        return self.releases.release(made.authorization_key, made.key, SAID)

    def sent(self) -> ClaimAttachment:
        made = self.released()
        self.work()
        return made

    def told(self) -> list[str]:
        with self.house.store.read() as tx:
            study = studies.by_uid(tx, study_uid("A1"))
            assert study is not None
            return [line.what for line in events.timeline(tx, [], [study.key])]

    def tasks(self) -> list[str]:
        with self.house.store.read() as tx:
            return [f"{one.destination}: {one.what}" for one in incidents.tasks(tx, is_open=True, limit=9)]

    def delivery(self, state: DeliveryState) -> deliveries.Delivery:
        with self.house.store.read() as tx:
            (found,) = [one for one in deliveries.search(tx, state) if one.topic == "cdex"]
        return found


def desk_of(make_house: Callable[..., House], decoders: DecoderPool, payer: StrictPayer, **more: object) -> Desk:
    """Return a desk of which *payer* is payer 60054."""
    section = {"name": "acme", "id": "60054", "base_url": payer.base_url, "kind": ["cdex"], "timeout_secs": 60}
    house = make_house(FixedClock(datetime(2026, 3, 2, 18, 0, tzinfo=UTC)), payers=[section | more])
    house.decoders = decoders
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    house.instances.receive(spooled(house, image(PLAIN, "A1"), "CT1"))
    say(house, report(PLAIN, "A1"))
    return Desk(house, payer)
