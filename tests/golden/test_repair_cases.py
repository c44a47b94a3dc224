"""Every .case beside a device's repairs holds: what the device writes, a line of dashes, what is read otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.repairs import view_of
from bridge.mapping.repair_rules import read_repairs, with_authorities
from bridge.mapping.rules_file import Faults

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "mappings", ROOT / "mappings" / "examples", ROOT / "samples" / "mappings")
CASES = sorted(case for folder in FOLDERS for case in folder.glob("repairs/examples/*.case"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_case_gives_what_it_expects(case: Path) -> None:
    said, _, expected = case.read_text("utf-8").partition("----\n")
    texts = dict(line.split(": ", 1) for line in said.splitlines())
    faults = Faults()
    read = read_repairs([case.parents[2]], faults)
    assert faults.found == []
    view = view_of([with_authorities(one, {"northgate": "NORTHGATE"}) for one in read], texts.pop("AETitle"))
    assert view is not None
    _, repaired = view.read(texts)
    assert [f"{one.keyword}: {one.read}  ({one.rule})" for one in repaired] == expected.splitlines()
