"""One record that cannot be read back is left out and logged; it never breaks a device's list. Source: PS3.4 K.4.1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from bridge.clock import FixedClock
from bridge.store import orders
from bridge.store.tables import steps
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, order
from tests.flows.asking import say
from tests.flows.test_try_worklist import MakeHouse
from tests.flows.worklist_devices import DICOM, open_door, query


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), dicom=DICOM)


@pytest.mark.parametrize("spoilt", [b"\x10\x00\x10\x00\xff", b"\x10\x00\x10\x00\x04\x00\x00\x00\xff\xfe\xfd\xfc"])
def test_a_spoilt_entry_is_left_out_of_the_list_and_logged(house: House, spoilt: bytes) -> None:
    say(house, order(PLAIN, "A1"), order(NEAR_TWIN, "A2"), order(STRANGER, "A3"))
    with house.store.write() as tx:
        key = orders.by_accession(tx, "A2")[0].key
        tx.execute(update(steps).where(steps.c.order_key == key).values(encoded=spoilt))

    with capture_logs() as logs, open_door(house) as door:
        found = door.find(query(station="CT1", SpecificCharacterSet="ISO_IR 100"))

    assert sorted(item.AccessionNumber for item in found) == ["A1", "A3"]
    assert [line["fault"] for line in logs if line["event"] == "worklist_entry_left_out"]
