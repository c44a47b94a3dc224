"""Where things leave for in a story: the clinic's EHR, payers and a clearinghouse, and what lies there."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bridge.codecs.x12 import additional_information, envelope
from bridge.errors import Unavailable
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.pictures.drawing import draw
from bridge.pictures.wish import Picture, Wish
from bridge.publishers.file_folder import FolderDoor
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store, WriteTx
from samples.strict_ehr import StrictEhr
from samples.strict_payer import StrictPayer
from tests.fakes.pas_payer import PasPayer

Json = dict[str, Any]
# Who is told of what came: where, under which control number, with which document.
Heard = Callable[[str, str, bytes], None]
_MAX_PIXELS: Final = 1_000_000


class Killed(BaseException):
    """The machine ends here, as by kill -9."""


@dataclass(frozen=True)
class Copy:
    """What came to a payer: when, under which release, of which study for which authorization."""

    at: datetime
    destination: str
    control_number: str
    submission_key: int
    attachment_key: int
    study_key: int
    patient_key: int


class Cdex(StrictPayer):
    """A payer that takes CDex, and tells *heard* of each document in the moment it comes."""

    def __init__(self, name: str, heard: Heard) -> None:
        super().__init__()
        self.take_plainly = self.operations["$submit-attachment"]
        self.operations["$submit-attachment"] = self.take
        self._name, self._heard = name, heard

    def take(self, body: Json) -> tuple[int, Json]:
        """Take the Parameters of $submit-attachment. Raises: Refusal."""
        answer = self.take_plainly(body)
        for document in _documents(body):
            self._heard(self._name, *_read(document))
        return answer


class Pas(PasPayer):
    """A payer that takes PAS, and tells *heard* of each document in the moment it comes."""

    def __init__(self, name: str, heard: Heard) -> None:
        super().__init__()
        self._name, self._heard = name, heard

    def submit(self, bundle: Json) -> tuple[int, Json]:
        """Take a request. Raises: Refusal."""
        answer = super().submit(bundle)
        for document in _documents(bundle):
            self._heard(self._name, *_read(document))
        return answer


class WatchedDoor:
    """A clearinghouse's folder. breaks: "" for never, "before" or "after" a file is there, once."""

    def __init__(self, name: str, folder: Path, heard: Heard) -> None:
        self._door = FolderDoor(folder)
        self._name, self._heard = name, heard
        self.breaks = ""

    def put(self, name: str, content: bytes) -> bool:
        """Hand a file over. Raises: Unavailable."""
        breaks, self.breaks = self.breaks, ""
        if breaks == "away":
            raise Unavailable("the folder is away", code=DESTINATION_DOWN)
        if breaks == "before":
            raise Unavailable("it broke off", code="cut_off")
        is_new = self._door.put(name, content)
        if is_new:
            for number, document in documents_in(content):
                self._heard(self._name, number, document)
        if breaks == "after":
            raise Unavailable("it broke off", code="cut_off")
        return is_new

    def probe(self) -> str:
        """Say whether files can be handed over."""
        return self._door.probe()


