"""Every .case beside a mapping holds. REWRITE_CASES=1 writes what comes out instead, to be read before it is committed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bridge.codecs.hl7 import er7
from bridge.errors import BridgeError
from bridge.mapping.apply import apply
from bridge.mapping.load import load_mappings
from bridge.mapping.show import show, show_error
from bridge.mapping.site import Defaults

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "mappings", ROOT / "mappings" / "examples", ROOT / "samples" / "mappings")
CASES = sorted(case for folder in FOLDERS for case in folder.glob("sites/*/examples/*.case"))
DEFAULTS = Defaults("HOME", "America/New_York")


def read_case(case: Path) -> tuple[bytes, str]:
    """Return the message as its sender would send it, and what should come of it."""
    text = case.read_text("utf-8")
    head, expected = re.split(r"^-{4,}\n", text, maxsplit=1, flags=re.MULTILINE)
    remarks = [line for line in head.splitlines() if line.startswith("#")]
    encodings = [line.partition("encoding:")[2].strip() for line in remarks if "encoding:" in line]
    message = "\r".join(line for line in head.splitlines() if not line.startswith("#")) + "\r"
    return message.encode(encodings[0] if encodings else "utf-8"), expected


def outcome(raw: bytes, folder: Path, site_name: str) -> str:
    mappings = load_mappings(ROOT / "mappings", folder)
    envelope = er7.read_envelope(raw)
    is_preset = (folder / "sites" / site_name / "preset.toml").is_file()
    if is_preset:
        # A preset names no sender: what extends it does.
        assert mappings.resolve(envelope.sending_application, envelope.sending_facility) is None
        site = mappings.rules_named(site_name)
    else:
        site = mappings.resolve(envelope.sending_application, envelope.sending_facility)
    assert site is not None
    assert site.name == site_name
    try:
        return show(apply(er7.parse(raw, site.charset), site, DEFAULTS))
    except BridgeError as error:
        return show_error(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}-{case.stem}")
def test_a_case_gives_what_it_expects(case: Path) -> None:
    raw, expected = read_case(case)
    found = outcome(raw, case.parents[3], case.parents[1].name)
    if os.environ.get("REWRITE_CASES"):
        head = re.split(r"^-{4,}\n", case.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
        case.write_text(f"{head}----\n{found}", "utf-8")
        return
    assert found == expected


def test_every_preset_and_every_example_has_a_case() -> None:
    sites = {site.parent.name for site in (ROOT / "mappings" / "examples" / "sites").glob("*/site.toml")}
    presets = {preset.name for preset in load_mappings(ROOT / "mappings").presets}

    assert presets
    assert presets | sites <= {case.parents[1].name for case in CASES}
