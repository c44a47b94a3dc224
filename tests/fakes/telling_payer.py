"""A payer that tells by itself what it decided: the tests' payer, with the subscriptions of Da Vinci PAS, over a real socket."""

from __future__ import annotations

import orjson

from samples.ehr_books import Refusal
from tests.fakes.pas_payer import PasPayer
from tests.fakes.telling import Json, Telling

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


class TellingPayer(Telling, PasPayer):
    """content: what a notification says, "full-resource" or "id-only". numbered: events told, by subscription."""

    def __init__(self) -> None:
        super().__init__()
        self.content = "full-resource"
        self.numbered: dict[str, int] = {}

    def _taken(self, asked: Json) -> tuple[int, Json]:
        """Shake hands before it is answered."""
        status, made = self.books.create(asked)
        if "orgIdentifier=" not in _filter_of(made):
            raise Refusal(422, "required", "whose decisions?", "Subscription.criteria")
        answered = self.send(made, status_of(made, "handshake", 0, []))
        made = self.books.update(made | {"status": "active" if answered == 200 else "error"}, made["id"])[1]
        return status, made

    def tell(self, trace: str, *, skip: int = 0, secret: str = "") -> int:
        """Decide the request with *trace* as `decision` says, and tell it; skip: events that get lost. Returns the status."""
        (one,) = self.subscriptions
        number = self.numbered.get(one["id"], 0) + 1 + skip
        self.numbered[one["id"]] = number
        response = self._answer_to(self.held[trace])
        bundle = {"resourceType": "Bundle", "id": "told", "type": "collection"}
        bundle["entry"] = [{"fullUrl": f"{self.base_url}/ClaimResponse/{response['id']}", "resource": response}]
        told = {"fullUrl": f"{self.base_url}/Bundle/told", "request": {"method": "GET", "url": "Bundle/told"}}
        if self.content == "full-resource":
            told["resource"] = bundle
        return self.send(one, status_of(one, "event-notification", number, [told]), secret)

    def send(self, one: Json, bundle: Json, secret: str = "") -> int:
        """POST a notification to where a subscription wants it; returns the status of the answer."""
        return self.call(one, secret, orjson.dumps(bundle), "application/fhir+json")


def status_of(one: Json, kind: str, number: int, told: list[Json]) -> Json:
    """Return a notification in R4's backport form."""
    parts: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"Subscription/{one['id']}"}},
        {"name": "topic", "valueCanonical": one["criteria"]},
        {"name": "status", "valueCode": one["status"]},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(number)},
    ]
    for each in told:
        event = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "focus", "valueReference": {"reference": each["fullUrl"]}},
        ]
        parts.append({"name": "notification-event", "part": event})
    first = {"resource": {"resourceType": "Parameters", "parameter": parts}, "request": {"method": "GET", "url": "s"}}
    return {"resourceType": "Bundle", "type": "history", "entry": [first, *told]}


def _filter_of(one: Json) -> str:
    said = one.get("_criteria", {}).get("extension", [])
    return "".join(each.get("valueString", "") for each in said if each["url"] == f"{_BACKPORT}filter-criteria")
