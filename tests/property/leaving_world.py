"""A clinic whose images leave: for the charts of an EHR and for payers, while everything about them changes and breaks."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from bridge.building.clearing import x12_files
from bridge.building.destinations import publishers, ways_to_payers
from bridge.domain.attachment import TO_PAYER, AttachmentKind, AttachmentState
from bridge.domain.identifiers import digest_of
from bridge.domain.packet import PacketFile
from bridge.domain.submission import MAY_BE_THERE, SubmissionState
from bridge.errors import BridgeError
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.change_chart import ChartDesk
from bridge.flows.change_delivery import retry_delivery
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import PayerReleases, Release
from bridge.outbox.worker import Worker
from bridge.store import authorizations, deliveries, embedded, packets, patients, rejections, studies, submissions
from bridge.store.db import ReadTx
from bridge.store.deliveries import DeliveryState, HoldKind
from bridge.store.packets import KeptPacket
from bridge.store.tables import attachments, messages
from bridge.store.tables import authorizations as authorizations_table
from tests.cast import order
from tests.fakes.payer_scene import LINE
from tests.flows.asking import typed_authorization
from tests.flows.registration import mrg, pv1, tell
from tests.property.identity_world import PEOPLE, STUDIES, World
from tests.property.leaving_places import Copy, Killed, Moments, Places, PlainPictures, WatchedStore, claim_of

# By an authorization's number: its payer's, and the ways of its evidence.
PAYERS: Final = {
    "PA1": ("60054", (AttachmentKind.CDEX, AttachmentKind.CLAIM)),
    "PA2": ("70001", (AttachmentKind.X12_275,)),
    "PA3": ("80001", (AttachmentKind.PAS,)),
}
BILL: Final = "user:bill"
_LEASE: Final = timedelta(seconds=20)
_ROUNDS: Final = 60


class LeavingWorld(World):
    """
    The clinic of `identity_world` with places to leave for; its worker comes when it is called.

    wrong: what was wrong in the moment that something left. copies: what payers have. acknowledged: messages, as they came.
    is_racing: two nodes work at once. was_restored: an earlier state was laid out again.
    """

    def __init__(self, folder: Path, database: str = "") -> None:
        self.wrong: list[str] = []
        self.copies: list[Copy] = []
        self.acknowledged: list[bytes] = []
        self.places = Places(folder, self._heard)
        sections: dict[str, Any] = {
            "bridge": {
                "data": folder / "data",
                "mappings": Path(__file__).parents[2] / "samples" / "mappings",
                "time_zone": "UTC",
                "npi": "1003000126",
                "organization": "Riverside Imaging",
            },
            "fhir": {
                "servers": [
                    {"name": "ehr", "base_url": self.places.ehr.base_url, "publish": ["ImagingStudy", "Claim"]},
                ]
            },
            "payers": [
                {"name": "acme", "id": "60054", "base_url": self.places.acme.base_url, "kind": ["cdex"]},
                {"name": "delta", "id": "60099", "base_url": self.places.delta.base_url, "kind": ["cdex"]},
                {"name": "east", "id": "70001", "clearinghouse": "eastlink"},
                {"name": "beta", "id": "80001", "base_url": self.places.beta.base_url, "kind": ["pas"]},
            ],
            "clearinghouses": [
                {
                    "name": "eastlink",
                    "sender": "ZZ:CLEARVIEW",
                    "receiver": "ZZ:EASTLINK",
                    "outbox": str(self.places.outbox),
                }
            ],
        }
        if database:
            sections["store"] = {"database": database}
        super().__init__(folder, **sections)
        self.house.__dict__["pictures"] = PlainPictures(self.house.blobs)
        self._system = self.house.settings.identity.system_of("RIVERSIDE")

    def begin(self) -> None:
        super().begin()
        self.wrong.clear()
        self.copies.clear()
        self.acknowledged.clear()
        self.places.begin()
        self.moments = Moments()
        self.is_racing = self.was_restored = False
        self._copied_at: datetime | None = None
        self._releases = PayerReleases(self.house.store, self.clock, ways_to_payers(self.house))
        self._charts = ChartDesk(self.house.store, self.clock, self.house.destinations, {})
        self._claims: dict[str, str] = {}
        self.charts = {
            one.patient_id: self._in_ehr("Patient", {"identifier": [{"system": self._system, "value": one.patient_id}]})
            for one in PEOPLE.values()
        }
        self._start()

    def close(self) -> None:
        self.places.close()
        super().close()

    def _start(self) -> None:
        """A node starts: it remembers nothing."""
        by_file = x12_files(self.house)
        by_file._doors = {"eastlink": self.places.door}
        mine = [one for one in publishers(self.house) if one.topic != by_file.topic] + [by_file]
        self._node = f"node{len(self.deeds)}"
        store: Any = WatchedStore(self.house.store, self.moments)
        self._worker = Worker(store, self.clock, mine, owner=self._node, jitter=lambda: 0.5)
        self._other = Worker(self.house.store, self.clock, mine, owner=f"{self._node}b", jitter=lambda: 0.5)

    def _in_ehr(self, kind: str, said: dict[str, Any]) -> str:
        _, made = self.places.ehr.books.create({"resourceType": kind, **said})
        return f"{kind}/{made['id']}"

    # ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _worked(self) -> None:
        """Let the worker come by once."""
        self._file_claims()
        try:
            self._worker.run_due()
        except Killed:
            self.clock.at += _LEASE
            self._start()

    def _died(self, at: int, when: str) -> None:
        """The worker's machine ends when so many of its transactions are about to be, or are, on disk."""
        self.moments.at, self.moments.dies = at, when
        self._worked()
        self.moments.at, self.moments.dies = 0, ""

    def _meddled(self, at: int, *deed: Any) -> None:
        """Something else happens while the worker is in the midst of its work."""
        self.moments.at, self.moments.then = at, lambda: self._happens(*deed)
        self._worked()
        self.moments.at, self.moments.then = 0, None

    def _happens(self, name: str, *arguments: Any) -> None:
        self.clock.at += timedelta(seconds=1)
        try:
            getattr(self, f"_{name}")(*arguments)
        except (BridgeError, LookupError):
            return

    def _taken_over(self) -> None:
        """The worker's node hangs for so long that another one takes its work over."""
        self.clock.at += _LEASE
        self._other.run_due()

    def _at_once(self, *deed: Any) -> None:
        """Two nodes work, and something else happens at the same time."""
        self.is_racing = True
        threads = [threading.Thread(target=one.run_due) for one in (self._worker, self._other)]
        for one in threads:
            one.start()
        self._happens(*deed)
        for one in threads:
            one.join()
        self.is_racing = False

    def _backed_up(self) -> None:
        if not self.house.store.is_sqlite:
            raise LookupError("PostgreSQL has its own tools")
        copy = self._folder / "copy.db"
        copy.unlink(missing_ok=True)
        embedded.copy_database(self._folder / "bridge.db", copy)
        self._copied_at = self.clock.at
        self._acknowledged_then = list(self.acknowledged)

    def _restored(self) -> None:
        """The last backup is laid out again: nothing leaves by itself, and what came since is forgotten."""
        if self._copied_at is None:
            raise LookupError("no backup")
        copied, stands = self._folder / "copy.db", self._folder / "bridge.db"
        with closing(sqlite3.connect(copied)) as copy, closing(sqlite3.connect(stands)) as live:
            copy.backup(live)
        with self.house.store.write() as tx:
            embedded.hold_every_delivery(tx, self.clock)
            known = set(tx.execute(select(authorizations_table.c.key)).scalars())
        self.was_restored = True
        self.acknowledged[:] = self._acknowledged_then
        self.copies[:] = [one for one in self.copies if one.at <= self._copied_at]
        self._claims = {key: claim for key, claim in self._claims.items() if int(key) in known}
        self._start()
        before = self.places.came
        self._worker.run_due()
        if self.places.came != before:
            self.wrong.append("a restored node sends by itself")

    def _rested(self) -> None:
        """Let everybody behave, people settle what waits for them outside, and the worker go on until nothing is left to do."""
        self.places.behave()
        self.moments.at, self.moments.then, self.moments.dies = 0, None, ""
        for _ in range(_ROUNDS):
            self._worked()
            waiting = self._waiting()
            if not waiting and not self._sent_again():
                return
            if waiting:
                self.clock.at = max(self.clock.at, min(waiting))
        raise AssertionError("the worker does not come to rest")

    def _waiting(self) -> list[datetime]:
        with self.house.store.read() as tx:
            every = deliveries.search(tx, DeliveryState.PENDING, limit=500)
            lost = deliveries.search(tx, DeliveryState.SENDING, limit=500)
        return [one.next_at for one in every] + [(one.lease_until or self.clock.at) + _LEASE for one in lost]

    def _sent_again(self) -> bool:
        """A person sends what failed again, as far as that is theirs to do; says whether there was any."""
        with self.house.store.read() as tx:
            dead = deliveries.search(tx, DeliveryState.DEAD, limit=500)
            held = deliveries.search(tx, DeliveryState.HELD, limit=500)
        chart = [one for one in dead if one.settled_at is None and one.topic in ("imaging_study", "claim", "packet")]
        chart += [one for one in held if one.hold_kind == HoldKind.RESTORE]
        chart += [one for one in held if one.hold_kind == HoldKind.RECEIVER and one.topic in ("imaging_study", "claim")]
        for one in chart:
            retry_delivery(self.house.store, self.clock, one.key, BILL)
        return bool(chart)

    # ── what people do ────────────────────────────────────────────────────────────────────────────────────────────────

    def _authorized(self, number: str, who: str, accession: str) -> None:
        payer, _ = PAYERS[number]
        said = typed_authorization(
            number if number != "PA3" else "",
            PEOPLE[who],
            accession,
            payer_id=payer,
            member_id="W1122",
            lines=(LINE,),
            trace=f"T{number}" if number == "PA3" else "",
        )
        key = AuthorizationEntry(self.house.store, self.clock, self.house.rules).enter(said, BILL)
        coverage = {"status": "active", "beneficiary": {"reference": self.charts[PEOPLE[who].patient_id]}}
        covered = self._in_ehr("Coverage", coverage | {"payor": [{"display": "Acme"}]})
        claim = claim_of(number, self.charts[PEOPLE[who].patient_id], covered)
        self._claims[str(key)] = self._in_ehr("Claim", claim)

    def _file_claims(self) -> None:
        """The EHR files its Claims with whose they are by now: it told us so."""
        with self.house.store.read() as tx:
            owners = {key: self._number_of(tx, authorizations.get(tx, int(key)).patient_key) for key in self._claims}
        for key, number in owners.items():
            kind, _, claim_id = self._claims[key].partition("/")
            claim = self.places.ehr.books.read(kind, claim_id)
            if claim["patient"]["reference"] != self.charts.get(number, claim["patient"]["reference"]):
                self.places.ehr.books.update(claim | {"patient": {"reference": self.charts[number]}}, claim_id)

    def _number_of(self, tx: ReadTx, patient_key: int) -> str:
        record = patients.survivor(tx, patient_key)
        return record.primary.patient_id if record.identifiers else ""

    def _attached(self, number: str, study: str, way: int, which: str, payer: str) -> None:
        with self.house.store.read() as tx:
            found = tx.execute(select(authorizations_table.c.key, authorizations_table.c.payer_id)).all()
        key = next((row.key for row in found if row.payer_id == PAYERS[number][0]), None)
        if key is None:
            raise LookupError("no such authorization")
        kinds = PAYERS[number][1]
        kind = kinds[way % len(kinds)]
        came = self._images.get(study, [])
        chosen = {"": [], "last": came[-1:], "first": came[:1]}[which]
        attacher = ImageAttacher(self.house.store, self.clock, self.house.destinations)
        uids = [str(one.SOPInstanceUID) for one in chosen]
        attacher.attach(
            key, STUDIES[study], [kind], uids, payer=payer if kind == AttachmentKind.CDEX else "", actor=BILL
        )

    def _released(self, number: int) -> None:
        """A person looks at what would leave of an attachment, and lets it go."""
        key = self._attachment(number)
        with self.house.store.read() as tx:
            on = authorizations.get_attachment(tx, key).authorization_key
            found, outgoing = self._releases.outgoing(tx, on, key)
        said = Release("the payer asked by phone", BILL, found.packet.version, content=outgoing.digest)
        self._releases.release(on, key, said)

    def _told(self, number: int) -> None:
        """A person asks the payer of something unclear, and says truthfully what it says."""
        key = self._attachment(number)
        with self.house.store.read() as tx:
            standing = submissions.newest(tx, key)
            on = authorizations.get_attachment(tx, key).authorization_key
        if standing is None or standing.state != SubmissionState.UNCLEAR:
            raise LookupError("nothing is unclear")
        is_there = self.places.payer_has(standing.destination, standing.control_number)
        self._releases.settle_unclear(on, key, is_there=is_there, said=Release("asked by phone", BILL))

    def _attachment(self, number: int) -> int:
        with self.house.store.read() as tx:
            rows = tx.execute(select(attachments.c.key, attachments.c.kind).order_by(attachments.c.key)).all()
        keys = [row.key for row in rows if AttachmentKind(row.kind) in TO_PAYER]
        if number >= len(keys):
            raise LookupError("no such attachment")
        return int(keys[number])

    def _put_away(self, study: str, is_out: bool) -> None:
        """A person takes a study out of the charts, or lets it back."""
        change = self._charts.withdraw if is_out else self._charts.take_back
        change(STUDIES[study], "asked", BILL)

    # ── what else happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _misbehaved(self, place: str, mode: str, count: int) -> None:
        self.places.misbehave(place, mode, count)

    def _ordered(self, accession: str, who: str, control: str) -> bool:
        """An order comes, under a visit of its own."""
        said = order(PEOPLE[who], accession, control, at=self._now).decode()
        return self._say(said.replace("PV1|1|O\r", f"{pv1(f'V{accession}')}\r").encode())

    def _visit_moved(self, accession: str, to: str, whose: str) -> bool:
        visit = f"V{accession}"
        return self._say(tell("A45", PEOPLE[to].pid, mrg(PEOPLE[whose], visit=visit), pv1(visit), at=self._now))

    def _written_there(self) -> None:
        self.places.write_in_ehr()

    def _say(self, raw: bytes) -> bool:
        is_taken = super()._say(raw)
        self.acknowledged += [raw] if is_taken else []
        return is_taken

    # ── what is seen ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, destination: str, control_number: str, document: bytes) -> None:
        """Something comes to a payer: hold it against what is so in this moment."""
        self.places.came += 1
        with self.house.store.read() as tx:
            every = submissions.by_control_number(tx, control_number)
            on_its_way = MAY_BE_THERE if self.is_racing else (SubmissionState.SENDING,)
            mine = [one for one in every if one.destination == destination and one.state in on_its_way]
            mine = mine[:1] if self.is_racing else mine
            if len(mine) != 1:
                self.wrong.append(f"{len(mine)} releases are on their way to {destination}")
                return
            (release,) = mine
            attachment = authorizations.get_attachment(tx, release.attachment_key)
            packet = packets.get(tx, release.packet_key)
            study = studies.get(tx, attachment.study_key)
            owner = patients.survivor(tx, authorizations.get(tx, attachment.authorization_key).patient_key).key
            faults = (
                {}
                if self.is_racing
                else {
                    "not bound to the authorization's patient": (study.is_bound, study.patient_key) != (True, owner),
                    "bound or corrected anew": packet.binding_version != study.binding_version,
                    "not what a person released": digest_of(document) != packet.file(PacketFile.DOCUMENT).digest,
                    "released by nobody": not release.released_by,
                    "not released any more": attachment.state not in (AttachmentState.RELEASED, AttachmentState.FAILED),
                    "images on it were rejected": not rejections.shown_uids(tx, study.key).issuperset(
                        self.pictured(packet)
                    ),
                }
            )
            self.wrong += [f"it left for {destination}: {what}" for what, is_so in faults.items() if is_so]
            self.copies.append(
                Copy(self.clock.at, destination, control_number, release.key, attachment.key, study.key, owner)
            )

    def kept(self) -> list[bytes]:
        """Return every message that is in the store, as it came."""
        with self.house.store.read() as tx:
            return [bytes(row.raw) for row in tx.execute(select(messages.c.raw))]

    def pictured(self, packet: KeptPacket) -> list[str]:
        """Return which images a packet shows, as its own manifest has it."""
        with self.house.blobs.at_hand(packet.file(PacketFile.MANIFEST).digest) as path:
            said = json.loads(path.read_bytes())
        return [str(one["sop_instance_uid"]) for one in said["pictures"]]
