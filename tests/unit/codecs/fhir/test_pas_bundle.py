"""What a payer is sent for authorization: whole in itself, valid, in the shape of the guide's examples."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.codecs.fhir import pas_bundle
from bridge.codecs.fhir.validate import faults
from bridge.domain.authorization import Urgency
from bridge.errors import Incomplete
from tests.conftest import ROOT
from tests.fakes.pas_samples import LINES, PDF, authorization, evidence, submission, system_of

Json = dict[str, Any]
EXAMPLES = ROOT.parent / "shared" / "corpus" / "fhir" / "pas-examples"


def resources(bundle: Json, kind: str) -> list[Json]:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def claim_of(bundle: Json) -> Json:
    first: Json = bundle["entry"][0]["resource"]
    assert first["resourceType"] == "Claim"
    return first


def extension(said: Json, name: str) -> Json:
    (found,) = [one for one in said["extension"] if one["url"].endswith(f"extension-{name}")]
    return dict(found)


def references(said: object) -> Iterator[str]:
    for one in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        if isinstance(one, str) and isinstance(said, dict) and said.get("reference") == one:
            yield one
        yield from references(one)


def paths(said: object, at: str) -> Iterator[str]:
    """Return every element of a resource by its path, each extension by its own name."""
    if isinstance(said, list):
        for one in said:
            yield from paths(one, at)
    elif isinstance(said, dict):
        here = f"{at}<{said['url'].rpartition('/')[2]}>" if at.endswith("xtension") else at
        yield here
        for name, one in said.items():
            if name != "url":
                yield from paths(one, f"{here}.{name}")
    else:
        yield at


BUNDLES = [
    pas_bundle.request(submission(), system_of),
    pas_bundle.request(submission(is_update=True, known=frozenset({"OLDONE"})), system_of),
    pas_bundle.request(submission(evidence=()), system_of),
    pas_bundle.inquiry(submission(), system_of),
    pas_bundle.request(submission(is_update=True, cancelled=frozenset({1, 2}), evidence=()), system_of),
]
NAMES = ["request", "update", "without evidence", "inquiry", "cancel"]


@pytest.mark.parametrize("bundle", BUNDLES, ids=NAMES)
def test_a_bundle_is_valid_and_holds_all_that_it_refers_to(bundle: Json) -> None:
    assert faults(bundle, "R4") == []
    assert bundle["type"] == "collection"
    urls = {one["fullUrl"] for one in bundle["entry"]}
    assert len(urls) == len(bundle["entry"])
    assert {f"https://bridge.example.org/fhir/r4/{one}" for one in references(bundle)} <= urls


@pytest.mark.parametrize("bundle", BUNDLES, ids=NAMES)
def test_a_bundle_has_no_element_that_the_guide_s_examples_have_not(bundle: Json) -> None:
    if not EXAMPLES.is_dir():
        pytest.skip("the guide's examples are not here")
    known: set[str] = set()
    for file in sorted(EXAMPLES.glob("*.json")):
        said = json.loads(file.read_bytes())
        for one in [said, *(each["resource"] for each in said.get("entry", []) if "resource" in each)]:
            known |= set(paths(one, one["resourceType"]))
    ours = {path for one in bundle["entry"] for path in paths(one["resource"], one["resource"]["resourceType"])}
    # Elements of the profile that no example happens to fill.
    further = (
        "modifier",
        "productOrService.text",
        "quantity",
        "informationSequence",
        "diagnosisSequence",
        "servicedPeriod",
    )
    places = (
        *(f"Claim.item.{one}" for one in further),
        "Claim.related.claim.",
        "Claim.supportingInfo.extension<extension-infoChanged>",
    )
    assert not [path for path in ours - known if path.startswith("Claim.") and not path.startswith(places)]


def test_evidence_stands_inline_under_its_control_number_and_every_line_points_to_it() -> None:
    bundle = pas_bundle.request(submission(), system_of)
    claim = claim_of(bundle)
    (information,) = claim["supportingInfo"]
    parts = {one["url"]: one for one in extension(information, "documentInformation")["extension"]}
    assert parts["controlNumber"]["valueString"] == "ABCD1234EFGH5678"
    assert parts["reportTypeCode"]["valueCodeableConcept"]["coding"][0]["code"] == "RB"
    assert parts["transmissionMethod"]["valueCodeableConcept"]["coding"][0]["code"] == "EL"
    (document,) = resources(bundle, "DocumentReference")
    assert information["valueReference"]["reference"] == f"DocumentReference/{document['id']}"
    assert base64.b64decode(document["content"][0]["attachment"]["data"]) == PDF
    assert [one["informationSequence"] for one in claim["item"]] == [[1], [1]]


def test_a_line_says_what_is_asked_for_whom_and_where() -> None:
    claim = claim_of(pas_bundle.request(submission(), system_of))
    spine, contrast = claim["item"]
    assert spine["productOrService"]["coding"] == [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]
    assert contrast["productOrService"]["coding"][0]["system"].endswith("HCPCSReleaseCodeSets")
    assert [one["coding"][0]["code"] for one in spine["modifier"]] == ["LT"]
    assert (spine["diagnosisSequence"], contrast["diagnosisSequence"]) == ([1, 2], [2])
    assert (spine["servicedDate"], contrast["servicedPeriod"]["end"]) == ("2026-03-10", "2026-03-24")
    assert spine["quantity"] == {"value": 1}
    assert extension(spine, "certificationType")["valueCodeableConcept"]["coding"][0]["code"] == "I"
    assert extension(claim, "levelOfServiceCode")["valueCodeableConcept"]["coding"][0]["code"] == "U"
    assert "extension" not in claim_of(
        pas_bundle.request(submission(authorization(urgency=Urgency.STANDARD)), system_of)
    )


def test_an_update_names_what_it_follows_and_what_is_new_in_it() -> None:
    known = frozenset({"OLDONE0000000001"})
    said = submission(is_update=True, known=known, evidence=(evidence("OLDONE0000000001"), evidence()))
    claim = claim_of(pas_bundle.request(said, system_of))
    first = claim_of(pas_bundle.request(submission(), system_of))
    assert claim["meta"]["profile"][0].endswith("profile-claim-update")
    assert claim["related"][0]["claim"]["identifier"] == first["identifier"][0]
    old, new = claim["supportingInfo"]
    assert extension(new, "infoChanged")["valueCode"] == "added"
    assert not [one for one in old["extension"] if one["url"].endswith("infoChanged")]
    assert extension(claim["item"][0], "certificationType")["valueCodeableConcept"]["coding"][0]["code"] == "S"
    assert [one["sequence"] for one in claim["item"]] == [one["sequence"] for one in first["item"]]


def test_an_update_marks_lines_as_added_changed_or_asked_for_no_more_and_keeps_their_numbers() -> None:
    known = (LINES[0], LINES[1], replace(LINES[0], sequence=3, code="72141"))
    asked = (LINES[0], replace(LINES[1], service_to="20260325"), known[2], replace(LINES[0], sequence=4, code="72158"))
    said = submission(
        authorization(lines=asked), is_update=True, known_lines=known, cancelled=frozenset({3}), evidence=()
    )
    bundle = pas_bundle.request(said, system_of)
    assert faults(bundle, "R4") == []
    items = claim_of(bundle)["item"]
    changed = [
        [one["valueCode"] for one in item["extension"] if one["url"].endswith("extension-infoChanged")]
        for item in items
    ]
    certified = [extension(one, "certificationType")["valueCodeableConcept"]["coding"][0]["code"] for one in items]
    assert changed == [[], ["changed"], ["changed"], ["added"]]
    assert certified == ["I", "S", "3", "I"]
    assert [one["sequence"] for one in items] == [1, 2, 3, 4]
    assert ["modifierExtension" in one for one in items] == [False, False, True, False]
    assert items[2]["modifierExtension"] == [
        {
            "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/modifierextension-infoCancelled",
            "valueBoolean": True,
        }
    ]


def test_an_inquiry_carries_no_evidence() -> None:
    bundle = pas_bundle.inquiry(submission(), system_of)
    assert not resources(bundle, "DocumentReference")
    assert "supportingInfo" not in claim_of(bundle)
    assert claim_of(bundle)["identifier"] == claim_of(pas_bundle.request(submission(), system_of))["identifier"]


def test_the_same_submission_is_the_same_bundle() -> None:
    assert pas_bundle.request(submission(), system_of) == BUNDLES[0]


@pytest.mark.parametrize("missing", [{"member_id": ""}, {"lines": ()}])
def test_what_a_payer_could_not_place_is_not_asked(missing: Json) -> None:
    with pytest.raises(Incomplete):
        pas_bundle.request(submission(authorization(**missing)), system_of)


def test_a_dependent_is_told_from_the_subscriber() -> None:
    said = authorization(subscriber_id="W11", member_id="W1122", member_suffix="02")
    (coverage,) = resources(pas_bundle.request(submission(said), system_of), "Coverage")
    assert (coverage["subscriberId"], coverage["dependent"]) == ("W11", "02")
    assert coverage["identifier"][0]["value"] == "W1122"
    assert coverage["relationship"]["coding"][0]["code"] == "other"
