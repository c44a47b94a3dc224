"""ImagingStudies to one FHIR server that answers each request 50 ms late: our publisher and outbox against the wait alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bench.measure import Size, Table, note
from bench.servers import ROOT, free_port
from bridge.clock import Clock
from bridge.codecs.fhir import endpoint
from bridge.codecs.fhir.imaging_study import House
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.outbox.worker import Worker
from bridge.publishers.ehr_directory import EhrDirectory, ImageAccess
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.imaging_study import Ehr, ImagingStudyPublisher
from bridge.sections.fhir import FhirServer
from bridge.store import deliveries, schema
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from tests.fakes.chart_scene import SYSTEM, system_of
from tests.fakes.clinic import Clinic

HEADING = "Chart: ImagingStudies of 60 objects to one FHIR server, 50 ms to each answer"
AGAINST = "one request each, on one connection"
CONNECTIONS = 4
_DELAY_SECS = 0.05
_LIMIT_SECS = 300.0
_SERIES, _INSTANCES = 3, 20


def chart_table(folder: Path, size: Size, tell: Callable[[str], None]) -> tuple[Table, str]:
    """Publish as many studies as there are images in a round, to each kind of server in turns."""
    table: Table = {}
    # A line for each study would be measured, too.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for number in range(size.rounds):
        for offers in ("ids", "conditions", "searches"):
            name = f"imaging-bridge, {CONNECTIONS} connections, a server with {offers}"
            with _Server(offers) as server:
                if offers == "ids":
                    note(table, AGAINST, "studies/s", _alone(server, size.images // 4))
                note(table, name, "studies/s", _published(folder / f"{number}-{offers}", server, size.images))
            tell(f"chart, round {number + 1}: {name} {table[name].per_sec[-1] * 60:.0f} studies a minute")
    return table, AGAINST


class _Server:
    """The strict EHR as a process of its own."""

    def __init__(self, offers: str) -> None:
        port = free_port()
        self.root = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "samples.strict_ehr", "--port", str(port), "--offers", offers]
        self._process = subprocess.Popen([*command, "--slow-secs", str(_DELAY_SECS)], cwd=ROOT)

    def __enter__(self) -> _Server:
        ends_at = time.monotonic() + 30
        while True:
            try:
                self.call("GET", "/_state")
                return self
            except (urllib.error.URLError, OSError):
                if time.monotonic() > ends_at:
                    raise RuntimeError("the FHIR server did not come up") from None
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        raw = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.root + path, raw, method=method), timeout=30) as said:
            return dict(json.loads(said.read() or b"{}"))


def _alone(server: _Server, count: int) -> tuple[int, float, float]:
    """Ask *count* times with nothing else to do: what one connection allows for a request a study."""
    server.call("POST", "/_mode", {"mode": "slow"})
    began, used = time.perf_counter(), time.process_time()
    for number in range(count):
        server.call("GET", f"/fhir/Patient?identifier={SYSTEM}|{number}")
    done = count, time.perf_counter() - began, time.process_time() - used
    server.call("POST", "/_mode", {"mode": "ok"})
    return done


def _published(folder: Path, server: _Server, count: int) -> tuple[int, float, float]:
    folder.mkdir(parents=True)
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    schema.migrate(store)
    clinic = Clinic(store)
    for number in range(count):
        patient = clinic.patient(f"{number:08d}")
        server.call("POST", "/fhir/Patient", _patient(number))
        study = clinic.study(f"2.25.9{number}", _SERIES, _INSTANCES)
        clinic.queue(IMAGING_STUDY, "ehr", clinic.bind(study, patient, clinic.order(patient, f"A{number}")))
    server.call("POST", "/_mode", {"mode": "slow"})
    settings = FhirServer(name="ehr", base_url=f"{server.root}/fhir", connections=CONNECTIONS)
    client = FhirClient(settings, Clock())
    directory = EhrDirectory(
        client, system_of, ImageAccess(endpoint.ways("https://bridge.example.org", has_viewer=True), "Riverside")
    )
    publisher = ImagingStudyPublisher(
        {"ehr": Ehr(client, directory)}, House(ZoneInfo("UTC"), system_of), timedelta(seconds=0)
    )
    lanes = {(IMAGING_STUDY, "ehr"): CONNECTIONS}
    worker = Worker(store, Clock(), [publisher], owner=f"bench-{os.getpid()}", at_once=lanes)
    began, used = time.perf_counter(), time.process_time()
    worker.start()
    try:
        _wait(store, count)
        return count, time.perf_counter() - began, time.process_time() - used
    finally:
        worker.stop()
        client.close()
        store.dispose()


def _wait(store: Store, count: int) -> None:
    ends_at = time.monotonic() + _LIMIT_SECS
    while time.monotonic() < ends_at:
        with store.read() as tx:
            if len(deliveries.search(tx, DeliveryState.SENT, limit=count)) == count:
                return
        time.sleep(0.05)
    raise RuntimeError("not every study was published")


def _patient(number: int) -> dict[str, object]:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": f"{number:08d}"}]}
