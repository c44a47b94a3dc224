"""A hospital played through the product's front doors: HL7 over MLLP, C-STORE, MPPS; decisions read over REST.

One event after the other, as each is answered; when each was sent tells which of them a decision had seen.
"""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from pynetdicom import AE

from bench.reconcile import hospital, messages, objects
from bench.reconcile.hospital import Event, Line, Played
from bench.servers import HOST, ROOT, Server, free_port
from bridge.publishers.dicom_client import Target, store_files
from bridge.publishers.mllp_client import send_frames

_MPPS = "1.2.840.10008.3.1.2.3.3"
_SENDERS = 8
_WITHDRAWN_WITHIN_SECS = 2.0
_WITHDRAWN_LIMIT_SECS = 30.0
_BOUND = ("bound", "bound_with_correction")
_OUTCOMES = {
    "bind": "BIND",
    "bind_with_correction": "BIND_WITH_CORRECTION",
    "review": "REVIEW",
    "quarantine": "QUARANTINE",
}


def play(folder: Path, decisions: Path) -> Played:
    """Play the hospital in *folder*, write its decisions to the file *decisions*, and return what else was seen."""
    site, events = hospital.site_of(folder), hospital.events_of(folder)
    home = folder / "node"
    (home / "objects").mkdir(parents=True)
    with _serving(home, hospital.write_site(folder, site), site, _stations(events)) as node:
        _register(node, hospital.patients_of(folder))
        story = _Story(node, home / "objects", events)
        story.tell()
        hospital.write_decisions(decisions, list(story.decisions()))
        return Played(story.notes(), story.missed())


