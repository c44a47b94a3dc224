"""imaging-bridge view: what is read of a file as its device wrote it, and by the site's rules."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from bridge.cli import main
from tests.unit.codecs.dicom.test_read_by_rule import write

SETTINGS = """
[bridge]
data     = "data"
mappings = "mappings"
[identity]
authority = "HOSP"
[[dicom.peers]]
ae_title = "CR1"
host     = "127.0.0.1"
port     = 1
roles    = ["modality"]
"""
RULES = """
schema = 1
title  = "A reader"
match  = { ae_title = "CR1" }
[repairs.number]
do      = "glued_issuer"
because = "It does so."
[repairs.clock]
do            = "clock"
ahead_minutes = 3
because       = "It does so."
"""


def house(folder: Path, rules: str = RULES) -> Path:
    """Write settings and rules, and return the settings' file."""
    (folder / "mappings" / "repairs").mkdir(parents=True)
    (folder / "mappings" / "repairs" / "cr.toml").write_text(rules, "utf-8")
    (folder / "bridge.toml").write_text(SETTINGS, "utf-8")
    return folder / "bridge.toml"


def test_what_was_written_stands_beside_what_is_read_and_the_rule(tmp_path: Path) -> None:
    path, settings = write(tmp_path / "x.dcm"), house(tmp_path)
    done = CliRunner().invoke(main, ["view", str(path), "--from", "CR1", "-c", str(settings)])
    assert done.exit_code == 0, done.output
    (line,) = [one for one in done.output.splitlines() if one.startswith("patient_id")]
    assert line.split() == ["patient_id", "123^^^HOSP", "123", "cr.number"]
    assert "Its clock goes +3 minutes ahead" in done.output
    assert not (tmp_path / "data").exists()


def test_another_sender_is_read_as_it_writes(tmp_path: Path) -> None:
    path, settings = write(tmp_path / "x.dcm"), house(tmp_path)
    done = CliRunner().invoke(main, ["view", str(path), "--from", "CR2", "-c", str(settings), "--json"])
    rows = {one["value"]: one for one in json.loads(done.output)["values"]}
    assert rows["patient_id"]["as_read"] == "123^^^HOSP"
    assert not any(one["by_rule"] for one in rows.values())


def test_a_rule_that_would_touch_what_was_seen_stops_the_check(tmp_path: Path) -> None:
    bad = RULES + '[repairs.side]\ndo = "upper_case"\nof = ["Laterality"]\nbecause = "So."\n'
    settings = house(tmp_path, bad)
    done = CliRunner().invoke(main, ["check", "-c", str(settings)])
    assert done.exit_code != 0
    assert "Laterality is what was seen" in done.output


def test_a_file_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"not an image")
    done = CliRunner().invoke(main, ["view", str(tmp_path / "x.dcm"), "-c", str(house(tmp_path))])
    assert done.exit_code == 1
    assert "not a DICOM file" in done.output