def documents_in(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a 275 brings: control number and document."""
    for transaction in envelope.read(content)[0].transactions():
        for answer in additional_information.read(transaction).answers:
            for document in answer.documents:
                yield answer.trace.number, document.content


@dataclass
class Moments:
    """What happens in the midst of a worker's work. at: how many of its transactions are still to begin before *then*."""

    at: int = 0
    then: Callable[[], None] | None = None
    dies: str = ""

    def reach(self, when: str) -> None:
        """A transaction begins ("begin"), or a writing one is about to end ("before") or has ended ("after")."""
        wanted = self.dies or "begin"
        if when != wanted or not self.at:
            return
        self.at -= 1
        if not self.at:
            dies, then, self.dies, self.then = self.dies, self.then, "", None
            if dies:
                raise Killed
            if then is not None:
                then()


class WatchedStore:
    """A store as a worker has it, in whose work other things happen."""

    def __init__(self, store: Store, moments: Moments) -> None:
        self._store = store
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def read(self) -> Iterator[ReadTx]:
        self._moments.reach("begin")
        with self._store.read() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[WriteTx]:
        self._moments.reach("begin")
        with self._store.write() as tx:
            yield tx
            self._moments.reach("before")
        self._moments.reach("after")


class PlainPictures:
    """Pictures drawn in this process: our own images harm nobody."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def draw(self, blob: str, wish: Wish) -> Picture:
        """Return the picture of an object."""
        with self._blobs.at_hand(blob) as path:
            return draw(path.read_bytes(), wish, _MAX_PIXELS)


@dataclass
class Places:
    """Every place. heard: see `Heard`."""

    folder: Path
    heard: Heard
    ehr: StrictEhr = field(default_factory=StrictEhr)

    def __post_init__(self) -> None:
        self.came = 0
        self.outbox = self.folder / "outbox"
        self.acme, self.delta = Cdex("acme", self.heard), Cdex("delta", self.heard)
        self.beta = Pas("beta", self.heard)
        self.door = WatchedDoor("eastlink", self.outbox, self.heard)
        for one in self._servers:
            one.start()

    @property
    def _servers(self) -> tuple[StrictEhr, ...]:
        return (self.ehr, self.acme, self.delta, self.beta)

    def begin(self) -> None:
        """Forget everything."""
        self.behave()
        for one in self._servers:
            one.books.clear()
            one.requests.clear()
        for payer in (self.acme, self.delta):
            payer.received.clear()
            payer.looks_up = True
        self.beta.operations["Claim/$inquire"] = self.beta.inquire
        self.beta.asked.clear()
        self.beta.held.clear()
        self.outbox.mkdir(parents=True, exist_ok=True)
        for path in self.outbox.iterdir():
            path.unlink()

    def behave(self) -> None:
        """Let nobody misbehave any more."""
        for one in self._servers:
            one.misbehave("ok")
        self.door.breaks = ""

    def misbehave(self, name: str, mode: str, count: int) -> None:
        """Let a place misbehave for so many requests that write."""
        if mode == "deaf":
            self._cannot_be_asked(name)
        elif name == "eastlink":
            self.door.breaks = {"commit-then-reset": "after", "503": "away"}.get(mode, "before")
        else:
            methods = None if mode == "blind" else ["POST", "PUT"]
            getattr(self, name).misbehave(mode, count, methods)

    def _cannot_be_asked(self, name: str) -> None:
        """Let a payer that takes things show nobody what it has."""
        self.acme.looks_up = self.acme.looks_up and name != "acme"
        self.delta.looks_up = self.delta.looks_up and name != "delta"
        if name == "beta":
            self.beta.operations.pop("Claim/$inquire", None)

    def write_in_ehr(self) -> None:
        """Let somebody at the EHR write to every study and Claim there: each has another version."""
        books = self.ehr.books
        for kind in ("ImagingStudy", "Claim"):
            for key, resource in books.state()["resources"].get(kind, {}).items():
                books.update(resource | {"language": "en"}, key)

    def payer_has(self, name: str, control_number: str) -> bool:
        """Say what a person who asks a payer is told."""
        if name == "eastlink":
            return any(control_number.encode() in path.read_bytes() for path in self.outbox.glob("*.x12"))
        payer: StrictPayer = getattr(self, name)
        if isinstance(payer, PasPayer):
            return any(_read(one)[0] == control_number for bundle in payer.submitted for one in _documents(bundle))
        return control_number in payer.received

    def close(self) -> None:
        for one in self._servers:
            one.stop()


def claim_of(number: str, patient: str, coverage: str) -> Json:
    """Return a request for authorization as the EHR keeps it. patient, coverage: references."""
    return {
        "status": "active",
        "type": {"coding": [{"code": "professional"}]},
        "use": "preauthorization",
        "patient": {"reference": patient},
        "created": "2026-03-01",
        "provider": {"display": "Riverside"},
        "priority": {"coding": [{"code": "normal"}]},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": coverage}, "preAuthRef": [number]}],
        "item": [{"sequence": 1, "productOrService": {"coding": [{"code": "71260"}]}}],
    }


def _documents(said: Any) -> Iterator[Json]:
    """Yield every DocumentReference with a document inside, wherever it stands."""
    if isinstance(said, dict):
        if said.get("resourceType") == "DocumentReference":
            yield said
        else:
            for value in said.values():
                yield from _documents(value)
    elif isinstance(said, list):
        for one in said:
            yield from _documents(one)


def _read(document: Json) -> tuple[str, bytes]:
    number = document["identifier"][0]["value"]
    return number, base64.b64decode(document["content"][0]["attachment"]["data"])
