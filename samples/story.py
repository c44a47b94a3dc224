"""The day itself, station by station: each plays its part through real sockets and looks at what came of it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset

from samples import day
from samples.chart import AUTHORIZATION, Chart, call
from samples.exams import EXAMS, PERFORMED, WRONG_PATIENT
from samples.feed import Feed
from samples.make_images import copied, objects, typed
from samples.remittances import denied_for_documents, turn_of
from samples.ris import told
from samples.stage import HOST, Stage, StageError, wait_for

Json = dict[str, Any]

MERGED, WALK_IN = "06", "walk-in"
_MERGE = "adt/11_a40_ferreira"


class NotHeld(Exception):
    """A station did not do what the day asks of it."""


def expect(holds: object, otherwise: str) -> None:
    """Raise NotHeld with that sentence unless it holds."""
    if not holds:
        raise NotHeld(otherwise)


@dataclass
class Day:
    """What is on stage, and what happened so far. studies: Study Instance UID of each order and of the walk-in."""

    stage: Stage
    chart: Chart
    token: str
    at: datetime
    items: dict[str, Dataset] = field(default_factory=dict)
    performed: dict[str, str] = field(default_factory=dict)
    stored: dict[str, list[Dataset]] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Call the bridge's REST interface."""
        return call("POST" if body is not None else "GET", f"{self.stage.console}/api{path}", body, self.token)

    def study(self, number: str) -> Json:
        """Return what the bridge says of a study, {} while it knows none."""
        status, found = self.ask(f"/studies/{self.studies[number]}")
        return found if status == 200 else {}


def order(today: Day) -> str:
    """Station 1: registrations and orders come in by HL7, each answered only when it is on disk."""
    feed = Feed(HOST, today.stage.ports["hl7"])
    names = [name for name in day.names() if name != _MERGE]
    try:
        for name in names:
            code, remark = feed.send(day.message(name, today.at, datetime.now()))
            expect(code == "AA", f"{name} was answered {code}: {remark}")
    finally:
        feed.close()
    kept = today.ask(f"/exams?q={day.accession('01', today.at)}")[1].get("exams", [])
    expect(kept, "the first order is not among the exams")
    return f"{len(names)} HL7 messages answered AA: 10 registrations and updates, 8 orders, a change, a cancellation"


def scheduled(today: Day) -> str:
    """Station 2: each device asks for its list and gets its own work, and only that."""
    found: dict[str, set[str]] = {}
    for title, device in today.stage.devices().items():
        device.echo()
        for item in device.worklist(today.at):
            number = str(item.AccessionNumber)[-2:]
            today.items[number] = item
            found.setdefault(title, set()).add(number)
    wanted: dict[str, set[str]] = {}
    for number, (title, _, _) in PERFORMED.items():
        wanted.setdefault(title, set()).add(number)
    expect(found == wanted, f"the lists are {found}, they should be {wanted}")
    name = today.items["04"].PatientName
    expect(name.ideographic == "山田^太郎", "the ideographic name did not arrive whole")
    expect(str(today.items["05"].PatientName).startswith("Okonkwo^Daniel"), "the corrected name is not on the list")
    start = today.items["07"].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime
    expect(str(start).startswith("1145"), "the moved appointment is not on the list")
    return "5 devices asked, 7 entries on 4 lists; the cancelled MR is on none, the moved and the corrected are right"


def performed(today: Day) -> str:
    """Station 3: the devices say what they have begun (MPPS)."""
    devices = today.stage.devices()
    for number, (title, _, _) in PERFORMED.items():
        today.performed[number] = devices[title].begin(today.items[number], datetime.now())
        accession = day.accession(number, today.at)
        stations = {line.get("station") for line in today.ask(f"/exams/{accession}")[1].get("timeline", [])}
        expect(any("perform" in str(station).lower() for station in stations), f"{accession}: nothing on its timeline")
    begun = {(day.accession(number, today.at), "IP", "") for number in PERFORMED}
    wait_for(lambda: begun <= told(today.stage.ris_folder), "the RIS to hear that each exam has begun")
    return f"{len(today.performed)} exams begun by MPPS, each with a line on its timeline; the RIS knows (ORM^O01, IP)"


