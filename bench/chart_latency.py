"""From the last image of a CT to its ImagingStudy on the EHR: the whole product, every role a process of its own.

    python -m bench.chart_latency [ROUNDS]

200 instances of half a megabyte over one association, `study_quiet_secs = 1`; the EHR is the strict one of the samples.
Printed: the time from the last 0000 to the entry with all instances, and what of it lies beyond the quiet time.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.machine import noise
from bridge.domain.study import OutgoingObject
from bridge.publishers.dicom_client import store_files
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, image, order, study_uid
from tests.product.running import EHR_SYSTEM, Product

INSTANCES = 200
QUIET_SECS = 1.0
_SIDE = 512
_LIMIT_SECS = 120.0


def main(arguments: list[str]) -> int:
    """Measure and print; 1 if an entry did not come."""
    rounds = int(arguments[0]) if arguments else 5
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-chart-"))
    ehr = StrictEhr().start()
    ehr.books.create({"resourceType": "Patient", "identifier": [{"system": EHR_SYSTEM, "value": PLAIN.patient_id}]})
    sections = {
        "fhir": f'[[fhir.servers]]\nname = "ehr"\nbase_url = "{ehr.base_url}"',
        "publish": f"study_quiet_secs = {QUIET_SECS}",
    }
    product = Product(folder, sections).start()
    try:
        print(f"noise probe: {noise()[0]:.1f} ms")
        beyond = [one_round(product, ehr, folder, f"L{number}") - QUIET_SECS for number in range(rounds)]
        print(f"beyond the quiet time: median {statistics.median(beyond):.2f} s, most {max(beyond):.2f} s")
    except TimeoutError as fault:
        print(fault, file=sys.stderr)
        return 1
    finally:
        product.stop()
        ehr.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def one_round(product: Product, ehr: StrictEhr, folder: Path, accession: str) -> float:
    """Order, store, wait; return the seconds from the last answer to the whole entry. Raises: TimeoutError."""
    product.say(order(PLAIN, accession))
    objects = [_object(folder, accession, number) for number in range(1, INSTANCES + 1)]
    began = time.monotonic()
    results = store_files(product.dicom, "CT1", objects)
    stored = time.monotonic()
    if any(one.status != 0 for one in results):
        raise TimeoutError("an image was not stored")
    uid = f"urn:oid:{study_uid(accession)}"
    pause = threading.Event()
    while not _is_whole(ehr, uid):
        if time.monotonic() - stored > _LIMIT_SECS:
            raise TimeoutError("the entry did not come")
        pause.wait(0.01)
    took = time.monotonic() - stored
    print(f"{INSTANCES} instances in {stored - began:.1f} s; the entry {took:.2f} s after the last", flush=True)
    for one in objects:
        one.path.unlink()
    return took


def _is_whole(ehr: StrictEhr, uid: str) -> bool:
    studies = ehr.state()["resources"].get("ImagingStudy", {}).values()
    return any(
        one["numberOfInstances"] == INSTANCES and one["status"] == "available"
        for one in studies
        if uid in [identifier["value"] for identifier in one["identifier"]]
    )


def _object(folder: Path, accession: str, number: int) -> OutgoingObject:
    dataset = image(PLAIN, accession, number)
    dataset.Rows = dataset.Columns = _SIDE
    dataset.PixelData = number.to_bytes(2, "little") * _SIDE * _SIDE
    path = cast.write_file(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    return OutgoingObject(
        path, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(dataset.file_meta.TransferSyntaxUID)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
