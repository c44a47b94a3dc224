"""A FHIR server at which we keep Subscriptions: it finds them by the address that they call, and calls it."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from samples.strict_ehr import StrictEhr

Json = dict[str, Any]


class Telling(StrictEhr):
    """heard: the status of each answer that it got."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []

    @property
    def subscriptions(self) -> list[Json]:
        return self.books.search("Subscription", {})

    def answer(self, method: str, url: Any, body: Json | None, headers: Any) -> tuple[int, Json]:
        """Take a Subscription as `_taken` does, and find those that want one address called. Raises: Refusal."""
        if not url.path.endswith("/Subscription"):
            return super().answer(method, url, body, headers)
        if method == "GET":
            wanted = urllib.parse.parse_qs(url.query).get("url", [])
            found = [one for one in self.subscriptions if one["channel"]["endpoint"] in wanted]
            return 200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}
        return self._taken(self._checked(body, "Subscription"))

    def _taken(self, asked: Json) -> tuple[int, Json]:
        return self.books.create(asked | {"status": "active"})

    def call(self, one: Json, secret: str = "", body: bytes = b"", kind: str = "") -> int:
        """POST *body* to where a subscription wants it; returns the status of the answer."""
        headers = dict(line.split(": ", 1) for line in one["channel"]["header"])
        headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
        headers |= {"Content-Type": kind} if kind else {}
        asked = urllib.request.Request(one["channel"]["endpoint"], body, headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                self.heard.append(answer.status)
        except urllib.error.HTTPError as refused:
            self.heard.append(refused.code)
        return self.heard[-1]
