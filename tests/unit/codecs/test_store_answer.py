"""What a STOW-RS server says of each object, in JSON or XML, sound or not."""

from __future__ import annotations

import pytest

from bridge.codecs.dicomweb.store_answer import StoreAnswer, read_store_answer
from bridge.errors import Malformed

JSON = b"""{
 "00081190": {"vr": "UR", "Value": ["http://archive/studies/1.2"]},
 "00081199": {"vr": "SQ", "Value": [
   {"00081155": {"vr": "UI", "Value": ["1.2.1"]}},
   {"00081155": {"vr": "UI", "Value": ["1.2.2"]}, "00081196": {"vr": "US", "Value": [45056]}}]},
 "00081198": {"vr": "SQ", "Value": [
   {"00081155": {"vr": "UI", "Value": ["1.2.3"]}, "00081197": {"vr": "US", "Value": [290]}},
   {"00081155": {"vr": "UI", "Value": ["1.2.4"]}}]}
}"""
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
 <DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence"><Item number="1">
  <DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID"><Value number="1">1.2.1</Value></DicomAttribute>
 </Item></DicomAttribute>
</NativeDicomModel>"""


def test_what_is_kept_and_what_is_not_is_read_object_by_object() -> None:
    expected = StoreAnswer({"1.2.1": 0, "1.2.2": 0xB000}, {"1.2.3": 0x0122, "1.2.4": 0x0110})
    assert read_store_answer(JSON) == expected
    assert read_store_answer(b"[" + JSON + b"]") == expected


def test_an_answer_in_xml_is_read_too() -> None:
    assert read_store_answer(XML) == StoreAnswer({"1.2.1": 0}, {})


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"00081199": 7}',
        b'{"00081199": {"Value": [7, {"00081155": {"Value": [7]}}]}}',
        b'{"00081199": {"vr": "SQ"}}',
    ],
)
def test_an_answer_that_names_no_object_keeps_none(body: bytes) -> None:
    assert read_store_answer(body) == StoreAnswer()


@pytest.mark.parametrize("body", [b"", b"stored", b"7", b"[]", b"<html></html>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_store_answer(body)
