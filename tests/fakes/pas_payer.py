"""The strict payer, which takes requests for authorization as well: it decides them as a test says."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.validate import faults
from samples.ehr_books import Refusal
from samples.strict_payer import StrictPayer

Json = dict[str, Any]

_PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
_X12 = "https://codesystem.x12.org/005010/"
_SUBMIT, _INQUIRE = "Claim/$submit", "Claim/$inquire"


class PasPayer(StrictPayer):
    """
    decision: HCR01 that it answers with; number: beside it; error: X12 901, where it cannot use a request, "" where it can.

    person: what it says of the patient, {} for nothing. asked: each Bundle that came, by operation; held: Claims by trace.
    """

    def __init__(self, *, inquires: bool = True) -> None:
        super().__init__()
        self.decision, self.number, self.error = "A1", "PA-4711", ""
        self.person: Json = {}
        self.asked: list[tuple[str, Json]] = []
        self.held: dict[str, Json] = {}
        self.operations[_SUBMIT] = self.submit
        if inquires:
            self.operations[_INQUIRE] = self.inquire

    @property
    def submitted(self) -> list[Json]:
        return [bundle for operation, bundle in self.asked if operation == _SUBMIT]

    @property
    def inquiries(self) -> int:
        return len(self.asked) - len(self.submitted)

    def submit(self, bundle: Json) -> tuple[int, Json]:
        """Take a request. Raises: Refusal, for one that is not valid."""
        claim = self._claim(_SUBMIT, bundle)
        if not self.error:
            self.held[_trace(claim)] = claim
        return 200, _bundle([self._answer_to(claim)])

    def inquire(self, bundle: Json) -> tuple[int, Json]:
        """Say how a request stands; nothing, of one that never came. Raises: Refusal."""
        claim = self._claim(_INQUIRE, bundle)
        known = self.held.get(_trace(claim))
        return 200, _bundle([self._answer_to(known)] if known else [])

    def _claim(self, operation: str, bundle: Json) -> Json:
        self.asked.append((operation, bundle))
        for fault in faults(bundle, "R4"):
            raise Refusal(400, "invalid", "not as R4 has it", fault.get("expression", [""])[0])
        claim: Json = bundle["entry"][0]["resource"]
        return claim

    def _answer_to(self, claim: Json) -> Json:
        response: Json = {
            "resourceType": "ClaimResponse",
            "id": f"answer-{len(self.asked)}",
            "identifier": claim["identifier"],
            "status": "active",
            "type": claim["type"],
            "use": "preauthorization",
            "patient": claim["patient"],
            "created": "2026-03-02",
            "insurer": claim["insurer"],
            "outcome": "error" if self.error else "complete",
        }
        if self.person:
            who = {"resourceType": "Patient", "id": "who", **self.person}
            response |= {"patient": {"reference": "#who"}, "contained": [who]}
        if self.error:
            return response | {"error": [{"code": {"coding": [{"system": f"{_X12}901", "code": self.error}]}}]}
        return response | {"item": [self._decided(item) for item in claim["item"]]}

    def _decided(self, item: Json) -> Json:
        cancelled = any(one["url"].endswith("infoCancelled") for one in item.get("modifierExtension", []))
        code = {"coding": [{"system": f"{_X12}306", "code": "C" if cancelled else self.decision}]}
        parts: list[Json] = [{"url": f"{_PAS}reviewActionCode", "valueCodeableConcept": code}]
        if self.number:
            parts.insert(0, {"url": "number", "valueString": self.number})
        action = {"url": f"{_PAS}reviewAction", "extension": parts}
        category = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/adjudication", "code": "submitted"}]}
        return {"itemSequence": item["sequence"], "adjudication": [{"extension": [action], "category": category}]}


def _trace(claim: Json) -> str:
    return str(claim["identifier"][0]["value"])


def _bundle(resources: list[Json]) -> Json:
    entries = [{"fullUrl": f"http://payer.example/{one['id']}", "resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
