"""A house with one authorization that nobody was asked for, its payer at an address, and a worker that is driven by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.building.asking import payer_desk, payer_readers
from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.authorization import Authorization, AuthorizationLine
from bridge.domain.payer_request import PayerRequest
from bridge.flows.ask_payer import PayerDesk
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.outbox.worker import Worker
from bridge.store import authorizations, payer_requests
from bridge.wiring import House
from tests.cast import PLAIN, adt, order
from tests.conftest import ROOT
from tests.flows.asking import say, typed_authorization

NPI = "1003000126"
LINE = AuthorizationLine(
    "71260", "CT chest", diagnoses=("R05.9",), place_of_service="22", requested_units="1", ordering_npi="1234567893"
)


@dataclass
class PayerScene:
    """key: of the authorization. clock: stands still until a test moves it."""

    house: House
    desk: PayerDesk
    key: int
    clock: FixedClock

    def one(self) -> Authorization:
        with self.house.store.read() as tx:
            return authorizations.get(tx, self.key)

    def requests(self) -> list[PayerRequest]:
        with self.house.store.read() as tx:
            return payer_requests.of_authorization(tx, self.key)

    def send(self) -> None:
        """Let the worker send what is due, and read what came back."""
        Worker(self.house.store, self.clock, publishers(self.house), owner="test", jitter=lambda: 0.5).run_due()
        for each in payer_readers(self.house):
            while each.work():
                pass


def payer_scene(
    make_house: Callable[..., House],
    folder: Path,
    payer: dict[str, Any],
    lines: tuple[AuthorizationLine, ...] = (LINE,),
    npi: str = NPI,
    at: datetime = datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
    **said: Any,
) -> PayerScene:
    """Return the scene. payer: its section of the settings, over the usual ones; said: of the authorization."""
    clock = FixedClock(at)
    mappings = ROOT / "samples" / "mappings"
    house = make_house(
        clock,
        bridge={"data": folder / "data", "mappings": mappings, "npi": npi, "organization": "Riverside Imaging"},
        payers=[
            {"name": "acme", "id": "60054", "kind": ["pas"], "asks_while_pended": True, "timeout_secs": 60} | payer
        ],
    )
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    typed = typed_authorization("", PLAIN, "A1", lines=lines, **{"member_id": "W1122"} | said)
    return PayerScene(house, payer_desk(house), entry.enter(typed, "user:bill"), clock)
