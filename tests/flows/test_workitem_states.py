"""Every row of the state table of workitems, and what must be said before one may end. Source: PS3.4 Table CC.1.1-2, CC.2.5-3."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from bridge.clock import FixedClock
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.fakes.workitem_tool import LOCK, Tool, element, first, new_task, performed, warning

MakeHouse = Callable[..., House]

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED, NULL = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED", "null"
MISSING = "The Transaction UID is missing."
WRONG = "The Transaction UID is incorrect."
INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."
ALREADY_CANCELED = "The UPS is already in the requested state of CANCELED."
ALREADY_COMPLETED = "The UPS is already in the requested state of COMPLETED."
OTHER_LOCK = "2.25.999"

Act = Callable[[Tool, str], TestResponse]

# Event, then for each state before: status, the standard's sentence, state after. Status codes: PS3.18 11.4.3 to 11.8.3.
Row = tuple[str, Act, dict[str, tuple[int, str, str]]]
TABLE: list[Row] = [
    (
        "N-CREATE received for this SOP Instance UID",
        lambda tool, uid: tool.create(new_task(t00741202=element("LO", "X")), uid),
        {
            NULL: (201, "", SCHEDULED),
            SCHEDULED: (409, "", SCHEDULED),
            IN_PROGRESS: (409, "", IN_PROGRESS),
            COMPLETED: (409, "", COMPLETED),
            CANCELED: (409, "", CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to IN PROGRESS, with correct Transaction UID",
        lambda tool, uid: tool.change(uid, IN_PROGRESS),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (200, "", IN_PROGRESS),
            IN_PROGRESS: (409, INCONSISTENT, IN_PROGRESS),
            COMPLETED: (409, INCONSISTENT, COMPLETED),
            CANCELED: (409, INCONSISTENT, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to IN PROGRESS, without correct Transaction UID",
        lambda tool, uid: tool.change(uid, IN_PROGRESS, ""),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (400, MISSING, SCHEDULED),
            IN_PROGRESS: (400, MISSING, IN_PROGRESS),
            COMPLETED: (400, MISSING, COMPLETED),
            CANCELED: (400, MISSING, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to SCHEDULED",
        lambda tool, uid: tool.change(uid, SCHEDULED),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (400, INCONSISTENT, SCHEDULED),
            IN_PROGRESS: (400, INCONSISTENT, IN_PROGRESS),
            COMPLETED: (400, INCONSISTENT, COMPLETED),
            CANCELED: (400, INCONSISTENT, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to COMPLETED, with correct Transaction UID",
        lambda tool, uid: tool.change(uid, COMPLETED),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (409, INCONSISTENT, SCHEDULED),
            IN_PROGRESS: (200, "", COMPLETED),
            COMPLETED: (200, ALREADY_COMPLETED, COMPLETED),
            CANCELED: (409, INCONSISTENT, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to COMPLETED, without correct Transaction UID",
        lambda tool, uid: tool.change(uid, COMPLETED, OTHER_LOCK),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (409, INCONSISTENT, SCHEDULED),
            IN_PROGRESS: (400, WRONG, IN_PROGRESS),
            COMPLETED: (400, WRONG, COMPLETED),
            CANCELED: (400, WRONG, CANCELED),
        },
    ),
    (
        "N-ACTION to Request Cancel",
        lambda tool, uid: tool.request_cancel(uid),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (202, "", CANCELED),
            IN_PROGRESS: (409, "The performer cannot be contacted.", IN_PROGRESS),
            COMPLETED: (409, "The UPS is already COMPLETED.", COMPLETED),
            CANCELED: (202, ALREADY_CANCELED, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to CANCELED, with correct Transaction UID",
        lambda tool, uid: tool.change(uid, CANCELED),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (409, INCONSISTENT, SCHEDULED),
            IN_PROGRESS: (200, "", CANCELED),
            COMPLETED: (409, INCONSISTENT, COMPLETED),
            CANCELED: (200, ALREADY_CANCELED, CANCELED),
        },
    ),
    (
        "N-ACTION to Change State to CANCELED, without correct Transaction UID",
        lambda tool, uid: tool.change(uid, CANCELED, OTHER_LOCK),
        {
            NULL: (404, "", NULL),
            SCHEDULED: (409, INCONSISTENT, SCHEDULED),
            IN_PROGRESS: (400, WRONG, IN_PROGRESS),
            COMPLETED: (400, WRONG, COMPLETED),
            CANCELED: (400, WRONG, CANCELED),
        },
    ),
]
UPDATES: dict[str, tuple[int, str]] = {
    "SCHEDULED without a lock": (200, ""),
    "SCHEDULED with a lock": (409, "The target URI did not reference a claimed Workitem."),
    "IN PROGRESS with the lock": (200, ""),
    "IN PROGRESS without a lock": (400, MISSING),
    "IN PROGRESS with another lock": (400, WRONG),
    "COMPLETED with the lock": (400, "The submitted request is inconsistent with the current state of the Workitem."),
    "CANCELED with the lock": (400, "The submitted request is inconsistent with the current state of the Workitem."),
    "null with a lock": (404, ""),
}


@pytest.fixture
def console(make_house: MakeHouse) -> Console:
    return Console(make_house(FixedClock(AT)))


def bring(tool: Tool, uid: str, state: str) -> None:
    """Make the task *uid* and bring it to *state*."""
    if state == NULL:
        return
    assert tool.create(new_task(t00741202=element("LO", "X")), uid).status_code == 201
    if state == SCHEDULED:
        return
    tool.claim(uid)
    if state == COMPLETED:
        tool.complete(uid)
    elif state == CANCELED:
        tool.give_up(uid)
    else:
        # What completion asks for is said, so that only the state decides.
        assert tool.update(uid, performed(), LOCK).status_code == 200


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_row_of_table_cc_1_1_2(console: Console, row: Row) -> None:
    tool = Tool(console)
    _, act, wanted = row
    for number, (before, (status, sentence, after)) in enumerate(wanted.items()):
        uid = f"2.25.1{number}"
        bring(tool, uid, before)
        answer = act(tool, uid)
        assert (before, answer.status_code, warning(answer)) == (before, status, sentence)
        if after == NULL:
            assert tool.client.get(f"/dicom-web/workitems/{uid}").status_code == 404
        else:
            assert (before, tool.state(uid)) == (before, after)


@pytest.mark.parametrize("case", UPDATES)
def test_an_update_takes_the_lock_of_what_is_claimed_and_none_before(console: Console, case: str) -> None:
    tool, state = Tool(console), case.partition(" with")[0]
    bring(tool, "2.25.200", state)
    lock = {"without a lock": "", "with another lock": OTHER_LOCK}.get(case.removeprefix(f"{state} "), LOCK)
    answer = tool.update("2.25.200", {"00404011": element("DT", "20260302170000")}, lock)
    assert (answer.status_code, warning(answer)) == UPDATES[case]


def test_a_workitem_is_not_completed_before_everything_is_said(console: Console) -> None:
    tool = Tool(console)
    bring(tool, "2.25.300", IN_PROGRESS)
    for tag in ("00404028", "00404019", "00404050", "00404051", "00404033"):
        said = performed()
        del said["00741216"]["Value"][0][tag]
        assert tool.update("2.25.300", said, LOCK).status_code == 200
        answer = tool.change("2.25.300", COMPLETED)
        assert (answer.status_code, warning(answer)) == (409, INCONSISTENT)
        assert json.loads(answer.data)["where"]
        assert tool.state("2.25.300") == IN_PROGRESS
    tool.complete("2.25.300")


def test_a_cancelled_workitem_says_when_and_why_also_where_its_performer_did_not(console: Console) -> None:
    tool = Tool(console)
    bring(tool, "2.25.301", CANCELED)
    progress = tool.get("2.25.301")["00741002"]["Value"][0]
    assert first(progress, "00404052") == "20260302150000"
    assert first(progress, "0074100E", "00080100") == "110513"


def test_the_lock_is_in_no_answer_whoever_asks_and_however(console: Console) -> None:
    tool = Tool(console)
    bring(tool, "2.25.302", IN_PROGRESS)
    said = {"00404011": element("DT", "20260302170000"), "00081195": element("UI", LOCK)}
    assert tool.update("2.25.302", said).status_code == 200
    looks = ("", "?includefield=all", "?includefield=00404011", "/2.25.302")
    assert all(LOCK not in tool.client.get(f"/dicom-web/workitems{one}").get_data(as_text=True) for one in looks)
    xml = tool.client.get("/dicom-web/workitems/2.25.302", headers={"Accept": "application/dicom+xml"})
    assert LOCK not in xml.get_data(as_text=True)
    for asked in (f"TransactionUID={LOCK}", "00081195=*", "includefield=TransactionUID"):
        assert tool.client.get(f"/dicom-web/workitems?{asked}").status_code == 400


@pytest.mark.parametrize("missing", ["00741200", "00741204", "00404005", "00404041", "00741000"])
def test_a_new_workitem_says_what_table_cc_2_5_3_requires(console: Console, missing: str) -> None:
    said = new_task()
    del said[missing]
    assert Tool(console).create(said, "2.25.303").status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"t00741000": element("CS", IN_PROGRESS)},
        {"t00081195": element("UI", LOCK)},
        {"t00741216": element("SQ", {})},
        {"t00741216": performed()["00741216"]},
        {"t00741200": element("CS", "URGENT")},
        {"t00404041": element("CS", "MAYBE")},
        {"t00404005": element("DT", "tomorrow")},
        {"t00080018": element("UI", "no.uid")},
        {"t00100010": element("PN", "HALVORSEN^INGRID")},
        {"t00100020": element("LO", "0\x00")},
        {"t00400400": element("LT", {"Alphabetic": "no text"})},
    ],
)
def test_a_new_workitem_that_is_none_is_a_bad_request(console: Console, wrong: dict[str, object]) -> None:
    answer = Tool(console).create(new_task(**wrong))
    assert answer.status_code == (201 if wrong == {"t00741216": element("SQ", {})} else 400)


@pytest.mark.parametrize("tag", ["00100010", "00100020", "0040A370", "00741224"])
def test_an_update_cannot_make_it_somebody_elses(console: Console, tag: str) -> None:
    tool = Tool(console)
    bring(tool, "2.25.304", SCHEDULED)
    assert tool.update("2.25.304", {tag: element("LO", "X")}).status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[1]", b'{"00741000": 1}', b'{"x": {}}', b'{"00741000": {"vr": "CS", "Value": 1}}']
)
def test_a_body_that_is_no_data_set_is_a_bad_request(console: Console, body: bytes) -> None:
    tool = Tool(console)
    bring(tool, "2.25.305", SCHEDULED)
    for path, method in (("", "POST"), ("/2.25.305", "POST"), ("/2.25.305/state", "PUT")):
        answer = tool.client.open(
            f"/dicom-web/workitems{path}", method=method, data=body, content_type="application/dicom+json"
        )
        assert answer.status_code == 400, (path, answer.data)
    answer = tool.client.post("/dicom-web/workitems", data=b"{}", content_type="text/plain")
    assert answer.status_code == 415
