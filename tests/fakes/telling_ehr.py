"""A FHIR server that says when something changed there: the samples' strict one, with R4's own subscriptions, over a real socket."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from samples.ehr_books import Refusal
from samples.strict_ehr import StrictEhr

Json = dict[str, Any]


class TellingEhr(StrictEhr):
    """heard: the status of each answer that it got. accepts: whether it takes Subscriptions at all."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []
        self.accepts = True

    @property
    def subscriptions(self) -> list[Json]:
        return self.books.search("Subscription", {})

    def asked(self, kind: str) -> int:
        """Return how often resources of a kind were searched for."""
        return sum(one.startswith(f"GET /fhir/{kind} ") for one in self.requests)

    def answer(self, method: str, url: Any, body: Json | None, headers: Any) -> tuple[int, Json]:
        """Take a Subscription, which is told to from then on. Raises: Refusal."""
        if not url.path.endswith("/Subscription"):
            return super().answer(method, url, body, headers)
        if method == "GET":
            wanted = urllib.parse.parse_qs(url.query).get("url", [])
            found = [one for one in self.subscriptions if one["channel"]["endpoint"] in wanted]
            return 200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}
        if not self.accepts:
            raise Refusal(404, "not-supported", "not served here")
        return self.books.create(self._checked(body, "Subscription") | {"status": "active"})

    def change(self, resource: Json) -> Json:
        """Write a resource, and call whoever wants to hear of its kind."""
        _, kept = self.books.create(resource)
        for one in self.subscriptions:
            if one["criteria"].split("?")[0] == resource["resourceType"]:
                self.call(one)
        return kept

    def call(self, one: Json, secret: str = "") -> int:
        """POST nothing to where a subscription wants it, as R4 has it without a payload; returns the status of the answer."""
        headers = dict(line.split(": ", 1) for line in one["channel"]["header"])
        headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
        asked = urllib.request.Request(one["channel"]["endpoint"], b"", headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                self.heard.append(answer.status)
        except urllib.error.HTTPError as refused:
            self.heard.append(refused.code)
        return self.heard[-1]
