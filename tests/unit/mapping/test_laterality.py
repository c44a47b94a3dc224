"""The side of an exam, where only a modifier says it."""

from __future__ import annotations

import pytest

from bridge.domain.order import OrderDraft
from tests.unit.mapping.senders import header, mapped


def order(description: str, **fields: str) -> OrderDraft:
    values = {4: f"1^{description}", 18: "A1", **{int(name[1:]): value for name, value in fields.items()}}
    obr = "|".join(["OBR", *(values.get(number, "") for number in range(1, 48))])
    return mapped(header("ORM^O01"), "PID|1||7", "ORC|NW|P|F", obr).orders[0]


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        ({"f45": "LT"}, "left"),
        ({"f45": "RT^Right side^C4"}, "right"),
        ({"f45": "26~LT"}, "left"),
        ({"f45": "LT~RT"}, "bilateral"),
        ({"f45": "50"}, "bilateral"),
        ({"f46": "RGH"}, "right"),
        ({"f15": "^^^KNEE^LFT"}, "left"),
        ({"f45": "26", "f46": "LFT"}, "left"),
    ],
)
def test_the_side_goes_behind_both_descriptions(fields: dict[str, str], side: str) -> None:
    found = order("MR KNEE", **fields)

    assert found.requested_procedure_description == f"MR KNEE, {side}"
    assert found.steps[0].scheduled_procedure_step_description == f"MR KNEE, {side}"


@pytest.mark.parametrize("description", ["MR KNEE LEFT", "MR KNEE LT", "Knie li.", "X" * 63])
def test_a_description_that_names_a_side_or_has_no_room_stays(description: str) -> None:
    assert order(description, f45="LT").requested_procedure_description == description


def test_a_modifier_of_another_kind_says_nothing() -> None:
    assert order("CT HEAD", f45="26").requested_procedure_description == "CT HEAD"
