"""The whole item as dcmtk reads it: every return key of the model asked by findscu and answered, and each in the form of its VR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom import config
from pydicom.datadict import dictionary_VR

from bridge.codecs.dicom.worklist_model import ROOT_KEYS, STEP_KEYS, STEP_SEQUENCE
from bridge.wiring import House
from tests.cast import PLAIN, order
from tests.conftest import dcmtk_tool, run_tool
from tests.flows.asking import say
from tests.flows.worklist_devices import DICOM, open_door

pytestmark = pytest.mark.peer

RICH = (
    "OBX|1|NM|29463-7^Body weight^LN||180|[lb_av]\rOBX|2|NM|8302-2^Body height^LN||178|cm\r"
    "OBX|3|CE|82810-3^Pregnancy^LN||LA26683-5\r"
)
# Not in the answer as keys of their own: the set is chosen, the sequence is asked for by its keys.
_APART = {STEP_SEQUENCE, 0x00080005}


def named(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def test_findscu_asks_for_every_return_key_and_gets_each_in_its_form(
    make_house: Callable[..., House], tmp_path: Path
) -> None:
    house = make_house(dicom=DICOM)
    raw = order(PLAIN, "A1", extra=RICH).replace(
        b"||||CT\r", b"||||CT||||7^COPY^CARL||WHLC|R05^Cough^I10|||3&TECH&TOM\r"
    )
    say(house, raw)
    keys = [arg for tag in sorted(ROOT_KEYS - _APART) for arg in ("-k", named(tag))]
    keys += [arg for tag in sorted(STEP_KEYS) for arg in ("-k", f"{named(STEP_SEQUENCE)}[0].{named(tag)}")]
    with open_door(house) as door:
        done = run_tool(
            dcmtk_tool("findscu"),
            *(
                "-v",
                "-W",
                "-X",
                "-od",
                str(tmp_path),
                "-aet",
                "CT1",
                "-aec",
                "BRIDGE",
                *keys,
                "127.0.0.1",
                str(door.port),
            ),
        )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.dcm")
    dumped = run_tool(dcmtk_tool("dcmdump"), str(file))
    assert (dumped.returncode, "E:" in dumped.stderr, "W:" in dumped.stderr) == (0, False, False)
    item = pydicom.dcmread(file)
    (step,) = item.ScheduledProcedureStepSequence
    assert {int(element.tag) for element in item} - _APART == ROOT_KEYS - _APART
    assert {int(element.tag) for element in step} == STEP_KEYS
    _check_strictly(item)
    assert (item.PatientWeight, item.PatientSize, item.PregnancyStatus) == (81.647, 1.78, 1)
    assert (item.PatientTransportArrangements, item.NamesOfIntendedRecipientsOfResults) == ("WHLC", "COPY^CARL")


def _check_strictly(dataset: pydicom.Dataset) -> None:
    """Fail for a value that its VR does not allow, at every level."""
    for element in dataset.iterall():
        assert element.VR in dictionary_VR(element.tag)
        values = element.value if element.VM > 1 else [element.value]
        for value in values if element.VR != "SQ" and element.value is not None else ():
            pydicom.valuerep.validate_value(element.VR, value if element.VR == "US" else str(value), config.RAISE)
