"""What a payer is sent by $submit-attachment: each parameter as often as the operation has it, the document inside."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bridge.codecs.fhir.cdex_parameters import CLAIM, CdexAttachment, parameters
from bridge.codecs.fhir.validate import faults
from bridge.errors import Incomplete
from tests.fakes.pas_samples import PDF, evidence

UNASKED = CdexAttachment("ABCD1234EFGH5678", "W1122", (evidence(),), organization_npi="1003000126", payer_id="60054")
ASKED = replace(
    UNASKED,
    tracking_id="PAYER-77",
    tracking_system="urn:payer:tracking",
    administrative_reference="ADM-5",
    provider_npi="1234567893",
    lines=(1, 3),
    is_final=False,
)
BILLED = replace(UNASKED, attach_to=CLAIM, service_on="20260310")
# How often each stands there at most. Source: HL7 Da Vinci CDex, operation submit-attachment.
ONCE = (
    "TrackingId",
    "AdminRefNumber",
    "AttachTo",
    "PayerId",
    "OrganizationId",
    "ProviderId",
    "MemberId",
    "ServiceDate",
    "Final",
)


def named(said: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in said["parameter"] if one["name"] == name]


@pytest.mark.parametrize("said", [UNASKED, ASKED, BILLED], ids=["unasked", "asked", "for a claim"])
def test_parameters_are_valid_and_none_stands_twice_that_must_not(said: CdexAttachment) -> None:
    made = parameters(said)
    assert faults(made, "R4") == []
    assert faults(named(made, "Attachment")[0]["part"][-1]["resource"], "R4") == []
    counted = Counter(one["name"] for one in made["parameter"])
    assert all(counted[name] <= 1 for name in ONCE)
    assert set(counted) <= {*ONCE, "Attachment"}
    assert all(counted[name] == 1 for name in ("TrackingId", "AttachTo", "MemberId", "Attachment"))


def test_what_was_not_asked_for_goes_under_its_own_control_number() -> None:
    made = parameters(UNASKED)
    (tracking,) = named(made, "TrackingId")
    assert tracking["valueIdentifier"]["value"] == UNASKED.evidence[0].control_number
    assert not named(made, "AdminRefNumber")
    assert named(made, "AttachTo")[0]["valueCode"] == "preauthorization"


def test_what_was_asked_for_echoes_the_payer_s_numbers_and_lines() -> None:
    made = parameters(ASKED)
    assert named(made, "TrackingId")[0]["valueIdentifier"] == {"system": "urn:payer:tracking", "value": "PAYER-77"}
    assert named(made, "AdminRefNumber")[0]["valueIdentifier"]["value"] == "ADM-5"
    (attached,) = named(made, "Attachment")
    assert [one["valueString"] for one in attached["part"] if one["name"] == "LineItem"] == ["1", "3"]
    assert named(made, "Final")[0]["valueBoolean"] is False


def test_the_document_lies_inside_byte_for_byte() -> None:
    (attached,) = named(parameters(UNASKED), "Attachment")
    content = next(one["resource"] for one in attached["part"] if one["name"] == "Content")
    assert base64.b64decode(content["content"][0]["attachment"]["data"]) == PDF
    assert content["subject"]["identifier"]["value"] == "W1122"


@pytest.mark.parametrize(
    "missing",
    [{"tracking_id": ""}, {"member_id": ""}, {"evidence": ()}, {"attach_to": CLAIM}],
    ids=lambda one: str(*one),
)
def test_what_a_payer_could_not_place_is_not_sent(missing: dict[str, Any]) -> None:
    with pytest.raises(Incomplete):
        parameters(replace(UNASKED, **missing))
