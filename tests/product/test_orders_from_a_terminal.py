"""A day's list handed in at a terminal: looked at, applied, the same again; for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.product.running import run_command, settings_text

LIST = (
    "Patient ID,Name,Date of birth,Procedure,Modality,Date,Time,Accession\n"
    '41001,"Halvorsen, Ingrid",1958-03-12,CT chest,CT,2026-03-02,16:00,L1\n'
    '41002,"Okafor, Ada",1988-01-30,US abdomen,US,tomorrow,16:10,L2\n'
)


def test_a_list_is_looked_at_and_applied_and_said_as_json(tmp_path: Path) -> None:
    config, file = tmp_path / "bridge.toml", tmp_path / "monday.csv"
    config.write_text(settings_text(tmp_path, {}), "utf-8")
    file.write_text(LIST, "utf-8")
    assert run_command("migrate", "-c", str(config)).returncode == 0

    def imported(*options: str) -> Any:
        done = run_command("orders", "import", str(file), "-c", str(config), "--json", *options)
        assert done.returncode == 1, done.stderr
        return json.loads(done.stdout)

    looked, applied, again = imported("--dry-run"), imported(), imported()
    assert [one["applied"] for one in (looked, applied, again)] == [False, True, True]
    assert looked["counts"] == applied["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert again["counts"] == {"new": 0, "changed": 0, "unchanged": 1, "refused": 1}
    refused = applied["rows"][1]
    assert (refused["row"], refused["outcome"], refused["faults"][0]["column"]) == (3, "refused", "Date")
    assert applied["rows"][0]["order"] == again["rows"][0]["order"] == "order-1"
    plain = run_command("orders", "import", str(file), "-c", str(config)).stdout.splitlines()
    assert plain[0].startswith("row 3: Date: ")
    assert plain[-1] == "0 new, 0 changed, 1 unchanged, 1 refused"
