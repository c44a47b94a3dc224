"""The list that the demonstration ends with is one that the product takes whole."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from samples.afternoon import write_list
from tests.product.running import Product

DEVICES = ("CT1", "MR1", "DX1", "US1", "ENDO1")


def test_every_row_of_the_afternoon_goes_on_a_worklist(tmp_path: Path) -> None:
    peers = "".join(
        f'\n[[dicom.peers]]\nae_title = "{title}"\nhost = "127.0.0.1"\nport = 104\nroles = ["modality"]\n'
        for title in DEVICES
    )
    clinic = Product(tmp_path, {"peers": peers})
    assert clinic.command("migrate").returncode == 0

    taken = clinic.command("orders", "import", str(write_list(tmp_path, datetime.now())))

    assert taken.returncode == 0, taken.stdout + taken.stderr
    shown = json.loads(clinic.command("worklist", "--json").stdout)["items"]
    assert len(shown) == 6
    assert {title for item in shown for title in item["station"]} == set(DEVICES)
