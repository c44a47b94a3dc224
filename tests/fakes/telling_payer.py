"""A payer that tells by itself what it decided: the tests' payer, with the subscriptions of Da Vinci PAS, over a real socket."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import orjson

from samples.ehr_books import Refusal
from tests.fakes.pas_payer import PasPayer

Json = dict[str, Any]

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


class TellingPayer(PasPayer):
    """
    content: what a notification says, "full-resource" or "id-only". numbered: events told, by subscription.

    heard: the status of each answer that it got.
    """

    def __init__(self) -> None:
        super().__init__()
        self.content = "full-resource"
        self.numbered: dict[str, int] = {}
        self.heard: list[int] = []

    @property
    def subscriptions(self) -> list[Json]:
        return self.books.search("Subscription", {})

    def answer(self, method: str, url: Any, body: Json | None, headers: Any) -> tuple[int, Json]:
        """Take a Subscription, and shake hands before it is answered. Raises: Refusal."""
        if not url.path.endswith("/Subscription"):
            return super().answer(method, url, body, headers)
        if method == "GET":
            wanted = urllib.parse.parse_qs(url.query).get("url", [])
            found = [one for one in self.subscriptions if one["channel"]["endpoint"] in wanted]
            return 200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}
        status, made = self.books.create(self._checked(body, "Subscription"))
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
        channel = one["channel"]
        headers = dict(line.split(": ", 1) for line in channel["header"])
        headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
        headers["Content-Type"] = "application/fhir+json"
        asked = urllib.request.Request(channel["endpoint"], orjson.dumps(bundle), headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                self.heard.append(answer.status)
        except urllib.error.HTTPError as refused:
            self.heard.append(refused.code)
        return self.heard[-1]


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
