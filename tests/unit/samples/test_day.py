"""The day's messages are whole, and belong together."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from bridge.codecs.hl7 import er7
from samples import day
from samples.chart import ORDERS, PATIENTS
from samples.exams import PERFORMED

AT = datetime(2026, 3, 2, 8, 30)


@pytest.mark.parametrize("name", day.names())
def test_a_message_is_filled_and_ends_its_segments_with_cr(name: str) -> None:
    raw = day.message(name, AT)

    assert not re.search(rb"[{}\n]", raw)
    assert raw.endswith(b"\r")


@pytest.mark.parametrize("name", day.names())
def test_a_message_is_of_the_character_set_that_it_declares(name: str) -> None:
    envelope = er7.parse(day.message(name, AT), None).envelope

    assert (envelope.sending_application, envelope.sending_facility) == ("RIVEHR", "RIVERSIDE")


def test_control_ids_differ_within_the_day() -> None:
    ids = [er7.read_envelope(day.message(name, AT)).control_id for name in day.names()]

    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= 20


def test_a_change_speaks_of_the_same_study_as_its_order() -> None:
    first, change = (day.message(f"orders/{n}", AT) for n in ("07_dx_knee_brandt", "10_dx_knee_brandt_change"))

    uid = day.study_uid("07", AT).encode()
    assert uid in first
    assert uid in change


def test_what_was_sent_later_the_same_day_keeps_its_numbers() -> None:
    late = day.message("orders/02_dx_chest_mercier_elodie", AT, datetime(2026, 3, 3, 0, 1))

    assert day.accession("02", AT).encode() in late
    assert b"20260303000100" in late


def test_the_cast_is_large_enough_for_a_day() -> None:
    modalities = {
        raw.split(b"|")[23 + 1]
        for name in day.names()
        for raw in day.message(name, AT).split(b"\r")
        if raw[:3] == b"OBR"
    }

    assert len(PATIENTS) >= 6
    assert len(ORDERS) >= 8
    assert modalities == {b"CT", b"DX", b"US", b"ES", b"MR"}
    assert set(PERFORMED) < {order for order, _, _ in ORDERS}
