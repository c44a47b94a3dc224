"""A payer's FHIR endpoint that takes nothing wrong and misbehaves on command: the tests' opponent for Da Vinci CDex.

    python -m samples.strict_payer --port 9090 --limit-mb 2
    curl -X POST 127.0.0.1:9090/_mode -d '{"mode": "commit-then-hang", "count": 1, "methods": ["POST"]}'

POST /fhir/$submit-attachment: 413 above its limit, 400 for what is not as CDex has it, 422 for a member it does not insure.
Tasks that ask for attachments are read, searched and updated under /fhir/Task; each that is answered is completed. Modes,
/_state and /_reset are those of `samples.strict_ehr`; operations: more of them, by path, as a way to payers needs them.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.ehr_books import Refusal
from samples.ehr_door import Door
from samples.strict_ehr import BASE, StrictEhr

Json = dict[str, Any]

ATTACHED = "$submit-attachment"
_ONCE = {
    "TrackingId": "valueIdentifier",
    "AttachTo": "valueCode",
    "MemberId": "valueIdentifier",
}
_AT_MOST_ONCE = {
    "AdminRefNumber": "valueIdentifier",
    "PayerId": "valueIdentifier",
    "OrganizationId": "valueIdentifier",
    "ProviderId": "valueIdentifier",
    "ServiceDate": "valueDate",
    "Final": "valueBoolean",
}


class StrictPayer(StrictEhr):
    """
    limit_bytes: of what it takes in one request. looks_up: documents that it has can be searched by their identifier.

    members: whom it insures, everybody if None. received: what it took, by tracking number, in order.
    """

    def __init__(
        self, port: int = 0, *, limit_bytes: int = 20_000_000, looks_up: bool = True, door: Door | None = None
    ) -> None:
        super().__init__(port, door=door)
        self.limit_bytes = limit_bytes
        self.looks_up = looks_up
        self.members: set[str] | None = None
        self.received: dict[str, list[Json]] = {}
        self.operations: dict[str, Callable[[Json], tuple[int, Json]]] = {ATTACHED: self.take_attachment}

    def answer(self, method: str, url: urllib.parse.SplitResult, body: Json | None, headers: Any) -> tuple[int, Json]:
        """Do what a request asks. Raises: Refusal."""
        path = url.path.removeprefix(BASE).strip("/")
        if path in self.operations and method == "POST":
            if len(json.dumps(body)) > self.limit_bytes:
                raise Refusal(413, "too-long", f"no more than {self.limit_bytes} bytes: send a link")
            if body is None:
                raise Refusal(400, "structure", "no JSON object")
            return self.operations[path](body)
        if path == "metadata":
            return 200, self._statement()
        if path.startswith("DocumentReference") and not self.looks_up:
            raise Refusal(404, "not-supported", "not served here")
        return super().answer(method, url, body, headers)

    def take_attachment(self, body: Json) -> tuple[int, Json]:
        """Take the Parameters of $submit-attachment. Raises: Refusal. Source: HL7 Da Vinci CDex, submit-attachment."""
        said = _parameters(body)
        number = said["TrackingId"][0]["valueIdentifier"]["value"]
        member = said["MemberId"][0]["valueIdentifier"]["value"]
        if self.members is not None and member not in self.members:
            raise Refusal(422, "business-rule", "no such member", "Parameters.parameter[MemberId]")
        documents = [self._document(one) for one in said["Attachment"]]
        with self.books.lock:
            self.received.setdefault(number, []).append(body)
            for one in documents:
                self.books.create(one)
            self._answered(number)
        issue = {"severity": "information", "code": "informational", "diagnostics": "taken"}
        return 200, {"resourceType": "OperationOutcome", "issue": [issue]}

    def ask(self, task: Json) -> Json:
        """Ask for attachments by a Task, which whoever polls finds."""
        return self.books.create(self._checked(task, "Task"))[1]

    def _document(self, attachment: Json) -> Json:
        parts = {part.get("name"): part for part in attachment.get("part", [])}
        resource = parts.get("Content", {}).get("resource")
        if "Code" not in parts or not isinstance(resource, dict):
            raise Refusal(400, "required", "an attachment has a code and a content", "Parameters.parameter[Attachment]")
        document = self._checked(resource, "DocumentReference")
        inside = document["content"][0]["attachment"]
        try:
            content = base64.b64decode(inside.get("data", ""), validate=True)
        except binascii.Error:
            raise Refusal(400, "value", "not Base64", "DocumentReference.content.attachment.data") from None
        if inside.get("contentType") == "application/pdf" and not content.startswith(b"%PDF-"):
            raise Refusal(400, "value", "no PDF", "DocumentReference.content.attachment.data")
        return document

    def _answered(self, number: str) -> None:
        for task in self.books.search("Task", {}):
            named = [one.get("value") for one in task.get("identifier", [])]
            if number in named and task["status"] in ("requested", "accepted", "in-progress"):
                self.books.update(task | {"status": "completed"}, task["id"])

    def _statement(self) -> Json:
        kinds = {"Task": ["read", "search-type", "update"]}
        kinds |= {"DocumentReference": ["read", "search-type"]} if self.looks_up else {}
        said = self.offers.statement("4.0.1", self.base_url)
        resources = [
            {"type": kind, "interaction": [{"code": verb} for verb in verbs], "versioning": "versioned-update"}
            for kind, verbs in kinds.items()
        ]
        operations = [{"name": name.lstrip("$"), "definition": name} for name in self.operations]
        software = {"name": "strict payer"}
        return said | {
            "software": software,
            "rest": [{"mode": "server", "resource": resources, "operation": operations}],
        }


def _parameters(body: Json) -> dict[str, list[Json]]:
    """Return the parameters by name. Raises: Refusal, where one is missing, stands twice or is not known."""
    if body.get("resourceType") != "Parameters":
        raise Refusal(400, "invalid", "Parameters belong here", "resourceType")
    said: dict[str, list[Json]] = {}
    for one in body.get("parameter", []):
        said.setdefault(one.get("name", ""), []).append(one)
    unknown = sorted(set(said) - {*_ONCE, *_AT_MOST_ONCE, "Attachment"})
    if unknown:
        raise Refusal(400, "not-supported", "no such parameter", f"Parameters.parameter[{unknown[0]}]")
    for name, kind in (_ONCE | _AT_MOST_ONCE).items():
        found = said.get(name, [])
        if len(found) > 1 or (name in _ONCE and not found) or any(kind not in one for one in found):
            raise Refusal(400, "required", "once, and of its type", f"Parameters.parameter[{name}]")
    if not said.get("Attachment"):
        raise Refusal(400, "required", "at least one", "Parameters.parameter[Attachment]")
    return said


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--limit-mb", type=float, default=20.0, help="what it takes in one request")
    parser.add_argument("--token", default="", help="let in only who sends this bearer token")
    chosen = parser.parse_args()
    door = Door(token=chosen.token) if chosen.token else None
    StrictPayer(chosen.port, limit_bytes=int(chosen.limit_mb * 1_000_000), door=door).serve()


if __name__ == "__main__":
    main()
