"""Whoever is told what can be retrieved here hears what a note, a split and their undoing make of that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.outbox.publisher import Receipt
from bridge.publishers.availability import AvailabilityParcel, AvailabilityPublisher
from bridge.store import deliveries, splits
from bridge.store.deliveries import DeliveryState
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, study_uid
from tests.flows.asking import say
from tests.flows.test_images import receive
from tests.flows.test_rejections import desk, note, standing
from tests.flows.test_splits import one_header, split, splitter

MakeHouse = Callable[..., House]
WHOLE = study_uid("A1")


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    told = {"ae_title": "RIS", "host": "127.0.0.1", "port": 1, "roles": [], "notify": True}
    device = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), dicom={"peers": [told, device]})
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def heard(house: House) -> list[tuple[str, list[str], list[str]]]:
    """Return what RIS hears now: of which study, what is online and what unavailable by the ends of the UIDs."""
    publisher = AvailabilityPublisher({}, "BRIDGE", timedelta())
    said = []
    with house.store.write() as tx:
        for delivery in deliveries.search(tx, DeliveryState.PENDING):
            parcel = publisher.prepare(tx, delivery, house.clock.now()) if delivery.topic == publisher.topic else None
            if isinstance(parcel, AvailabilityParcel):
                every = [one for group in parcel.contents.instances.values() for one in group]
                ends = {one.key: one.sop_instance_uid.removeprefix(WHOLE) for one in every}
                online = [end for key, end in ends.items() if key in parcel.online]
                gone = [end for key, end in ends.items() if key not in parcel.online]
                said.append((parcel.contents.study.study_instance_uid, online, gone))
                publisher.settled(tx, parcel, Receipt("told"), house.clock.now())
    return sorted(said)


def test_a_note_takes_images_back_from_whoever_was_told_of_them_and_its_undoing_gives_them_again(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
    assert heard(house) == [(WHOLE, [".1.1", ".1.2"], [])]
    receive(house, note("113001", image(PLAIN, "A1", 2)))
    assert heard(house) == [(WHOLE, [".1.1"], [".1.2"])]
    desk(house).decide(standing(house)[0].key, "undo", "sharp enough", "user:maria")
    assert heard(house) == [(WHOLE, [".1.1", ".1.2"], [])]
    receive(house, note("113037", image(PLAIN, "A1", 2), number=2))
    assert heard(house) == [(WHOLE, [], [".1.1", ".1.2"])]


def test_what_was_split_off_is_unavailable_to_whoever_was_told_of_it_and_online_again_once_joined(house: House) -> None:
    one_header(house)
    heard(house)
    new = split(house)
    assert heard(house) == [(WHOLE, [".1.1", ".1.2"], [".2.1", ".2.2"])]
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, new.key)
    splitter(house).join(made.key, "it was one person", "user:maria")
    assert heard(house) == [(WHOLE, [".1.1", ".1.2", ".2.1", ".2.2"], [])]
