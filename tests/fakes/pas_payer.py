"""A payer that takes requests for authorization over HTTP: strict about what it is sent, and faulty on command."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bridge.codecs.fhir.validate import faults

Json = dict[str, Any]

_PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
_X12 = "https://codesystem.x12.org/005010/"


class PasPayer:
    """
    The payer, in a thread of its own between `start` and `stop`.

    decision: HCR01 that it answers with; number: beside it. mode: of the next $submit: "", "commit-then-close", or a status.
    inquires: whether it offers $inquire. requests: each Claim that came, by operation.
    """

    def __init__(self) -> None:
        self.decision, self.number = "A1", "PA-4711"
        self.mode = ""
        self.inquires = True
        self.error = ""
        self.person: Json = {}
        self.requests: list[tuple[str, Json]] = []
        self.held: dict[str, Json] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.payer = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/fhir"

    @property
    def submitted(self) -> list[Json]:
        return [bundle for operation, bundle in self.requests if operation == "$submit"]

    def start(self) -> PasPayer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer_to(self, claim: Json) -> Json:
        """Return a ClaimResponse to *claim* as things stand."""
        response: Json = {
            "resourceType": "ClaimResponse",
            "id": f"answer-{len(self.requests)}",
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
            response |= {
                "patient": {"reference": "#who"},
                "contained": [{"resourceType": "Patient", "id": "who", **self.person}],
            }
        if self.error:
            code = {"coding": [{"system": f"{_X12}901", "code": self.error}]}
            return response | {"error": [{"code": code}]}
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def payer(self) -> PasPayer:
        found: PasPayer = self.server.payer  # type: ignore[attr-defined]
        return found

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._say(200, {"resourceType": "CapabilityStatement", "status": "active"})

    def do_POST(self) -> None:
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.path.rpartition("/")[2]
        payer = self.payer
        if operation == "$inquire" and not payer.inquires:
            self._say(404, _outcome("not-supported"))
            return
        payer.requests.append((operation, bundle))
        claim = bundle["entry"][0]["resource"]
        trace = claim["identifier"][0]["value"]
        if operation == "$inquire":
            known = payer.held.get(trace)
            self._say(200, _bundle([payer.answer_to(known)] if known else []))
            return
        wrong = faults(bundle, "R4")
        if wrong or payer.mode.isdecimal():
            self._say(int(payer.mode or 400), _outcome("invalid"))
            return
        mode, payer.mode = payer.mode, ""
        if not payer.error:
            payer.held[trace] = claim
        if mode == "commit-then-close":
            self.close_connection = True
            self.connection.close()
            return
        self._say(200, _bundle([payer.answer_to(claim)]))

    def _say(self, status: int, said: Json) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _bundle(resources: list[Json]) -> Json:
    entries = [{"fullUrl": f"http://payer.example/{one['id']}", "resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _outcome(code: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
