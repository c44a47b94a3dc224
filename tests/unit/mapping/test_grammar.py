"""Paths: what they may look like and what they find."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7 import er7
from bridge.mapping.grammar import parse_path

MESSAGE = er7.parse(
    b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5.1\r"
    b"PID|1||77^^^H&1.2&ISO^MR~88^^^K^PI~99\r"
    b"OBX|1|ST|113014^DICOM Study^DCM||1.2.3\r"
    b"OBX|2|NM|8302-2^Height^LN||178\r"
    b"ZOR|x|y^z\r"
)
SCOPE = {name: MESSAGE.all(name) for name in ("MSH", "PID", "OBX", "ZOR")}


def found(text: str) -> list[str]:
    path = parse_path(text)
    return [r for segment in path.segments(MESSAGE, SCOPE) for r in path.repetitions(MESSAGE, segment)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("PID-3", ["77^^^H&1.2&ISO^MR", "88^^^K^PI", "99"]),
        ("PID-3[2]", ["88^^^K^PI"]),
        ("PID-3[5=MR]", ["77^^^H&1.2&ISO^MR"]),
        ("PID-3[4=H]", ["77^^^H&1.2&ISO^MR"]),
        ("PID-3[5=SS]", []),
        ("PID-3[9]", []),
        ("ZOR-2", ["y^z"]),
        ("OBX[3=113014]-5", ["1.2.3"]),
        ("OBX[2]-5", ["178"]),
        ("OBX-5", ["1.2.3", "178"]),
        ("PV1-19", []),
        ("ZOR-9", []),
    ],
)
def test_a_path_finds_repetitions(text: str, values: list[str]) -> None:
    assert found(text) == values


def test_a_path_says_its_place_without_selectors() -> None:
    assert parse_path("PID-3[5=MR].4.2").where == "PID-3.4.2"
    assert parse_path("OBX[3=113014]-5").where == "OBX-5"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID",
        "PID-",
        "PID.3",
        "pid-3",
        "PID-3[",
        "PID-3[MR]",
        "PID-3.1.2.3",
        "PID-3[5=]",
        "PIDX-3",
        " PID-3",
        "PID-0",
        "PID-3[0]",
        "PID-3.0",
    ],
)
def test_what_is_no_path_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"PID-3|begin at 1"):
        parse_path(text)
