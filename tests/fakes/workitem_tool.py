"""A performer as UPS-RS clients are: it asks, claims, reports and completes over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bridge.domain.accounts import Role
from bridge.flows import manage_users
from tests.fakes.console import Console

ROOT = "/dicom-web/workitems"
DICOM_JSON = "application/dicom+json"
LOCK = "2.25.4711"


def element(vr: str, *values: Any) -> dict[str, Any]:
    """Return one element of DICOM JSON."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def code(value: str, scheme: str = "99TEST") -> dict[str, Any]:
    """Return a coded entry."""
    return {
        "00080100": element("SH", value),
        "00080102": element("SH", scheme),
        "00080104": element("LO", f"what {value} means"),
    }


def performed(station: str = "CT1", *made: str) -> dict[str, Any]:
    """Return what must be said before a workitem may be completed. made: SOP Instance UIDs."""
    output = {
        "0040E020": element("CS", "DICOM"),
        "0020000D": element("UI", "2.25.1"),
        "00081199": element("SQ", *({"00081155": element("UI", uid)} for uid in made)),
    }
    item = {
        "00404028": element("SQ", code(station)),
        "00404019": element("SQ", code("done")),
        "00404050": element("DT", "20260302161000"),
        "00404051": element("DT", "20260302163000"),
        "00404033": element("SQ", output) if made else element("SQ"),
    }
    return {"00741216": element("SQ", item)}


def new_task(**more: Any) -> dict[str, Any]:
    """Return the least that a new workitem says; more: further elements, by "t" and their tag."""
    return {
        "00741200": element("CS", "MEDIUM"),
        "00741204": element("LO", "Find nodules"),
        "00404005": element("DT", "20260302160000"),
        "00404041": element("CS", "READY"),
        "00741000": element("CS", "SCHEDULED"),
        **{tag[1:]: value for tag, value in more.items()},
    }


def on_study(*uids: str) -> dict[str, Any]:
    """Return the inputs of a task."""
    return element("SQ", *({"0040E020": element("CS", "DICOM"), "0020000D": element("UI", uid)} for uid in uids))


class Tool:
    """One client with a token. title: the device it acts as, "" for none."""

    def __init__(
        self, console: Console, title: str = "", *, scopes: tuple[str, ...] = ("ups",), name: str = ""
    ) -> None:
        token = manage_users.create_token(
            console.store,
            console.clock,
            name or f"tool-{title or 'x'}",
            Role.SYSTEM,
            scopes=scopes,
            ae_title=title,
            actor="system",
        )
        self.token = token
        self.client: FlaskClient = console.app.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"

    def search(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.client.get(f"{ROOT}?{query}")
        assert answer.status_code in (200, 204, 206), answer.data
        return list(json.loads(answer.data)) if answer.data else []

    def uids(self, query: str = "") -> list[str]:
        return [first(item, "00080018") for item in self.search(query)]

    def uid_of(self, accession: str) -> str:
        (found,) = self.uids(f"ReferencedRequestSequence.AccessionNumber={accession}")
        return found

    def get(self, uid: str) -> dict[str, Any]:
        answer = self.client.get(f"{ROOT}/{uid}")
        assert answer.status_code == 200, answer.data
        (item,) = json.loads(answer.data)
        return dict(item)

    def state(self, uid: str) -> str:
        return str(first(self.get(uid), "00741000"))

    def create(self, said: Mapping[str, Any], uid: str = "") -> TestResponse:
        return self._send("POST", f"{ROOT}?{uid}" if uid else ROOT, said)

    def update(self, uid: str, said: Mapping[str, Any], lock: str = "") -> TestResponse:
        return self._send("POST", f"{ROOT}/{uid}?{lock}" if lock else f"{ROOT}/{uid}", said)

    def change(self, uid: str, state: str, lock: str = LOCK) -> TestResponse:
        said = {"00741000": element("CS", state)} | ({"00081195": element("UI", lock)} if lock else {})
        return self._send("PUT", f"{ROOT}/{uid}/state", said)

    def claim(self, uid: str, lock: str = LOCK) -> None:
        answer = self.change(uid, "IN PROGRESS", lock)
        assert answer.status_code == 200, answer.data

    def complete(self, uid: str, lock: str = LOCK, *made: str) -> None:
        answer = self.update(uid, performed("CT1", *made), lock)
        assert answer.status_code == 200, answer.data
        answer = self.change(uid, "COMPLETED", lock)
        assert answer.status_code == 200, answer.data

    def give_up(self, uid: str, lock: str = LOCK, reason: str = "") -> None:
        if reason:
            progress = {"00741002": element("SQ", {"0074100E": element("SQ", code(reason, "DCM"))})}
            assert self.update(uid, progress, lock).status_code == 200
        assert self.change(uid, "CANCELED", lock).status_code == 200

    def request_cancel(self, uid: str, said: Mapping[str, Any] | None = None) -> TestResponse:
        return self._send("POST", f"{ROOT}/{uid}/cancelrequest", said or {})

    def _send(self, method: str, path: str, said: Mapping[str, Any]) -> TestResponse:
        body = json.dumps([said])
        return self.client.open(path, method=method, data=body, content_type=DICOM_JSON)


def first(item: Mapping[str, Any], *path: str) -> Any:
    """Return the first value at a path of tags, None if there is none."""
    for tag in path[:-1]:
        item = item[tag]["Value"][0]
    return (item.get(path[-1], {}).get("Value") or [None])[0]


def warning(answer: TestResponse) -> str:
    """Return the sentence of an answer's Warning."""
    return str(answer.headers.get("Warning", "")).partition("/dicom-web: ")[2]
