"""From images bound to their packet for the payer: the whole product, every role a process of its own.

    python -m bench.packet_latency [ROUNDS]

A CT of 200 slices of half a megabyte, six key images chosen. Printed: the time from the second click (`POST …/attachments`)
to a packet that can be opened; the first round is the first packet of that product's life.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2

from bench.chart_latency import INSTANCES, store_exam
from bench.machine import noise
from tests.cast import PLAIN, adt, report, study_uid
from tests.product.running import Product

_KEY_IMAGES = 6
_LIMIT_SECS = 60.0


def main(arguments: list[str]) -> int:
    """Measure and print; 1 if a packet did not come."""
    rounds = int(arguments[0]) if arguments else 5
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-packet-"))
    product = Product(folder, {"publish": "study_quiet_secs = 1"}).start()
    try:
        print(f"noise probe: {noise()[0]:.1f} ms, load {os.getloadavg()[0]:.1f}")
        api = product.api(product.token())
        took = [_one(product, api, folder, f"P{number}") for number in range(rounds)]
        print(f"first {took[0]:.2f} s; median of the others {statistics.median(took[1:] or took):.2f} s")
    except TimeoutError as fault:
        print(fault, file=sys.stderr)
        return 1
    finally:
        product.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _one(product: Product, api: httpx2.Client, folder: Path, accession: str) -> float:
    """Return the seconds from the attachment to its packet. Raises: TimeoutError."""
    # Somebody else each time: what comes of one person makes their other packets anew.
    person = replace(PLAIN, patient_id=f"7{int(accession[1:]):07}")
    product.say(adt(person))
    store_exam(product, folder, accession, INSTANCES, person)
    product.say(report(person, accession))
    uid = study_uid(accession)
    _until(lambda: api.get(f"/api/studies/{uid}").json().get("state") == "bound", "the study to be bound")
    patient = {"patient_id": person.patient_id, "issuer_of_patient_id": "RIVERSIDE"}
    lines = [{"code": "71260"}]
    body = {"number": accession, "payer": "60054", "patient": patient, "accession_number": accession, "lines": lines}
    made = api.post("/api/authorizations", json=body)
    assert made.status_code == 201, made.text
    place = f"/api/authorizations/{made.json()['id']}/attachments"
    step = INSTANCES // _KEY_IMAGES
    chosen = [f"{uid}.1.{number}" for number in range(1, _KEY_IMAGES * step, step)]
    began = time.monotonic()
    asked = api.post(place, json={"study_instance_uid": uid, "instances": chosen, "as": ["pdf"]})
    assert asked.status_code in (200, 201, 202), asked.text
    opened: list[httpx2.Response] = []

    def is_ready() -> bool:
        (one,) = api.get(place).json()["attachments"]
        if one.get("url"):
            opened[:] = [api.get(one["url"])]
        return bool(opened) and opened[0].status_code == 200

    _until(is_ready, "the packet")
    took = time.monotonic() - began
    print(f"packet of {len(opened[0].content) // 1000} kB after {took:.2f} s", flush=True)
    return took


def _until(holds: Callable[[], bool], what: str) -> None:
    ends_at, pause = time.monotonic() + _LIMIT_SECS, threading.Event()
    while not holds():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"waited {_LIMIT_SECS:.0f} s for {what}")
        pause.wait(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
