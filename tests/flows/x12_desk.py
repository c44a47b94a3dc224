"""A billing desk whose payer is reached by a clearinghouse: a house with one bound and reported CT, and its worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.building.clearing import claim_files
from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.codecs.x12.segments import build
from bridge.codecs.x12.writer import Draft, Sending, write
from bridge.domain.attachment import AttachmentKind, ClaimAttachment
from bridge.errors import Unavailable
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import Release
from bridge.outbox.worker import Worker
from bridge.pictures.pool import DecoderPool
from bridge.publishers import file_folder
from bridge.settings import Settings
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, report, spooled, study_uid
from tests.flows.asking import say, typed_authorization
from tests.flows.payer_desk import ReleasingDesk

MakeHouse = Callable[..., House]
SAID = Release("the payer asked by phone", "user:bill")
SENDING = Sending(("ZZ", "EASTLINK"), ("ZZ", "CLEARVIEW"), 900, datetime(2026, 3, 3, 9, 0))


class Desk(ReleasingDesk):
    """A house with a bound and reported CT, and a clearinghouse with a folder for each way."""

    def __init__(self, house: House, folder: Path) -> None:
        super().__init__(house)
        self.outbox = folder
        self.worker = self.another("test")

    def another(self, owner: str) -> Worker:
        mine = [one for one in publishers(self.house) if one.topic in ("packet", "x12")]
        return Worker(self.house.store, self.house.clock, mine, owner=owner, jitter=lambda: 0.5)

    def ready(self, number: str = "PA1", **said: Any) -> ClaimAttachment:
        entry = AuthorizationEntry(self.house.store, self.house.clock, self.house.rules)
        known = {"member_id": "W1122"} | said
        key = entry.enter(typed_authorization(number, PLAIN, "A1", **known), "user:bill")
        return self.again(key)

    def again(self, key: int) -> ClaimAttachment:
        attacher = ImageAttacher(self.house.store, self.house.clock, self.house.destinations)
        (made,) = attacher.attach(key, study_uid("A1"), [AttachmentKind.X12_275], actor="user:bill")
        self.worker.run_due()
        return made

    def sent(self, **said: Any) -> ClaimAttachment:
        made = self.ready(**said)
        self.let_go(made)
        return made

    def let_go(self, made: ClaimAttachment) -> None:
        self.releases.release(made.authorization_key, made.key, SAID)
        self.worker.run_due()

    def later(self) -> None:
        clock = self.house.clock
        assert isinstance(clock, FixedClock)
        clock.at += timedelta(minutes=20)
        self.worker.run_due()

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.outbox.iterdir())}

    def take(self, raw: bytes) -> int:
        return claim_files(self.house).import_file(raw, "user:bill").answered


def desk_of(
    make_house: MakeHouse,
    decoders: DecoderPool,
    tmp_path: Path,
    through: dict[str, object] | None = None,
    **payer: object,
) -> Desk:
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    east = {"name": "eastlink", "sender": "ZZ:CLEARVIEW", "receiver": "ZZ:EASTLINK"}
    east |= through or {"outbox": str(outbox)}
    acme = {"name": "acme", "id": "60054", "clearinghouse": "eastlink"} | payer
    clock = FixedClock(datetime(2026, 3, 2, 18, 0, tzinfo=UTC))
    house = make_house(
        clock,
        payers=[acme],
        clearinghouses=[east],
    )
    house.settings = replace_settings(house.settings)
    house.decoders = decoders
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for number in (1, 2, 3):
        house.instances.receive(spooled(house, image(PLAIN, "A1", number), "CT1"))
    say(house, report(PLAIN, "A1"))
    return Desk(house, outbox)


def replace_settings(settings: Settings) -> Settings:
    """Return settings in which the clinic has its name and number."""
    clinic = {"organization": "Clearview Imaging", "npi": "1234567893"}
    return settings.model_copy(update={"bridge": settings.bridge.model_copy(update=clinic)})


def acknowledgement(number: int, code: str = "A", *errors: str, group: str = "PI") -> bytes:
    """Return a 999 on our file of a number."""
    found = [build("AK1", group, str(number), "006020X314"), build("AK2", "275", "0001")]
    found += [build("IK3", *one.split("*")) for one in errors]
    found += [build("IK5", code), build("AK9", code, "1", "1", "0" if code == "R" else "1")]
    return write(SENDING, [Draft("999", "005010X231A1", tuple(found))])


def break_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine end when a file has just been handed over."""
    real = file_folder.FolderDoor.put

    def breaks(door: file_folder.FolderDoor, name: str, content: bytes) -> bool:
        real(door, name, content)
        raise Unavailable("the machine ends here", code="cut_off")

    monkeypatch.setattr(file_folder.FolderDoor, "put", breaks)
