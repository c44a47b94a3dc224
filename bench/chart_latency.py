"""From the last image of a CT to its ImagingStudy on the EHR: the whole product, every role a process of its own.

    python -m bench.chart_latency [ROUNDS]
    python -m bench.chart_latency --a-minute 20 --studies 60

Instances of half a megabyte over one association, `study_quiet_secs = 1`; the EHR is the strict one of the samples. Rounds:
200 instances, one study after the other; a minute: 20 instances, each study when it is due, whatever became of the last.
Printed: the time from the last 0000 to the entry with all instances, and what of it lies beyond the quiet time.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.machine import noise
from bridge.domain.study import OutgoingObject
from bridge.publishers.dicom_client import StoreResult, store_files
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, Person, image, order, study_uid
from tests.product.running import EHR_SYSTEM, Product

INSTANCES = 200
_IN_A_MINUTE = 20
QUIET_SECS = 1.0
_SIDE = 512
_LIMIT_SECS = 120.0


def main(arguments: list[str]) -> int:
    """Measure and print; 1 if an entry did not come."""
    parser = argparse.ArgumentParser("python -m bench.chart_latency")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--a-minute", type=float, default=0.0)
    parser.add_argument("--studies", type=int, default=60)
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-chart-"))
    ehr = StrictEhr().start()
    ehr.books.create({"resourceType": "Patient", "identifier": [{"system": EHR_SYSTEM, "value": PLAIN.patient_id}]})
    sections = {
        "fhir": f'[[fhir.servers]]\nname = "ehr"\nbase_url = "{ehr.base_url}"',
        "publish": f"study_quiet_secs = {QUIET_SECS}",
    }
    product = Product(folder, sections).start()
    try:
        print(f"noise probe: {noise()[0]:.1f} ms, load {os.getloadavg()[0]:.1f}")
        if asked.a_minute:
            took = paced(product, ehr, folder, 60 / asked.a_minute, asked.studies)
        else:
            took = [one_round(product, ehr, folder, f"L{number}") for number in range(asked.rounds)]
        beyond = sorted(one - QUIET_SECS for one in took)
        within = beyond[max(0, -(-len(beyond) * 95 // 100) - 1)]
        print(
            f"{len(beyond)} studies, beyond the quiet time: median {statistics.median(beyond):.2f} s, "
            f"95 of 100 within {within:.2f} s, most {beyond[-1]:.2f} s; load {os.getloadavg()[0]:.1f}"
        )
    except TimeoutError as fault:
        print(fault, file=sys.stderr)
        return 1
    finally:
        product.stop()
        ehr.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def paced(product: Product, ehr: StrictEhr, folder: Path, every_secs: float, count: int) -> list[float]:
    """Store a study each *every_secs*; return for each the seconds from its last answer to its whole entry. Raises: TimeoutError."""
    stored: dict[str, float] = {}
    seen: dict[str, float] = {}
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(ehr, stored, seen, ended), daemon=True)
    watch.start()
    began = time.monotonic()
    try:
        for number in range(count):
            ended.wait(max(0.0, began + number * every_secs - time.monotonic()))
            accession = f"M{number}"
            stored[accession] = store_exam(product, folder, accession, _IN_A_MINUTE)[1]
        ends_at = time.monotonic() + _LIMIT_SECS
        while len(seen) < count:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{count - len(seen)} entries did not come")
            ended.wait(0.05)
    finally:
        ended.set()
        watch.join()
    return [seen[one] - stored[one] for one in stored]


def _watch(ehr: StrictEhr, stored: dict[str, float], seen: dict[str, float], ended: threading.Event) -> None:
    """Note when each study that was stored has its whole entry."""
    while not ended.wait(0.01):
        for accession in stored.keys() - seen.keys():
            identifier = f"urn:dicom:uid|urn:oid:{study_uid(accession)}"
            found = ehr.books.search("ImagingStudy", {"identifier": [identifier]})
            if any(one.get("numberOfInstances") == _IN_A_MINUTE and one["status"] == "available" for one in found):
                seen[accession] = time.monotonic()


def store_exam(
    product: Product, folder: Path, accession: str, count: int, person: Person = PLAIN
) -> tuple[float, float]:
    """Order an exam of somebody and store its images; return when the first was sent and the last answered. Raises: TimeoutError."""
    product.say(order(person, accession))
    objects = [_object(folder, accession, number, person) for number in range(1, count + 1)]
    answered: list[float] = []

    def note(result: StoreResult) -> bool:
        answered.append(time.monotonic())
        return result.status == 0

    began = time.monotonic()
    results = list(store_files(product.dicom, "CT1", objects, on_result=note))
    if len(results) < count or any(one.status != 0 for one in results):
        raise TimeoutError("an image was not stored")
    for one in objects:
        one.path.unlink()
    return began, answered[-1]


def one_round(product: Product, ehr: StrictEhr, folder: Path, accession: str) -> float:
    """Order, store, wait; return the seconds from the last answer to the whole entry. Raises: TimeoutError."""
    began, stored = store_exam(product, folder, accession, INSTANCES)
    uid = f"urn:oid:{study_uid(accession)}"
    pause = threading.Event()
    while not _is_whole(ehr, uid):
        if time.monotonic() - stored > _LIMIT_SECS:
            raise TimeoutError("the entry did not come")
        pause.wait(0.01)
    took = time.monotonic() - stored
    print(f"{INSTANCES} instances in {stored - began:.1f} s; the entry {took:.2f} s after the last", flush=True)
    return took


def _is_whole(ehr: StrictEhr, uid: str) -> bool:
    studies = ehr.state()["resources"].get("ImagingStudy", {}).values()
    return any(
        one["numberOfInstances"] == INSTANCES and one["status"] == "available"
        for one in studies
        if uid in [identifier["value"] for identifier in one["identifier"]]
    )


def _object(folder: Path, accession: str, number: int, person: Person) -> OutgoingObject:
    dataset = image(person, accession, number)
    dataset.Rows = dataset.Columns = _SIDE
    # Noise, which no compression makes small.
    dataset.PixelData = random.Random(number).randbytes(2 * _SIDE * _SIDE)
    path = cast.write_file(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    return OutgoingObject(
        path, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(dataset.file_meta.TransferSyntaxUID)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
