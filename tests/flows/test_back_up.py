"""A backup of embedded storage holds every acknowledged object, and a restored node waits before it sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.clock import Clock
from bridge.errors import Conflict, Malformed, Unsupported
from bridge.flows.back_up import back_up, restore
from bridge.store import studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.tables import deliveries
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled, study_uid
from tests.flows.asking import say

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    found = make_house()
    say(found, adt(PLAIN), order(PLAIN, "A1"))
    for number in (1, 2):
        found.instances.receive(spooled(found, image(PLAIN, "A1", number, pixels=bytes([number]) * 64)))
    return found


def is_embedded(house: House) -> bool:
    return house.store.is_sqlite


def test_a_restored_node_has_every_object_and_sends_nothing_by_itself(house: House, tmp_path: Path) -> None:
    if not is_embedded(house):
        with pytest.raises(Unsupported):
            back_up(house.settings.database_url, house.blobs, tmp_path / "backup", Clock())
        return
    made = back_up(house.settings.database_url, house.blobs, tmp_path / "backup", Clock())
    assert made.objects == 2
    url = f"sqlite:///{tmp_path / 'new' / 'bridge.db'}"
    blobs = FolderBlobs(tmp_path / "new" / "blobs")
    restore(tmp_path / "backup", url, blobs, Clock())
    store = Store(url)
    with store.read() as tx:
        study = studies.by_uid(tx, study_uid("A1"))
        assert study is not None
        for group in studies.contents(tx, study.key).instances.values():
            for instance in group:
                kept = blobs.path_of(instance.blob).read_bytes()
                assert kept == house.blobs.path_of(instance.blob).read_bytes()
        assert {row.state for row in tx.execute(deliveries.select())} == {"held"}
    store.dispose()


def test_nothing_is_written_over(house: House, tmp_path: Path) -> None:
    if not is_embedded(house):
        return
    back_up(house.settings.database_url, house.blobs, tmp_path / "backup", Clock())
    with pytest.raises(Conflict):
        back_up(house.settings.database_url, house.blobs, tmp_path / "backup", Clock())
    with pytest.raises(Conflict):
        restore(tmp_path / "backup", house.settings.database_url, house.blobs, Clock())


def test_a_backup_that_lacks_an_object_is_refused(house: House, tmp_path: Path) -> None:
    if not is_embedded(house):
        return
    back_up(house.settings.database_url, house.blobs, tmp_path / "backup", Clock())
    next((tmp_path / "backup" / "objects" / "objects").rglob("?" * 64)).unlink()
    with pytest.raises(Malformed):
        restore(tmp_path / "backup", f"sqlite:///{tmp_path / 'n.db'}", FolderBlobs(tmp_path / "n"), Clock())
