"""What the console and REST say of the store of objects, to whom, and what people may do about it."""

from __future__ import annotations

import pytest

from bridge.domain.accounts import Role
from bridge.flows.look_at_shelf import count_usage
from bridge.store import audit, objects, retention, studies
from bridge.store.listings import usage
from tests.cast import PLAIN, image, spooled, study_uid
from tests.fakes.console import Console

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def keep(console: Console) -> str:
    """Receive one image and return its blob."""
    sent = spooled(console.house, image(PLAIN, "A1", 1))
    console.house.instances.receive(sent)
    return sent.digest


def test_the_page_says_what_is_kept_and_how_sound_it_is(console: Console) -> None:
    keep(console)
    page = console.browser(Role.IT).get("/storage").get_data(as_text=True)
    assert "1 object," in page
    assert "CT1" in page
    assert "above the low-water mark" in page
    assert "not yet" in page
    assert "nothing, ever" in page


def test_where_much_is_kept_the_page_says_what_the_worker_added_up_last(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_AT_ONCE", 1)
    keep(console)
    assert count_usage(console.store, console.clock.now()) == 1
    for number in (2, 3):
        console.house.instances.receive(spooled(console.house, image(PLAIN, "A1", number)))
    machine = console.machine(Role.IT)
    with console.store.read() as tx:
        exact, told = usage.usage(tx, console.clock.now()), usage.latest_usage(tx, console.clock.now())
    assert (exact.total.objects, told.total.objects) == (3, 1)
    assert machine.get("/api/storage").get_json()["by_modality"]["CT"]["objects"] == 1
    assert count_usage(console.store, console.clock.now()) == 3
    with console.store.read() as tx:
        assert usage.latest_usage(tx, console.clock.now()) == exact


def test_a_damaged_object_stands_at_the_top_and_in_the_metrics(console: Console) -> None:
    blob = keep(console)
    with console.store.write() as tx:
        objects.put_damaged(tx, blob, "changed", console.clock.now())
    page = console.browser(Role.IT).get("/storage").get_data(as_text=True)
    assert "1 object is damaged." in page
    assert study_uid("A1") in page
    machine = console.machine(Role.IT)
    assert "bridge_objects_damaged 1.0" in machine.get("/metrics").get_data(as_text=True)
    said = machine.get("/api/storage").get_json()
    assert [one["damage"] for one in said["damaged"]["objects"]] == ["changed"]
    assert said["total"]["objects"] == said["by_modality"]["CT"]["objects"] == said["by_source"]["CT1"]["objects"] == 1
    assert said["retention"]["after_days"] == 0
    assert said["free_bytes"] > 0


@pytest.mark.parametrize(
    ("role", "status"), [(Role.IT, 200), (Role.ADMIN, 200), (Role.VIEWER, 403), (Role.BILLING, 403)]
)
def test_it_is_for_those_who_run_the_house(console: Console, role: Role, status: int) -> None:
    assert console.browser(role).get("/storage").status_code == status
    assert console.machine(role).get("/api/storage").status_code == status


def test_a_study_says_what_of_it_is_damaged_and_who_keeps_what_was_removed(console: Console) -> None:
    blob = keep(console)
    with console.store.write() as tx:
        objects.put_damaged(tx, blob, "missing", console.clock.now())
        study = studies.by_uid(tx, study_uid("A1"))
        assert study is not None
        retention.put_removed(tx, study.key, console.clock.now())
    said = console.machine(Role.IT).get(f"/api/studies/{study_uid('A1')}").get_json()
    assert (said["damaged"], said["removed"], said["kept_by"]) == (1, 1, [])
    page = console.browser(Role.ADMIN).get(f"/studies/{study.key}").get_data(as_text=True)
    assert "1 object is damaged and served to nobody." in page
    assert "1 object removed here by rule: kept by an archive." in page


def test_a_study_can_be_kept_here_and_let_go_each_on_the_record(console: Console) -> None:
    keep(console)
    machine, uid = console.machine(Role.IT), study_uid("A1")
    held = machine.post("/api/storage/holds", json={"study_instance_uid": uid, "action": "hold", "reason": "teaching"})
    assert held.status_code == 200
    without = machine.post("/api/storage/holds", json={"study_instance_uid": uid, "action": "hold"})
    assert without.status_code == 422
    assert machine.post("/api/storage/holds", json={"study_instance_uid": "1.2", "reason": "x"}).status_code == 409
    let_go = machine.post("/api/storage/holds", json={"study_instance_uid": uid, "action": "release"})
    assert let_go.status_code == 200
    with console.store.read() as tx:
        told = [row.action for row in audit.recent(tx, limit=20)]
    assert {"study_held_here", "study_released_here"} <= set(told)
