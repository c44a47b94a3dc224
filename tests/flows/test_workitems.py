"""Scheduled steps and tasks as workitems: one exam, whichever door it is performed through, and nobody sees what is not theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bridge.clock import FixedClock
from bridge.domain.order import StepStatus
from bridge.flows.change_step import Seen
from bridge.outbox import enqueue
from bridge.store import deliveries, events, orders, performed, workitems
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, order, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.fakes.workitem_tool import LOCK, Tool, code, element, first, new_task, on_study, warning
from tests.fakes.workitem_tool import performed as said
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]
OTHER = "2.25.4712"
STUDY = "2.25.88"


@pytest.fixture
def console(make_house: MakeHouse) -> Console:
    house = make_house(FixedClock(AT))
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return Console(house)


@pytest.fixture
def tool(console: Console) -> Tool:
    return Tool(console, "CT1")


def statuses(console: Console, accession: str = "A1") -> tuple[str, str]:
    """Return the state of an order and of its only step."""
    with console.store.read() as tx:
        found = orders.by_accession(tx, accession)[0]
        (step,) = orders.steps_of(tx, found.key)
    return found.status.value, step.status.value


def timeline(console: Console, accession: str = "A1") -> list[str]:
    with console.store.read() as tx:
        return [one.what for one in events.timeline(tx, [orders.by_accession(tx, accession)[0].key], [])]


def begin(console: Console, uid: str = "2.25.77") -> None:
    console.house.performed_steps.create(uid, sent(cast_mpps("A1")), "CT1")


def end(console: Console, status: str = "COMPLETED", uid: str = "2.25.77") -> None:
    console.house.performed_steps.set(uid, sent(cast_mpps("A1", status)), "CT1")


def test_every_live_step_is_a_workitem_with_what_a_performer_needs(console: Console, tool: Tool) -> None:
    item = tool.get(tool.uid_of("A1"))
    assert first(item, "00741000") == "SCHEDULED"
    assert first(item, "00404005") == "20260302101500"
    assert first(item, "00404018", "00080100") == "71260"
    assert first(item, "00404025", "00080100") == "CT1"
    assert first(item, "00404026", "00080100") == "CT"
    assert first(item, "0040A370", "0020000D") == study_uid("A1")
    assert first(item, "00741202") == "Imaging Bridge"
    assert first(item, "00100010") == {"Alphabetic": PLAIN.name}
    assert {"00404027", "00404021", "00741002", "00741216"} <= item.keys()


def test_a_steps_workitem_keeps_its_uid_through_changes_of_its_order(console: Console, tool: Tool) -> None:
    before = tool.uid_of("A1")
    say(console.house, order(PLAIN, "A1", "XO", at="20260302100000"))
    assert tool.uid_of("A1") == before


def test_a_claim_starts_the_exam_as_a_device_would(console: Console, tool: Tool) -> None:
    tool.claim(tool.uid_of("A1"))
    assert statuses(console) == ("STARTED", "STARTED")
    assert timeline(console)[-1] == "Exam claimed by CT1"
    (on_list,) = worklist_of(console.house)
    assert on_list.AccessionNumber == "A1"
    assert tool.uids("ProcedureStepState=IN%20PROGRESS") == [tool.uid_of("A1")]
    assert tool.uids("ProcedureStepState=SCHEDULED") == []


def test_completion_ends_the_exam_and_says_what_was_made(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    tool.complete(uid, LOCK, "2.25.1.1", "2.25.1.2")
    assert statuses(console) == ("COMPLETED", "COMPLETED")
    assert worklist_of(console.house) == []
    with console.store.read() as tx:
        (done,) = performed.of_order(tx, orders.by_accession(tx, "A1")[0].key)
    assert done.referenced_instances == ("2.25.1.1", "2.25.1.2")
    assert done.ended_local == "20260302163000"
    assert tool.uids("ProcedureStepState=COMPLETED") == [uid]


def test_giving_up_discontinues_the_exam(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    tool.give_up(uid)
    assert statuses(console) == ("DISCONTINUED", "DISCONTINUED")


def test_a_wrong_entry_comes_back_as_another_workitem(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    tool.give_up(uid, reason="110514")
    assert statuses(console) == ("SCHEDULED", "SCHEDULED")
    assert tool.state(uid) == "CANCELED"
    again = tool.uids("ProcedureStepState=SCHEDULED")
    assert again != [uid]
    tool.claim(again[0], OTHER)
    tool.complete(again[0], OTHER)
    assert statuses(console) == ("COMPLETED", "COMPLETED")


def test_a_run_of_which_nothing_is_kept_is_gone(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    begin(console)
    end(console, "DISCONTINUED")
    assert statuses(console)[1] == "DISCONTINUED"
    begin(console, "2.25.78")
    assert tool.client.get(f"/dicom-web/workitems/{uid}").status_code == 410
    assert tool.uid_of("A1") != uid


def test_what_a_device_performs_cannot_be_claimed(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    begin(console)
    assert tool.state(uid) == "IN PROGRESS"
    assert tool.change(uid, "IN PROGRESS").status_code == 409
    assert tool.change(uid, "COMPLETED").status_code == 400
    end(console)
    assert tool.state(uid) == "COMPLETED"
    assert tool.change(uid, "IN PROGRESS").status_code == 409


def test_a_device_may_perform_what_is_claimed_and_the_exam_ends_with_the_last_of_both(
    console: Console, tool: Tool
) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    begin(console)
    tool.complete(uid)
    assert (tool.state(uid), statuses(console)[1]) == ("COMPLETED", "STARTED")
    end(console)
    assert statuses(console) == ("COMPLETED", "COMPLETED")


def test_a_claim_lapses_when_a_person_takes_the_exam_back(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    with console.store.read() as tx:
        (step,) = orders.steps_of(tx, orders.by_accession(tx, "A1")[0].key)
    console.house.step_changer.mark(Seen(step.key, step.version, "user:maria", "not begun"), StepStatus.ARRIVED)
    assert tool.state(uid) == "CANCELED"
    assert tool.update(uid, said(), LOCK).status_code == 400
    assert tool.change(uid, "COMPLETED").status_code == 409
    begin(console)
    end(console)
    assert statuses(console) == ("COMPLETED", "COMPLETED")


def test_a_cancelled_order_is_a_cancelled_workitem(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    say(console.house, order(PLAIN, "A1", "CA", at="20260302110000"))
    assert tool.state(uid) == "CANCELED"
    assert tool.uids() == []
    assert tool.change(uid, "IN PROGRESS").status_code == 409


def test_a_cancel_request_ends_what_nobody_claimed_and_stays_on_the_timeline_else(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    wish = {"00741238": element("LT", "contrast allergy")}
    tool.claim(uid)
    answer = tool.request_cancel(uid, wish)
    assert (answer.status_code, warning(answer)) == (409, "The performer cannot be contacted.")
    assert timeline(console)[-1] == "Asked to cancel by CT1: contrast allergy"
    say(console.house, order(PLAIN, "A2"))
    other = tool.uid_of("A2")
    assert tool.request_cancel(other, wish).status_code == 202
    assert (tool.state(other), statuses(console, "A2")[1]) == ("CANCELED", "DISCONTINUED")
    assert first(tool.get(other), "00741002", "00741238") == "contrast allergy"


def test_of_many_tools_that_claim_at_once_one_wins(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    others = [Tool(console, name=f"racer-{number}") for number in range(6)]
    start, found = threading.Barrier(len(others)), list[int]()

    def race(number: int, one: Tool) -> None:
        start.wait(20)
        found.append(one.change(uid, "IN PROGRESS", f"2.25.90{number}").status_code)

    threads = [threading.Thread(target=race, args=pair) for pair in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [200, *[409] * 5]
    with console.store.read() as tx:
        row = workitems.find(tx, uid)
        assert row is not None
        assert row.workitem is not None
        assert len(performed.of_order(tx, orders.by_accession(tx, "A1")[0].key)) == 1
        held = row.workitem.transaction_uid
    winner = others[int(held.removeprefix("2.25.90"))]
    winner.complete(uid, held)


def test_the_patient_is_the_records_also_after_a_correction_and_after_the_end(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    tool.claim(uid)
    assert tool.update(uid, {"00101002": element("SQ", {"00100020": element("LO", "X")})}, LOCK).status_code == 200
    tool.complete(uid)
    say(console.house, adt(PLAIN, "A08", at="20260302120000").replace(b"HALVORSEN^INGRID", b"HALVORSEN^INGRID^ANNA"))
    item = tool.get(uid)
    assert first(item, "00100010") == {"Alphabetic": "HALVORSEN^INGRID^ANNA"}
    assert first(item, "00101002") is None


def test_a_step_says_its_own_schedule_whatever_an_update_says(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    answer = tool.update(uid, {"00404005": element("DT", "20270101"), "00404011": element("DT", "20260302110000")})
    assert (answer.status_code, warning(answer)) == (200, "Requested optional Attributes are not supported.")
    item = tool.get(uid)
    assert (first(item, "00404005"), first(item, "00404011")) == ("20260302101500", "20260302110000")


def test_a_step_on_hold_or_withheld_is_no_workitem(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    say(console.house, order(PLAIN, "A1", "HD", at="20260302110000"))
    assert tool.uids() == []
    assert tool.client.get(f"/dicom-web/workitems/{uid}").status_code == 404


def bound_study(console: Console, uid: str = STUDY, accession: str = "A1") -> None:
    """Let a study arrive and be bound to the patient of an order."""
    with console.store.read() as tx:
        found = orders.by_accession(tx, accession)[0]
    study = console.clinic.study(uid, 1, 1)
    with console.store.read() as tx:
        from bridge.store import patients

        owner = patients.get(tx, found.patient_key)
    console.clinic.bind(study, owner, found)


def test_a_task_on_a_bound_study_concerns_its_patient_and_no_scanner_ever_sees_it(console: Console, tool: Tool) -> None:
    bound_study(console)
    seen = len(worklist_of(console.house))
    answer = tool.create(new_task(t00404021=on_study(STUDY)), "2.25.500")
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith("/dicom-web/workitems/2.25.500")
    item = tool.get("2.25.500")
    assert first(item, "00100020") == PLAIN.patient_id
    assert first(item, "00100010") == {"Alphabetic": PLAIN.name}
    assert len(worklist_of(console.house)) == seen
    tool.claim("2.25.500")
    tool.complete("2.25.500")
    assert tool.uids("PatientID=00041001&ProcedureStepState=COMPLETED") == ["2.25.500"]


@pytest.mark.parametrize("study", ["2.25.404", "2.25.405"], ids=["unknown", "unbound"])
def test_a_task_on_a_study_that_is_unknown_or_unbound_is_refused_alike(
    console: Console, tool: Tool, study: str
) -> None:
    console.images("2.25.405")
    answer = tool.create(new_task(t00404021=on_study(study)), "2.25.501")
    assert (answer.status_code, answer.json) == (
        409,
        {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "no such study here",
            "code": "unknown_input",
            "where": "InputInformationSequence",
        },
    )


def test_a_task_disappears_while_its_study_is_in_question(console: Console, tool: Tool) -> None:
    bound_study(console)
    tool.create(new_task(t00404021=on_study(STUDY)), "2.25.502")
    with console.store.read() as tx:
        from bridge.store import studies

        study = studies.by_uid(tx, STUDY)
    assert study is not None
    console.clinic.question(study)
    assert "2.25.502" not in tool.uids()
    assert tool.uids("SOPInstanceUID=2.25.502") == []
    assert tool.client.get("/dicom-web/workitems/2.25.502").status_code == 404
    assert tool.change("2.25.502", "IN PROGRESS").status_code == 404


def test_a_task_cannot_be_made_or_become_another_patients(console: Console, tool: Tool) -> None:
    say(console.house, order(STRANGER, "B1"))
    bound_study(console)
    bound_study(console, "2.25.89", "B1")
    other = {"t00100020": element("LO", STRANGER.patient_id), "t00404021": on_study(STUDY)}
    assert tool.create(new_task(**other)).status_code == 409
    assert tool.create(new_task(t00404021=on_study(STUDY, "2.25.89"))).status_code == 409
    request = element("SQ", {"00080050": element("SH", "B1")})
    assert tool.create(new_task(t00404021=on_study(STUDY), t0040A370=request)).status_code == 409
    assert tool.create(new_task(t00404021=on_study(STUDY)), "2.25.503").status_code == 201
    assert tool.update("2.25.503", {"00404021": on_study("2.25.89")}).status_code == 409


def ordered(accession: str = "U1", **more: object) -> dict[str, object]:
    """Return a new workitem that names patient and request."""
    request = {
        "00080050": element("SH", accession),
        "00321060": element("LO", "CT HEAD"),
        "00321064": element("SQ", code("70450", "C4")),
    }
    return new_task(
        t00100010=element("PN", {"Alphabetic": STRANGER.name}),
        t00100020=element("LO", STRANGER.patient_id),
        t0040A370=element("SQ", request),
        t00404025=element("SQ", code("CT1")),
        t00404026=element("SQ", code("CT", "DCM")),
        **{"t00100030": element("DA", STRANGER.birth_date), **more},
    )


def test_a_workitem_with_patient_and_request_is_an_order_on_the_scanners_worklist(console: Console, tool: Tool) -> None:
    answer = tool.create(ordered(), "2.25.600")
    assert (answer.status_code, warning(answer)) == (201, "The Workitem was created with modifications.")
    assert [one.AccessionNumber for one in worklist_of(console.house)] == ["A1", "U1"]
    item = tool.get("2.25.600")
    assert first(item, "0040A370", "00401001") == "U1"
    assert first(item, "00741202") == "Imaging Bridge"
    tool.claim("2.25.600")
    assert statuses(console, "U1") == ("STARTED", "STARTED")
    tool.complete("2.25.600")
    assert statuses(console, "U1") == ("COMPLETED", "COMPLETED")


def test_a_known_order_is_not_ordered_again_and_another_person_is_not_taken_for_the_patient(
    console: Console, tool: Tool
) -> None:
    assert tool.create(ordered("A1")).status_code == 409
    wrong = ordered("U2", t00100030=element("DA", "19400101"))
    wrong["00100010"] = element("PN", {"Alphabetic": "SOMEBODY^ELSE"})
    answer = tool.create(wrong)
    assert (answer.status_code, answer.json["code"]) == (409, "another_person")
    assert len(worklist_of(console.house)) == 1


def test_a_task_for_nobody_is_kept_as_sent(console: Console, tool: Tool) -> None:
    sent = new_task(t00741202=element("LO", "QA"), t00741210=element("SQ", {"00404021": element("SQ")}))
    answer = tool.create(sent)
    assert (answer.status_code, warning(answer)) == (201, "")
    item = tool.get(answer.headers["Location"].rpartition("/")[2])
    assert {tag: item[tag] for tag in sent} == sent
    assert first(item, "00100020") is None
    assert tool.create(new_task(t00100010=element("PN", {"Alphabetic": "X^Y"}))).status_code == 400
    assert tool.create(new_task(t00100020=element("LO", "nobody"))).status_code == 409


def test_a_device_is_shown_what_its_profile_shows_it(make_house: MakeHouse) -> None:
    peer = {"host": "127.0.0.1", "port": 1, "roles": ["modality"]}
    peers = [
        {"ae_title": "CT1", "modality": "CT", **peer},
        {"ae_title": "US1", "modality": "US", "worklist": {"sees": ["station"]}, **peer},
    ]
    house = make_house(FixedClock(AT), dicom={"peers": peers})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    console = Console(house)
    anybody, stranger = Tool(console, "CT1"), Tool(console, "US1")
    uid = anybody.uid_of("A1")
    assert stranger.uids() == []
    assert stranger.client.get(f"/dicom-web/workitems/{uid}").status_code == 404
    assert stranger.change(uid, "IN PROGRESS").status_code == 404
    assert stranger.request_cancel(uid).status_code == 404
    assert stranger.update(uid, said()).status_code == 404
    anybody.claim(uid)


def test_a_device_that_must_not_see_protected_patients_gets_no_workitem_of_one(make_house: MakeHouse) -> None:
    peer = {"host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
    hiding = {"ae_title": "CT2", "worklist": {"hides_confidential": True}, **peer}
    house = make_house(FixedClock(AT), dicom={"peers": [{"ae_title": "CT1", **peer}, hiding]})
    protected = order(PLAIN, "A1").replace(b"PV1|1|O", b"PV1|1|O||||||||||||||VIP")
    say(house, adt(PLAIN), adt(STRANGER), protected, order(STRANGER, "A2"))
    console = Console(house)
    bound_study(console)
    any_device, device = Tool(console, "CT1"), Tool(console, "CT2")
    assert any_device.create(new_task(t00404021=on_study(STUDY)), "2.25.700").status_code == 201
    uid = any_device.uid_of("A1")
    assert len(any_device.uids()) == 3
    assert device.uids() == [any_device.uid_of("A2")]
    assert all(device.client.get(f"/dicom-web/workitems/{one}").status_code == 404 for one in (uid, "2.25.700"))


def test_whoever_is_told_of_orders_is_told_of_a_claim(make_house: MakeHouse) -> None:
    told = {"name": "ris", "host": "127.0.0.1", "port": 1}
    house = make_house(FixedClock(AT), hl7={"destinations": [told]})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    console = Console(house)
    tool = Tool(console, "CT1")
    tool.claim(tool.uid_of("A1"))
    with console.store.read() as tx:
        (order_key,) = [one.key for one in orders.by_accession(tx, "A1")]
        assert deliveries.waiting(tx, enqueue.ORDER_STATUS, "ris", f"order:{order_key}") is not None


def test_only_a_token_for_it_may_perform_and_nobody_is_subscribed_in_vain(console: Console, tool: Tool) -> None:
    uid = tool.uid_of("A1")
    other = Tool(console, scopes=("dicomweb",), name="viewer")
    assert other.client.get("/dicom-web/workitems").status_code == 403
    assert other.change(uid, "IN PROGRESS").status_code == 403
    assert console.app.test_client().put(f"/dicom-web/workitems/{uid}/state").status_code == 401
    filtered = "/dicom-web/workitems/1.2.840.10008.5.1.4.34.5.1/subscribers/CT1?filter=PatientID=1"
    answer = tool.client.post(filtered)
    sentence = "Filtered Worklist Subscriptions are not supported."
    assert (answer.status_code, warning(answer)) == (403, sentence)
    for resource in ("1.2.840.10008.5.1.4.34.5", uid):
        path = f"/dicom-web/workitems/{resource}/subscribers/CT1"
        assert (tool.client.post(path).status_code, tool.client.delete(path).status_code) == (403, 404)
    assert tool.client.post("/dicom-web/workitems/2.25.1/subscribers/CT1").status_code == 404


def test_every_look_and_change_is_audited_for_the_patient(console: Console, tool: Tool) -> None:
    from bridge.store import audit

    uid = tool.uid_of("A1")
    tool.claim(uid)
    with console.store.read() as tx:
        rows = [row for row in audit.recent(tx, limit=20) if row.actor == "token:tool-CT1"]
    assert {row.action for row in rows} >= {"workitems_searched", "workitem_in_progress", "performed_step"}
    assert all(row.patient_key for row in rows if row.action.startswith("workitem"))
