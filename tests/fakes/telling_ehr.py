"""A FHIR server that says when something changed there: the samples' strict one, with R4's own subscriptions, over a real socket."""

from __future__ import annotations

from samples.ehr_books import Refusal
from tests.fakes.telling import Json, Telling


class TellingEhr(Telling):
    """accepts: whether it takes Subscriptions at all."""

    def __init__(self) -> None:
        super().__init__()
        self.accepts = True

    def asked(self, kind: str) -> int:
        """Return how often resources of a kind were searched for."""
        return sum(one.startswith(f"GET /fhir/{kind} ") for one in self.requests)

    def _taken(self, asked: Json) -> tuple[int, Json]:
        if not self.accepts:
            raise Refusal(404, "not-supported", "not served here")
        return super()._taken(asked)

    def change(self, resource: Json) -> Json:
        """Write a resource, and call whoever wants to hear of its kind: with nothing, as R4 has it without a payload."""
        _, kept = self.books.create(resource)
        for one in self.subscriptions:
            if one["criteria"].split("?")[0] == resource["resourceType"]:
                self.call(one)
        return kept