def images(today: Day) -> str:
    """Station 4: the images arrive, the steps are completed. One device has the wrong patient, one has no order."""
    devices = today.stage.devices()
    for number, (title, exam, _) in PERFORMED.items():
        header = copied(today.items[number], today.at)
        if number == WRONG_PATIENT:
            twin = today.items["02"]
            header.PatientID, header.PatientName = twin.PatientID, twin.PatientName
        today.studies[number] = str(header.StudyInstanceUID)
        today.stored[number] = list(objects(EXAMS[exam], header, today.performed[number]))
        devices[title].store(today.stored[number])
        devices[title].finish(today.performed[number], today.stored[number], datetime.now())
    header = typed("00041008", "Nowak^Zofia", "20120618", "F", today.at)
    today.studies[WALK_IN] = str(header.StudyInstanceUID)
    today.stored[WALK_IN] = list(objects(EXAMS["us_walk_in"], header))
    devices["US1"].store(today.stored[WALK_IN])
    for number, sent in today.stored.items():
        kept = today.study(number).get("instances")
        expect(kept == len(sent), f"study {number}: {len(sent)} objects were promised, {kept} are there")
    total = sum(map(len, today.stored.values()))
    return f"{total} objects of {len(today.stored)} studies stored and on disk, CT in two series, one walk-in"


def reconciled(today: Day) -> str:
    """Station 5: whose is it? Bound by a rule where it is certain; asked of a person where it is not; a merge followed."""
    for number in today.studies:
        wanted = {"review"} if number == WRONG_PATIENT else {"bound", "bound_with_correction"}
        wait_for(
            lambda number=number, wanted=wanted: today.study(number).get("state") in wanted,  # type: ignore[misc]
            f"study {number} to be {' or '.join(sorted(wanted))} (it is {today.study(number).get('state')})",
        )
    held, walk_in = today.study(WRONG_PATIENT), today.study(WALK_IN)
    expect(held["patient"] is None, "a study in review must name no patient")
    expect(walk_in["accession_number"] is None, "the walk-in has no order, and got one")
    feed = Feed(HOST, today.stage.ports["hl7"])
    code, remark = feed.send(day.message(_MERGE, today.at, datetime.now()))
    feed.close()
    expect(code == "AA", f"the merge was answered {code}: {remark}")
    wait_for(
        lambda: (today.study(MERGED).get("patient") or {}).get("patient_id") == PERFORMED[MERGED][2],
        "the merged patient's study to follow to the survivor",
    )
    return "7 studies bound; the twin's hand waits for a person; after the merge the head CT is the survivor's"


def chart(today: Day) -> str:
    """Station 6: the EHR's chart shows each bound study once, under the right patient; the archive has the objects."""
    for number, uid in today.studies.items():
        if number == WRONG_PATIENT:
            continue
        patient = PERFORMED[number][2] if number in PERFORMED else "00041008"
        subject = today.chart.patients[patient]
        wait_for(
            lambda uid=uid, subject=subject: _is_in_chart(today.chart.study(uid), subject),  # type: ignore[misc]
            f"study {number} to stand in the chart of {subject}",
        )
    # Its scanner had begun it for an order, which the chart was told; what came of it is nobody's, and was taken back.
    doubtful = today.chart.study(today.studies[WRONG_PATIENT]) or {"status": "entered-in-error"}
    expect(doubtful["status"] == "entered-in-error" and "series" not in doubtful, "a study in review reached a chart")
    bound = {str(o.SOPInstanceUID) for n, all_of in today.stored.items() if n != WRONG_PATIENT for o in all_of}
    held = {str(o.SOPInstanceUID) for o in today.stored[WRONG_PATIENT]}
    wait_for(lambda: bound <= _archived(today.stage), f"{len(bound)} objects in the archive")
    expect(not held & _archived(today.stage), "an image in review reached the archive")
    # A scanner may say that it is done after its images were told.
    mine = {day.accession(number, today.at) for number in PERFORMED if number != WRONG_PATIENT}
    wait_for(lambda: mine <= _with_images(today), "the RIS to hear that the images are there")
    ended = {(one, "CM") for one in mine}
    wait_for(
        lambda: ended <= {one[:2] for one in told(today.stage.ris_folder)}, "the RIS to hear that the exams are done"
    )
    in_doubt = day.accession(WRONG_PATIENT, today.at)
    expect(in_doubt not in _with_images(today), "the RIS heard of the study in review")
    return (
        f"7 ImagingStudy resources, one each; {len(bound)} objects in the archive; the RIS knows of {len(mine)} (ORU^R01); "
        "nothing of the one in review"
    )


