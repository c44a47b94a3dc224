"""What a packet says of an order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.order import Code
from bridge.leaving.packet_material import order_facts
from tests.unit.codecs.fhir.test_service_request import ORDER

CODED = (Code("M17.11", "I10", "Osteoarthritis of right knee"),)


@pytest.mark.parametrize(
    ("typed", "coded", "said"),
    [
        ("Osteoarthritis of right knee", CODED, ("M17.11 Osteoarthritis of right knee",)),
        ("OSTEOARTHRITIS OF RIGHT KNEE ", CODED, ("M17.11 Osteoarthritis of right knee",)),
        ("Worse on stairs", CODED, ("Worse on stairs", "M17.11 Osteoarthritis of right knee")),
        ("Worse on stairs", (), ("Worse on stairs",)),
        ("", CODED, ("M17.11 Osteoarthritis of right knee",)),
        ("", (Code("M17.11", "I10", ""),), ("M17.11",)),
    ],
)
def test_a_reason_is_named_once_with_its_code(typed: str, coded: tuple[Code, ...], said: tuple[str, ...]) -> None:
    order = replace(ORDER, reason_for_the_requested_procedure=typed, details={"diagnoses_code": coded})
    assert order_facts(order)[1] == said
