"""Whoever looks at patients from a terminal is in the trail as whoever looks in the console."""

from __future__ import annotations

import re
from pathlib import Path

from bridge import settings
from bridge.clock import Clock
from bridge.start import prepare_store
from bridge.store import audit, patients
from bridge.store.tables import studies as studies_table
from bridge.wiring import House
from tests.cast import PLAIN, Person, adt, image, order, spooled, study_uid
from tests.flows.asking import say
from tests.product.running import run_command, settings_text


def test_every_look_at_patients_has_its_row(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(settings_text(tmp_path, {}), "utf-8")
    house = House(settings.load(config, {}), Clock())
    prepare_store(house)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for dataset in (image(PLAIN, "A1"), image(Person("1", "NOBODY^X", "19111111", "F"), "A7")):
        house.instances.receive(spooled(house, dataset, "CT1"))
    with house.store.read() as tx:
        (person,) = patients.get_many(tx, [1])
        bound, waiting = [row.key for row in tx.execute(studies_table.select().order_by(studies_table.c.key))]
    looks = (
        ["exam", "A1"],
        ["worklist", "--as", "CT1"],
        ["worklist", "--explain", "A1"],
        ["worklist", "--queries"],
        ["mismatches"],
    )
    for look in looks:
        done = run_command(*look, "-c", str(config))
        assert done.returncode == 0, done.stderr
    assert re.search(r" \d\d:\d\d:\d\d\+00:00 ", done.stdout), "times are told to the second"
    by_number = run_command("mismatches", "-c", str(config), "show", "1")
    by_uid = run_command("mismatches", "show", study_uid("A7"), "-c", str(config))
    assert (by_number.returncode, by_uid.returncode) == (0, 0), by_uid.stderr
    assert by_number.stdout == by_uid.stdout
    with house.store.read() as tx:
        rows = [row for row in audit.recent(tx, limit=50) if row.actor.startswith("terminal:")]
    house.store.dispose()
    assert [(row.action, row.patient_key, row.study_key) for row in reversed(rows)] == [
        ("exam_viewed", person.key, bound),
        ("worklist_viewed", person.key, None),
        ("worklist_explained", person.key, None),
        ("queries_listed", None, None),
        ("mismatches_listed", None, None),
        ("mismatch_viewed", None, waiting),
        ("mismatch_viewed", None, waiting),
    ]


def test_what_is_mistyped_is_told_and_not_answered_with_an_empty_list(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(settings_text(tmp_path, {}), "utf-8")
    house = House(settings.load(config, {}), Clock())
    prepare_store(house)
    house.store.dispose()
    of_nobody = run_command("worklist", "--as", "CT9", "-c", str(config))
    of_a_device = run_command("worklist", "--as", "CT1", "-c", str(config))
    assert "No device CT9 is in the settings: it would be turned away." in of_nobody.stdout
    assert of_a_device.stdout == "nothing is scheduled\n"
    known = run_command("deliveries", "--state", "dead", "-c", str(config))
    unknown = run_command("deliveries", "--state", "died", "-c", str(config))
    assert (known.returncode, known.stdout) == (0, "no deliveries\n")
    assert unknown.returncode == 2
    assert "'died' is not one of 'pending', 'sending', 'held', 'sent', 'dead'" in unknown.stderr
