"""What is passing lies beside the data, and what a crash left there goes after a day."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.start import prepare_store, work_in_data_folder
from bridge.wiring import House

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    monkeypatch.setattr(tempfile, "tempdir", None)
    made = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    prepare_store(made)
    return made


def test_what_is_passing_lies_beside_the_data_for_its_owner_alone(house: House) -> None:
    work_in_data_folder(house)
    folder = house.settings.bridge.data / "temp"
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(folder), str(folder))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_crash_left_goes_after_a_day_and_what_others_work_on_stays(house: House) -> None:
    work_in_data_folder(house)
    folder = house.settings.bridge.data / "temp"
    (folder / "old").mkdir()
    (folder / "old" / "object.dcm").write_bytes(b"x")
    for name in ("old-file", "new-file"):
        (folder / name).write_bytes(b"x")
    long_ago = time.time() - 2 * 86400
    for name in ("old", "old-file"):
        os.utime(folder / name, (long_ago, long_ago))
    work_in_data_folder(house)
    assert [path.name for path in folder.iterdir()] == ["new-file"]
