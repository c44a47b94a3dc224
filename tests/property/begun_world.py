"""A clinic whose devices begin exams before an image comes, and what is read of that over FHIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bridge.building.destinations import publishers
from bridge.building.news import news_watch
from bridge.domain.accounts import Role
from bridge.outbox.worker import Worker
from tests.cast import image, order
from tests.fakes.console import Console
from tests.flows.asking import sent
from tests.flows.registration import mrg, pv1, tell
from tests.flows.test_orders import cast_mpps
from tests.property.identity_world import PEOPLE, STUDIES, World

Json = dict[str, Any]
STATUSES: Final = ("registered", "available", "cancelled", "entered-in-error")


class BegunWorld(World):
    """The clinic of `identity_world`, which serves what has begun; its worker comes when it is called."""

    def __init__(self, folder: Path) -> None:
        sections = {"http": {"public_url": "http://localhost"}, "fhir": {}, "publish": {"announce": True}}
        super().__init__(folder, **sections)
        self._steps: list[str] = []

    def begin(self) -> None:
        super().begin()
        self._steps = []
        self.console = Console(self.house)
        self.api = self.console.machine(Role.SYSTEM)
        self._worker = Worker(self.house.store, self.clock, publishers(self.house), owner="t", jitter=lambda: 0.5)
        self._watch = news_watch(self.house)

    def work(self) -> None:
        """Let the worker come by."""
        while self._watch.work():
            pass
        self._worker.run_due()

    # ── what devices say ──────────────────────────────────────────────────────────────────────────────────────────────

    def _began(self, accessions: tuple[str, ...], named: str, study: str) -> None:
        """A device begins one exam for these orders, of the patient it names ("": it names nobody)."""
        self._steps.append(f"2.25.{7000 + len(self.deeds)}")
        said = cast_mpps(accessions[0])
        said.ScheduledStepAttributesSequence = [
            one for each in accessions for one in cast_mpps(each).ScheduledStepAttributesSequence
        ]
        for one in said.ScheduledStepAttributesSequence:
            one.StudyInstanceUID = STUDIES[study]
        if named:
            said.PatientID, said.IssuerOfPatientID = PEOPLE[named].patient_id, "RIVERSIDE"
        self.house.performed_steps.create(self._steps[-1], sent(said), "CT1")

    def _ended(self, number: int, status: str, reason: str) -> None:
        said = cast_mpps("A1", status)
        if reason:
            code = image(None, "")
            code.clear()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = reason, "DCM", "Said"
            said.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code]
        self.house.performed_steps.set(self._step(number), sent(said), "CT1")

    def _step(self, number: int) -> str:
        if number >= len(self._steps):
            raise LookupError("no such step")
        return self._steps[number]

    # ── what else happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _ordered(self, accession: str, who: str, control: str) -> bool:
        """An order comes, under a visit of its own."""
        said = order(PEOPLE[who], accession, control, at=self._now).decode()
        return self._say(said.replace("PV1|1|O\r", f"{pv1(f'V{accession}')}\r").encode())

    def _visit_moved(self, accession: str, to: str, whose: str) -> bool:
        visit = f"V{accession}"
        return self._say(tell("A45", PEOPLE[to].pid, mrg(PEOPLE[whose], visit=visit), pv1(visit), at=self._now))

    def _moved(self, trigger: str, to: str, whose: str) -> bool:
        return self._say(tell(trigger, PEOPLE[to].pid, mrg(PEOPLE[whose]), at=self._now))

    def _withdrawn(self, study: str) -> None:
        self.console.services.flows.studies.chart_desk.withdraw(STUDIES[study], "asked", "user:maria")

    def _let_back(self, study: str) -> None:
        self.console.services.flows.studies.chart_desk.take_back(STUDIES[study], "asked", "user:maria")

    def _worked(self) -> None:
        self.work()

    # ── what is read ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, path: str) -> Json:
        answer = self.api.get(path)
        assert answer.status_code == 200, (path, answer.text)
        found: Json = answer.json
        return found

    def found(self, query: str = "") -> list[Json]:
        """Return the studies that a search finds, each once and as many as it says."""
        answer = self.get(f"/fhir/r4/ImagingStudy?_count=200&{query}")
        found = [one["resource"] for one in answer.get("entry", ())]
        assert answer["total"] == len(found)
        assert len({one["id"] for one in found}) == len(found), "a study is found twice"
        return found