def _with_images(today: Day) -> set[str]:
    """Return the accession numbers of which the RIS knows images."""
    return {accession for accession, _, images in told(today.stage.ris_folder) if images == "O"}


def authorization(today: Day) -> str:
    """Station 7: the study goes onto the authorization that came with its order."""
    query = urllib.parse.quote(AUTHORIZATION)
    found = today.ask(f"/authorizations?q={query}")[1].get("authorizations", [])
    expect(len(found) == 1, f"{len(found)} authorizations {AUTHORIZATION} are known, there should be one")
    path = f"/authorizations/{found[0]['id']}/attachments"
    status, answer = today.ask(path, {"study_instance_uid": today.studies[WRONG_PATIENT], "as": ["claim"]})
    expect(status in (409, 422), f"another patient's study was answered {status}")
    status, answer = today.ask(path, {"study_instance_uid": today.studies["01"], "as": ["claim"]})
    expect(status in (200, 201, 202), f"the attachment was answered {status} {answer.get('detail', '')}")
    study = today.chart.study(today.studies["01"]) or {}
    reference = f"ImagingStudy/{study.get('id')}"
    wait_for(lambda: reference in _supporting(today.chart), f"{reference} on the authorization")
    return f"{AUTHORIZATION} names {reference} as supporting information; the twin's study was refused"


def proof(today: Day) -> str:
    """Station 8: what payers paid and denied in the last year, from the clearinghouse's folder, and what came of it."""
    turn = turn_of(today.at.date())
    before, since = denied_for_documents(today.at.date())

    def counted() -> bool:
        said = today.ask(f"/proof?since={turn.isoformat()}")[1]["measures"][0]
        found = [(said[period]["part"], said[period]["whole"]) for period in ("before", "since")]
        return found == [before, since]

    wait_for(
        counted, f"{before[0]} of {before[1]} claims before {turn} and {since[0]} of {since[1]} since, as the files say"
    )
    return (
        f"3 payers' files with {before[1] + since[1]} claims taken; denied for missing documents before {turn:%d %B}: "
        f"{before[0]} of {before[1]}, since: {since[0]} of {since[1]}"
    )


STATIONS: tuple[tuple[str, Callable[[Day], str]], ...] = (
    ("order", order),
    ("scheduled", scheduled),
    ("performed", performed),
    ("images", images),
    ("reconciled", reconciled),
    ("chart", chart),
    ("authorization", authorization),
    ("proof", proof),
)


def _is_in_chart(study: Json | None, subject: str) -> bool:
    return bool(
        study
        and study.get("status") == "available"
        and study.get("subject", {}).get("reference", "").endswith(subject)
        and study.get("numberOfInstances")
    )


def _archived(stage: Stage) -> set[str]:
    """Return the SOP Instance UIDs of the archive's files; storescp writes the modality before them."""
    names = (file.name for file in stage.archive_folder.iterdir() if not file.name.startswith("."))
    return {name.split(".", 1)[1] if name[:1].isalpha() else name for name in names}


def _supporting(chart_of_ehr: Chart) -> set[str]:
    entries = chart_of_ehr.authorization().get("supportingInfo", [])
    return {"/".join(entry.get("valueReference", {}).get("reference", "").split("/")[-2:]) for entry in entries}


__all__ = ["STATIONS", "Day", "NotHeld", "StageError"]
