"""Tools that claim over UPS and devices that report by MPPS, in any order on the same exams, never leave an impossible state."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from bridge.clock import FixedClock
from bridge.domain.order import StepStatus, status_of
from bridge.domain.workitem import ENDED, Workitem, WorkitemState, state_of
from bridge.errors import BridgeError
from bridge.flows.change_step import Seen
from bridge.flows.perform_workitem import Performer
from bridge.store import orders, performed, workitems
from bridge.store.db import ReadTx
from bridge.store.workitems import WorkitemNarrowing
from bridge.wiring import House
from tests.cast import PLAIN, adt, order
from tests.fakes.clinic import AT
from tests.fakes.workitem_tool import code, element
from tests.fakes.workitem_tool import performed as said_of
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]

STORIES = 400 if os.environ.get("BRIDGE_CAMPAIGN") == "1" else 30
STORIES_ON_A_SERVER = 10
STEPS = 14
MAY_FOLLOW = {
    WorkitemState.SCHEDULED: set(WorkitemState),
    WorkitemState.IN_PROGRESS: {WorkitemState.IN_PROGRESS, *ENDED},
    WorkitemState.COMPLETED: {WorkitemState.COMPLETED},
    WorkitemState.CANCELED: {WorkitemState.CANCELED},
}


@dataclass
class Exam:
    """One exam and what was seen of it. told: the state of each of its workitems when it was last looked at."""

    house: House
    accession: str
    random: Random
    told: dict[str, WorkitemState] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def happen(self) -> None:
        """Let anything happen; what is refused has not."""
        deeds = (self.claim, self.claim, self.complete, self.complete, self.give_up, self.request_cancel)
        deeds += (self.begin, self.begin, self.end, self.end, self.change_by_hand, self.cancel_order)
        deed = self.random.choice(deeds)
        self.said.append(deed.__name__)
        try:
            deed()
        except (BridgeError, LookupError) as fault:
            self.said[-1] += f" ({getattr(fault, 'code', 'unknown')})"

    def claim(self) -> None:
        self._change("IN PROGRESS")

    def complete(self) -> None:
        uid = self._some_uid()
        self.house.workitem_performer.update(uid, said_of(), self._lock(), self._who())
        self._change("COMPLETED", uid)

    def give_up(self) -> None:
        uid = self._some_uid()
        reason = {"0074100E": element("SQ", code(self.random.choice(("110513", "110514")), "DCM"))}
        self.house.workitem_performer.update(uid, {"00741002": element("SQ", reason)}, self._lock(), self._who())
        self._change("CANCELED", uid)

    def request_cancel(self) -> None:
        self.house.workitem_performer.request_cancel(self._some_uid(), {}, self._who())

    def begin(self) -> None:
        uid = f"2.25.{self.random.randrange(1 << 60)}"
        self.house.performed_steps.create(uid, sent(cast_mpps(self.accession)), "CT1")
        self.begun.append(uid)

    def end(self) -> None:
        if self.begun:
            attributes = cast_mpps(self.accession, self.random.choice(("COMPLETED", "DISCONTINUED")))
            self.house.performed_steps.set(self.random.choice(self.begun), sent(attributes), "CT1")

    def change_by_hand(self) -> None:
        with self.house.store.read() as tx:
            (step,) = orders.steps_of(tx, orders.by_accession(tx, self.accession)[0].key)
        if self.random.random() < 0.3:
            wanted = self.random.choice((StepStatus.ARRIVED, StepStatus.STARTED))
            self.house.step_changer.mark(Seen(step.key, step.version, "user:maria", "as seen"), wanted)

    def cancel_order(self) -> None:
        if self.random.random() < 0.2:
            say(self.house, order(PLAIN, self.accession, "CA", at="20260302120000"))

    def check(self) -> None:
        """Fail if what stands now cannot be, or cannot follow what stood before."""
        with self.house.store.read() as tx:
            found = orders.by_accession(tx, self.accession)[0]
            (step,) = orders.steps_of(tx, found.key)
            assert found.status == status_of([step], found.status), self.said
            self._check_workitems(tx, step.status)
            claims = {one.performed_step_key for one in self._rows(tx)}
            lapsed = workitems.lapsed_claims(tx, step.key)
            open_claims = [one for one in performed.of_step(tx, step.key) if one.key in claims - lapsed and one.is_open]
        assert len(open_claims) <= 1, self.said
        # Only a person or the order itself ends an exam that a tool has claimed.
        if open_claims and "change_by_hand" not in self.said:
            assert step.status in (StepStatus.STARTED, StepStatus.CANCELED, StepStatus.DISCONTINUED), self.said

    def _rows(self, tx: ReadTx) -> list[Workitem]:
        found = (workitems.find(tx, uid) for uid in self.told)
        return [one.workitem for one in found if one is not None and one.workitem is not None]

    def _check_workitems(self, tx: ReadTx, status: StepStatus) -> None:
        by = WorkitemNarrowing(accession_number=(self.accession,))
        listed = [one for one in workitems.of_listed_steps(tx, by) if one.step is not None]
        assert len(listed) <= 1, self.said
        shown = {one.workitem_uid for one in listed}
        earlier = (workitems.find(tx, uid) for uid in self.told if uid not in shown)
        listed += [one for one in earlier if one is not None]
        uids = [one.workitem_uid for one in listed]
        assert len(uids) == len(set(uids)), self.said
        now = {one.workitem_uid: state_of(one.workitem, one.step) for one in listed}
        assert sum(state not in ENDED for state in now.values()) <= 1, self.said
        for uid, state in now.items():
            assert state in MAY_FOLLOW[self.told.get(uid, WorkitemState.SCHEDULED)], (uid, state, self.said)
            if state == WorkitemState.IN_PROGRESS:
                assert status == StepStatus.STARTED, self.said
        self.told |= now

    def _change(self, state: str, uid: str = "") -> None:
        said = {"00741000": element("CS", state), "00081195": element("UI", self._lock())}
        self.house.workitem_performer.change_state(uid or self._some_uid(), said, self._who())

    def _some_uid(self) -> str:
        return self.random.choice(sorted(self.told))

    def _lock(self) -> str:
        return self.random.choice(("2.25.1", "2.25.1", "2.25.2"))

    def _who(self) -> Performer:
        return Performer("token:tool", "tool")


def tell(house: House, stories: int) -> None:
    say(house, adt(PLAIN), *(order(PLAIN, f"W{number}") for number in range(stories)))
    for number in range(stories):
        exam = Exam(house, f"W{number}", Random(number))
        exam.check()
        for _ in range(STEPS):
            exam.happen()
            exam.check()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_interleaving_of_tools_and_devices_leaves_an_impossible_state(make_house: MakeHouse) -> None:
    tell(make_house(FixedClock(AT)), STORIES)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nor_does_it_on_a_server(make_house: MakeHouse) -> None:
    tell(make_house(FixedClock(AT)), STORIES_ON_A_SERVER)
