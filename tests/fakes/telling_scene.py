"""A house that a payer tells what it decided, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.building.tellers import telling_keeper
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import RequestKind
from bridge.domain.telling import Telling
from bridge.roles.web import WebRole
from bridge.store import tellings
from bridge.wiring import House
from tests.fakes.payer_scene import LINE, PayerScene, payer_scene
from tests.fakes.telling_payer import TellingPayer
from tests.product.running import free_port


@dataclass
class TellingScene(PayerScene):
    """With the payer, and what keeps it telling."""

    payer: TellingPayer

    def keep(self) -> None:
        """Let the bridge do at the payer what is due."""
        telling_keeper(self.house).work()

    def known(self) -> Telling:
        with self.house.store.read() as tx:
            found = tellings.find(tx, "acme")
        assert found is not None
        return found

    def pend(self) -> str:
        """Ask the payer, which puts its decision off; return our trace."""
        self.payer.decision, self.payer.number = "A4", "TRK-9"
        self.desk.ask(self.key, "exam is scheduled", "user:bill")
        self.send()
        assert self.one().status == AuthorizationStatus.PENDED
        self.payer.decision, self.payer.number = "A1", "PA-4711"
        return self.one().trace

    def asked(self) -> list[RequestKind]:
        return [each.kind for each in self.requests()]


@contextmanager
def telling_scene(make_house: Callable[..., House], folder: Path) -> Iterator[TellingScene]:
    """Yield the scene, the house's web and the payer running."""
    port = free_port()
    http = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
    payer = TellingPayer()
    payer.start()
    said = {"base_url": payer.base_url, "tells": True, "asks_while_pended": False}
    made = payer_scene(lambda clock, **more: make_house(clock, http=http, **more), folder, said, (LINE,))
    web = WebRole(made.house)
    web.start()
    yield TellingScene(made.house, made.desk, made.key, made.clock, payer)
    web.stop()
    payer.stop()
