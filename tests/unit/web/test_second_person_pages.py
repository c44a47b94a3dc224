"""What two people decide, on the page, over REST and from a terminal; without any script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from bridge.commands.records import mismatches
from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.store import case_proposals
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, order, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive
from tests.flows.test_second_person import MIXED, careful
from tests.unit.web.test_intake_desk import answer, person_of, somebody

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BIND = {"action": "bind", "patient": {"patient_id": PLAIN.patient_id}, "accession_number": "A1", "reason": "wristband"}


@pytest.fixture
def console(make_house: Callable[..., House], tmp_path: Path) -> Console:
    house = careful(make_house, tmp_path, "V06")
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    receive(house, MIXED)
    return Console(house)


@pytest.fixture
def case(console: Console) -> str:
    return f"/mismatches/study/{study_of(console.house, 'A1').key}"


def token_of(page: str) -> str:
    return page.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]


def settle(browser: FlaskClient, case: str, action: str, reason: str = "") -> int:
    page = browser.get(case).text
    address = page.split(f'action="{case}/proposals/', 1)[1].split('"', 1)[0]
    said = {"csrf_token": token_of(page), "action": action, "reason": reason}
    return browser.post(f"{case}/proposals/{address}", data=said).status_code


def proposed(console: Console, case: str, browser: FlaskClient) -> str:
    """Propose on the page that the images are PLAIN's; return the page that follows."""
    page = browser.get(case).text
    assert "Two people decide this case" in page
    said = answer(page, action=f"bind:{person_of(page, 'HALVORSEN, INGRID')}", reason="asked the ward")
    assert browser.post(case, data=said).status_code == 303
    return browser.get(f"{case}/decided").text


def test_one_proposes_and_another_confirms(console: Console, case: str) -> None:
    ann, ben = somebody(console, "ann"), somebody(console, "ben")
    assert "Proposed" in proposed(console, case, ann)
    hers, his = ann.get(case).text, ben.get(case).text
    assert "You proposed" in hers
    assert 'value="confirm"' not in hers
    assert "ann proposes" in his
    assert "“asked the ward”" in his
    assert 'value="confirm" class="primary" data-key="y"' in his
    assert 'value="bind:' not in his
    assert settle(ann, case, "confirm") == 403
    assert settle(ben, case, "confirm") == 303
    done = ben.get(f"{case}/decided").text
    assert "Proposed by ann, confirmed by ben" in done
    assert "confirmed by ben" in ann.get(case).text


def test_a_no_needs_its_reason_and_stands_on_the_case(console: Console, case: str) -> None:
    ann, ben = somebody(console, "ann"), somebody(console, "ben")
    proposed(console, case, ann)
    assert settle(ben, case, "decline") == 422
    assert settle(ben, case, "decline", "the wristband says otherwise") == 303
    page = ann.get(case).text
    assert "declined by ben" in page
    assert "the wristband says otherwise" in page
    assert 'value="bind:' in page


def test_the_queue_says_what_waits_for_a_second_person(console: Console, case: str) -> None:
    ann = somebody(console, "ann")
    assert "No such case" in ann.get("/mismatches?second=waits").text
    proposed(console, case, ann)
    listed = ann.get("/mismatches").text
    assert "waits for a second person" in listed
    assert "Waiting for a second person" in listed
    assert case in ann.get("/mismatches?second=waits").text
    assert settle(ann, case, "withdraw") == 303
    assert case not in ann.get("/mismatches?second=waits").text


def test_over_rest_a_decision_is_a_proposal_until_somebody_else_confirms(console: Console, case: str) -> None:
    ann, ben = somebody(console, "ann"), somebody(console, "ben")
    anns = {"X-CSRF-Token": token_of(ann.get(case).text)}
    bens = {"X-CSRF-Token": token_of(ben.get(case).text)}
    (row,) = ann.get("/api/mismatches").json["mismatches"]
    address = f"/api/mismatches/{row['id']}/decision"
    assert console.machine(Role.INTAKE).post(address, json=BIND).status_code == 403
    first = ann.post(address, json=BIND, headers=anns)
    assert first.status_code == 202
    assert first.json["proposal"] == ann.get("/api/mismatches").json["mismatches"][0]["proposal"]
    assert ann.post(address, json=BIND, headers=anns).status_code == 409
    proposal = f"/api/proposals/{first.json['proposal']['id']}"
    assert console.machine(Role.ADMIN).post(f"{proposal}/confirm").status_code == 403
    assert ann.post(f"{proposal}/confirm", headers=anns).json["code"] == "same_person"
    assert ben.post(f"{proposal}/decline", json={"reason": "ask again"}, headers=bens).json["state"] == "declined"
    second = ann.post(address, json=BIND, headers=anns).json["proposal"]
    assert ann.post(f"/api/proposals/{second['id']}/withdraw", headers=anns).json["state"] == "withdrawn"
    third = ann.post(address, json=BIND, headers=anns).json["proposal"]
    assert ben.post(f"/api/proposals/{third['id']}/confirm", headers=bens).json["settled_by"] == "user:ben"
    said = ben.get(f"/api/studies/{study_uid('A1')}").json
    assert (said["decided_by"], said["confirmed_by"]) == ("user:ann", "user:ben")
    assert [one["state"] for one in said["proposals"]] == ["confirmed", "withdrawn", "declined"]
    made = ben.get(f"/api/studies/{study_uid('A1')}/decisions").json["decisions"]
    assert (made[-1]["by"], made[-1]["confirmed_by"]) == ("user:ann", "user:ben")


def test_a_terminal_proposes_in_the_name_of_an_account_that_may(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[bridge]\ndata = "{tmp_path / "data"}"\nmappings = "{tmp_path / "mappings"}"\n'
        f'[store]\ndatabase = "sqlite:///{tmp_path / "bridge.db"}"\n[identity]\nauthority = "RIVERSIDE"\n',
        "utf-8",
    )
    said = ["-c", str(config), "decide", study_uid("A1"), "bind", "--accession", "A1", "--reason", "wristband"]
    monkeypatch.setenv("USER", "root")
    assert "both need an account" in CliRunner().invoke(mismatches, said).output
    monkeypatch.setenv("USER", "ann")
    manage_users.trusted_sign_in_link(console.store, console.clock, "ann", Role.INTAKE)
    assert "waits for a second person" in CliRunner().invoke(mismatches, said).output
    with console.store.read() as tx:
        (waits,) = case_proposals.of_study(tx, study_of(console.house, "A1").key)
    assert waits.proposed_by == "user:terminal:ann"
    assert settle(somebody(console, "ann"), f"/mismatches/study/{waits.study_key}", "confirm") == 403
