"""`import` at a terminal: what is on a disc, what came of it, and what must be said together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import main
from tests.cast import PLAIN, image, write_file
from tests.product.running import settings_text


@pytest.fixture
def clinic(tmp_path: Path) -> tuple[str, Path]:
    """Settings of an empty clinic, and a stick with one image and one other file."""
    config, stick = tmp_path / "bridge.toml", tmp_path / "stick"
    config.write_text(settings_text(tmp_path, {}), "utf-8")
    stick.mkdir()
    dataset = image(PLAIN, "", study="2.25.7101")
    dataset.IssuerOfPatientID = "SUMMIT"
    write_file(dataset, stick / "1.dcm")
    (stick / "readme.txt").write_text("for your doctor")
    assert CliRunner().invoke(main, ["migrate", "-c", str(config)]).exit_code == 0
    return str(config), stick


def test_a_stick_is_looked_at_and_taken_in_and_said_in_words_and_as_json(clinic: tuple[str, Path]) -> None:
    config, stick = clinic
    looked = CliRunner().invoke(main, ["import", str(stick), "--dry-run", "-c", config])
    assert looked.output == "1 DICOM objects, 1 other files; nothing was taken in\n"
    done = CliRunner().invoke(main, ["import", str(stick), "--match", "-c", config])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "2.25.7101  1 new  waits for evidence or a person (V04)"
    assert lines[2:] == ["1 studies, 1 objects", "1 other files on it"]
    again = CliRunner().invoke(main, ["import", str(stick), "-c", config, "--json"])
    said = json.loads(again.output)
    assert (said["studies"][0]["taken"], said["studies"][0]["known"], said["other_files"]) == (0, 1, 1)


def test_what_cannot_be_meant_is_refused(clinic: tuple[str, Path]) -> None:
    config, stick = clinic
    for options in (["--patient", "1", "--match"], ["--issuer", "SUMMIT"], ["--patient", "4711"]):
        assert CliRunner().invoke(main, ["import", str(stick), "-c", config, *options]).exit_code == 1, options
