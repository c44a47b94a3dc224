"""The EHR's side of FHIR: the patients, orders and the authorization it had in the morning, and a look at its chart."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

Json = dict[str, Any]

RIVERSIDE = "urn:oid:2.25.83412674890127364501928374650192837465"
RIVEHR = "urn:oid:2.25.83412674890127364501928374650192837466"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"

PATIENTS = (
    # number, family, given, birth date, gender
    ("00041001", "Halvorsen", "Ingrid", "1958-03-12", "female"),
    ("00041002", "Okonkwo", "Daniel", "1971-09-04", "male"),
    ("00041003", "Yamada", "Taro", "1966-02-21", "male"),
    ("00041004", "Mercier", "Élodie", "1989-07-17", "female"),
    ("00041005", "Mercier", "Élise", "1989-07-17", "female"),
    ("00041006", "Ferreira", "Joao", "1980-01-10", "male"),
    ("00032210", "Ferreira", "João", "1980-01-10", "male"),
    ("00041007", "Brandt", "Walter", "1943-05-30", "male"),
    ("00041008", "Nowak", "Zofia", "2012-06-18", "female"),
)
ORDERS = (
    # order, patient, what
    ("01", "00041001", "71260"),
    ("02", "00041004", "71046"),
    ("03", "00041005", "73130"),
    ("04", "00041003", "76700"),
    ("05", "00041002", "45378"),
    ("06", "00041006", "70450"),
    ("07", "00041007", "73562"),
    ("08", "00041002", "72148"),
)
AUTHORIZATION = "PA778120"


def call(method: str, url: str, body: Json | None = None, token: str = "") -> tuple[int, Json]:
    """Send one request and return its status and JSON body; a refusal is an answer too."""
    headers = {"Accept": "application/json, application/fhir+json"}
    data = None
    if body is not None:
        fhir = "resourceType" in body
        data, headers["Content-Type"] = json.dumps(body).encode(), f"application/{'fhir+' if fhir else ''}json"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as refusal:
        with refusal:
            text = refusal.read()
        return refusal.code, json.loads(text) if text[:1] in (b"{", b"[") else {}


class Chart:
    """The EHR's FHIR server."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self.patients: dict[str, str] = {}

    def open_the_day(self, at: datetime) -> None:
        """Enter what the EHR knows before the first message: patients, today's orders, one request for authorization."""
        for number, family, given, born, gender in PATIENTS:
            self.patients[number] = self._create(
                {
                    "resourceType": "Patient",
                    "identifier": [_typed("MR", RIVERSIDE, number)],
                    "name": [{"family": family, "given": [given]}],
                    "birthDate": born,
                    "gender": gender,
                }
            )
        for order, number, code in ORDERS:
            self._create(
                {
                    "resourceType": "ServiceRequest",
                    "identifier": [_typed("PLAC", RIVEHR, f"RE{at:%y%m%d}{order}")],
                    "status": "active",
                    "intent": "order",
                    "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": code}]},
                    "subject": {"reference": self.patients[number]},
                    "authoredOn": f"{at:%Y-%m-%d}",
                }
            )
        self._create(self._claim(at))

    def _claim(self, at: datetime) -> Json:
        payer = {"display": "Acme Health Plan", "identifier": {"value": "60054"}}
        code = {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "71260"}]}
        return {
            "resourceType": "Claim",
            "identifier": [{"system": "https://acme.example/authorizations", "value": AUTHORIZATION}],
            "status": "active",
            "type": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]
            },
            "use": "preauthorization",
            "patient": {"reference": self.patients["00041001"]},
            "created": f"{at:%Y-%m-%d}",
            "insurer": payer,
            "provider": {"display": "Riverside Imaging"},
            "priority": {"coding": [{"code": "normal"}]},
            "insurance": [
                {
                    "sequence": 1,
                    "focal": True,
                    "coverage": {"display": "Acme Health Plan AHP55120"},
                    "preAuthRef": [AUTHORIZATION],
                }
            ],
            "item": [{"sequence": 1, "productOrService": code}],
        }

    def study(self, study_instance_uid: str) -> Json | None:
        """Return the one ImagingStudy of a UID, None if the chart has none. Two of them are an error."""
        found = self._search("ImagingStudy", identifier=f"urn:dicom:uid|urn:oid:{study_instance_uid}")
        if len(found) > 1:
            raise AssertionError("the chart holds a study twice")
        return found[0] if found else None

    def authorization(self) -> Json:
        """Return the request for authorization as it is now."""
        return self._search("Claim", identifier=AUTHORIZATION)[0]

    def _create(self, resource: Json) -> str:
        status, made = call("POST", f"{self._base_url}/{resource['resourceType']}", resource)
        if status != 201:
            raise ConnectionError(f"the EHR would not take a {resource['resourceType']}: {status} {made}")
        return f"{made['resourceType']}/{made['id']}"

    def _search(self, kind: str, **parameters: str) -> list[Json]:
        _, bundle = call("GET", f"{self._base_url}/{kind}?{urllib.parse.urlencode(parameters)}")
        return [entry["resource"] for entry in bundle.get("entry", [])]


def _typed(code: str, system: str, value: str) -> Json:
    return {"type": {"coding": [{"system": _TYPES, "code": code}]}, "system": system, "value": value}