class _Node(Server):
    """The bridge as this hospital runs it. token: an administrator's."""

    def __init__(self, folder: Path, settings: Path, ports: tuple[int, int, int]) -> None:
        self.hl7_port, port, http = ports
        command = [sys.executable, "-m", "bridge"]
        made = [*command, "token", "create", "bench", "--role", "admin", "-c", str(settings)]
        super().__init__("imaging-bridge", [*command, "serve", "-c", str(settings)], port, "BRIDGE", folder)
        self.wait_for(self.hl7_port)
        self.wait_for(http)
        token = subprocess.run(made, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
        self.api = httpx2.Client(
            base_url=f"http://{HOST}:{http}", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60
        )

    @property
    def dicom(self) -> Target:
        return Target(self.ae_title, HOST, self.port)

    def say(self, raw: Sequence[bytes]) -> None:
        """Send messages; each must be accepted. Raises: RuntimeError, naming the first that was not."""
        for sent, answer in zip(raw, send_frames(HOST, self.hl7_port, raw, timeout_secs=60), strict=True):
            if b"|AA|" not in answer:
                raise RuntimeError(f"{sent[:120]!r} was answered {answer!r}")


class _Story:
    """What happens at the hospital, and when each thing was said."""

    def __init__(self, node: _Node, folder: Path, events: Sequence[Event]) -> None:
        self._node, self._folder, self._events = node, folder, events
        self._studies = [event.line for event in events if event.kind == "study"]
        self._said: list[tuple[str, int]] = []
        self._refused: list[str] = []
        self._withdrawn: list[float] = []

    def tell(self) -> None:
        """Say everything, each event once the one before it was answered."""
        for event in self._events:
            doubted = self._doubted(event)
            bound = [uid for uid in doubted if self._state(uid) in _BOUND]
            self._said.append((_now(), event.seq))
            self._say(event)
            acknowledged = time.monotonic()
            self._withdrawn += [self._until_withdrawn(uid, acknowledged) for uid in bound]

    def decisions(self) -> Iterator[Line]:
        """
        Return the decisions about every study, in the order in which they were taken.

        What is said in answer to one event counts once: a study is decided on its first image already, and then on the
        others of the same association, a rejection note among them; nothing leaves before it is quiet.
        """
        for study in self._studies:
            answer = self._node.api.get(f"/api/studies/{study['header']['StudyInstanceUID']}/decisions")
            made = answer.json()["decisions"] if answer.is_success else []
            for seen, decision in {self._seen(one["at"]): one for one in made}.items():
                yield {"study": study["study"], "seq": seen, **_scored(decision)}

    def missed(self) -> tuple[str, ...]:
        """Return what is wanted of the doors and does not hold."""
        return ("withdrawn_in_time",) if any(one > _WITHDRAWN_WITHIN_SECS for one in self._withdrawn) else ()

    def notes(self) -> list[str]:
        """Return what the score does not say."""
        slowest = f"{max(self._withdrawn):.3f} s at most" if self._withdrawn else "none was asked for"
        refused = f"; refused: {', '.join(self._refused[:5])}" if self._refused else ""
        return [
            f"{len(self._withdrawn)} bindings withdrawn after the signal against them was answered: {slowest}",
            f"{len(self._events)} events, {len(self._refused)} not taken{refused}",
        ]

    def _say(self, event: Event) -> None:
        line = event.line
        if event.kind == "adt":
            self._node.say([messages.adt(line)])
        elif event.kind == "order":
            self._node.say([messages.order(line)])
        elif event.kind == "study":
            self._store(list(objects.images(line["header"], self._folder)), line["header"]["SendingAE"])
        elif line["kind"] == "MPPS":
            self._perform(line)
        else:
            shown = next(
                one["header"] for one in self._studies if one["header"]["StudyInstanceUID"] == line["study_uid"]
            )
            self._store([objects.rejection_note(line, shown, self._folder)], shown["SendingAE"])

    def _store(self, files: Sequence[objects.OutgoingObject], calling: str) -> None:
        results = store_files(self._node.dicom, calling, files)
        self._refused += [f"{one.sop_instance_uid} {one.status}" for one in results if one.status]
        for one in files:
            one.path.unlink()

    def _perform(self, signal: Line) -> None:
        device = AE("CT_1")
        device.add_requested_context(_MPPS)
        association = device.associate(HOST, self._node.port, ae_title=self._node.ae_title)
        begun, ended = objects.performed_step(signal)
        uid = f"1.2.826.0.1.3680043.10.1.77.{signal['seq']}"
        first, _ = association.send_n_create(begun, _MPPS, uid)
        last, _ = association.send_n_set(ended, _MPPS, uid)
        association.release()
        if first.Status or last.Status:
            raise RuntimeError(
                f"the performed step of {signal['seq']} was refused: {first.Status:04X}, {last.Status:04X}"
            )

    def _doubted(self, event: Event) -> list[str]:
        """Return the studies that an event speaks against: a signal's, or those of an order that changes hands."""
        line = event.line
        if event.kind == "signal":
            return [line["study_uid"]]
        if event.kind == "order" and line["control"] == "XO":
            named = (study["header"] for study in self._studies)
            return [one["StudyInstanceUID"] for one in named if one["AccessionNumber"] == line["accession"]]
        return []

    def _state(self, uid: str) -> str:
        answer = self._node.api.get(f"/api/studies/{uid}")
        return str(answer.json()["state"]) if answer.status_code == 200 else ""

    def _until_withdrawn(self, uid: str, since: float) -> float:
        """Return after how many seconds the API no longer shows a study bound to whom it was."""
        while self._state(uid) in _BOUND and time.monotonic() - since < _WITHDRAWN_LIMIT_SECS:
            time.sleep(0.01)
        return time.monotonic() - since

    def _seen(self, at: str) -> int:
        """Return the number of the last event that was sent before *at*."""
        return self._said[max(0, bisect_right(self._said, (at, sys.maxsize)) - 1)][1]


def _scored(decision: Line) -> Line:
    """Return a decision as the scorer reads it."""
    patient = decision["patient"]
    corrections = {one["keyword"]: one["record"] for one in decision["differences"] if one["applied"]}
    return {
        "outcome": _OUTCOMES[decision["outcome"]],
        "patient": patient["patient_id"] if patient else None,
        "order": None,
        "accession": decision["accession_number"],
        "corrections": corrections,
        "candidates": [{"patient": one["patient"]["patient_id"], "order": None} for one in decision["candidates"]],
        "reasons": [f"{decision['rule']}: {decision['sentence']}"],
    }


def _register(node: _Node, patients: Iterable[Line]) -> None:
    """Tell who is known at the start, over several connections."""
    told = [messages.registration(one, number) for number, one in enumerate(patients)]
    with ThreadPoolExecutor(_SENDERS) as senders:
        list(senders.map(node.say, (told[first::_SENDERS] for first in range(_SENDERS))))


@contextmanager
def _serving(folder: Path, mappings: Path, site: Line, stations: Sequence[str]) -> Iterator[_Node]:
    sender = mappings / "sites" / "hospital"
    sender.mkdir(parents=True, exist_ok=True)
    (sender / "site.toml").write_text(
        f'schema = 1\nextends = "base"\nauthority = "{site["issuer"]}"\n'
        f'match = {{ sending_application = "{messages.SENDER}", sending_facility = "{messages.FACILITY}" }}\n',
        "utf-8",
    )
    ports = free_port(), free_port(), free_port()
    peers = "".join(
        f'[[dicom.peers]]\nae_title = "{title}"\nhost = "{HOST}"\nport = 104\nroles = ["modality"]\n\n'
        for title in stations
    )
    settings = folder / "bridge.toml"
    settings.write_text(
        f'[bridge]\ndata = "{folder / "data"}"\nmappings = "{mappings}"\ntime_zone = "UTC"\n\n[hl7]\nport = {ports[0]}\n\n'
        f'[dicom]\nport = {ports[1]}\n\n{peers}[http]\nport = {ports[2]}\n\n[identity]\nauthority = "{site["issuer"]}"\n',
        "utf-8",
    )
    node = _Node(folder, settings, ports)
    try:
        yield node
    finally:
        node.api.close()
        node.stop()


def _stations(events: Iterable[Event]) -> list[str]:
    sending = {event.line["header"]["SendingAE"] for event in events if event.kind == "study"}
    return sorted(sending | {"CT_1"})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
