"""Lists of authorizations as files: each row answered for, the same list twice one list, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.building.web_flows import authorization_lists
from bridge.cli import main
from bridge.clock import FixedClock
from bridge.domain.authorization import AuthorizationStatus
from bridge.errors import BridgeError
from bridge.flows.import_authorizations import ImportedList
from bridge.store import authorization_news, authorizations
from bridge.wiring import House
from tests.cast import PLAIN, adt, order
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HEAD = "Auth Number,Payer ID,MRN,Status,CPT Code,Modifier,Units Approved,Expiration Date,DOB,Remarks\n"
ROWS = (
    f"PA-1,60054,{PLAIN.patient_id},approved,71260,26,1,4/30/2026,3/12/1958,x\n"
    f"PA-1,60054,{PLAIN.patient_id},approved,74177,,2,4/30/2026,3/12/1958,x\n"
)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), order(PLAIN, "A1"))
    return found


def hand_in(house: House, text: str) -> ImportedList:
    return authorization_lists(house).import_list(text.encode(), "user:bill")


def outcomes(imported: ImportedList) -> list[tuple[int, str]]:
    return [(row.number, row.outcome) for row in imported.rows]


def test_rows_of_one_number_are_the_lines_of_one_authorization(house: House) -> None:
    imported = hand_in(house, HEAD + ROWS)
    assert (outcomes(imported), imported.unread) == ([(2, "applied"), (3, "applied")], ("Remarks",))
    with house.store.read() as tx:
        (key,) = authorizations.keys_by_number(tx, "PA1")
        one = authorizations.get(tx, key)
    assert (one.status, one.expires_on) == (AuthorizationStatus.APPROVED, "20260430")
    assert [(line.code, line.modifiers, line.approved_units) for line in one.lines] == [
        ("71260", ("26",), "1"),
        ("74177", (), "2"),
    ]


def test_columns_may_be_called_as_the_page_calls_them(house: House) -> None:
    head = "authorization number,payer,patient number,member number,status,code,modifiers,units,effective,expiration\n"
    imported = hand_in(house, f"{head}PA-9,60054,{PLAIN.patient_id},W1,approved,71260,26,1,2026-03-01,3/31/2026\n")
    assert imported.unread == ()
    assert outcomes(imported) == [(2, "applied")]


def test_the_same_list_again_changes_nothing_and_another_answer_does(house: House) -> None:
    hand_in(house, HEAD + ROWS)
    house.clock.at = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)  # type: ignore[attr-defined]
    assert outcomes(hand_in(house, HEAD + ROWS)) == [(2, "known"), (3, "known")]
    denied = ROWS.replace("approved", "denied")
    house.clock.at = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)  # type: ignore[attr-defined]
    assert outcomes(hand_in(house, HEAD + denied)) == [(2, "applied"), (3, "applied")]
    house.clock.at = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)  # type: ignore[attr-defined]
    assert outcomes(hand_in(house, HEAD + ROWS)) == [(2, "applied"), (3, "applied")]
    with house.store.read() as tx:
        (key,) = authorizations.keys_by_number(tx, "PA1")
        assert authorizations.get(tx, key).status == AuthorizationStatus.APPROVED
        assert len(authorization_news.of_authorization(tx, key)) == 3


def test_a_list_that_says_when_is_put_in_order_by_it(house: House) -> None:
    head = "Number,Payer,MRN,Status,Status Date\n"
    hand_in(house, f"{head}PA-1,60054,{PLAIN.patient_id},denied,2026-03-02T10:00\n")
    hand_in(house, f"{head}PA-1,60054,{PLAIN.patient_id},pended,2026-03-01T10:00\n")
    with house.store.read() as tx:
        (key,) = authorizations.keys_by_number(tx, "PA1")
        assert authorizations.get(tx, key).status == AuthorizationStatus.DENIED


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ("PA-2,60054,1,fine,71260,,1,,,", "Status", "not known"),
        ("PA-2,60054,1,approved,71260,,1,30/4/2026,,", "Expiration Date", "not a date"),
        ("PA-2,60054,1,approved,71260,,many,,,", "Units Approved", "a number of units"),
        (",60054,1,approved,71260,,1,,,", "Auth Number", "needed"),
        ("PA-2,,1,approved,71260,,1,,,", "Payer ID", "needed"),
        ("PA-2,60054,1,approved,,26,1,,,", "CPT Code", "needed"),
        ("PA-2,60054,1,approved,71260,,1,,3/45/1958,", "DOB", "not a date"),
    ],
)
def test_a_faulty_row_is_named_in_words_and_the_others_are_taken_in(
    house: House, row: str, column: str, what: str
) -> None:
    imported = hand_in(house, f"{HEAD}{row}\n{ROWS}")
    assert outcomes(imported) == [(2, "faulty"), (3, "applied"), (4, "applied")]
    ((told, sentence),) = imported.rows[0].why
    assert told == column
    assert what in sentence


def test_a_row_of_nobody_known_waits_for_a_person(house: House) -> None:
    imported = hand_in(house, HEAD + ROWS.replace(PLAIN.patient_id, "999"))
    assert outcomes(imported) == [(2, "waits"), (3, "waits")]
    assert imported.rows[0].why == (("", "nothing in it says for certain whose it is"),)
    assert outcomes(hand_in(house, HEAD + ROWS.replace(PLAIN.patient_id, "999"))) == [(2, "known"), (3, "known")]
    with house.store.read() as tx:
        assert len(authorization_news.waiting(tx)) == 1


@pytest.mark.parametrize("text", ["", "Number,MRN\nPA-1,7\n", "Payer,Payor\n1,2\n", "\x00\x01"])
def test_what_is_no_list_is_refused_whole(house: House, text: str) -> None:
    with pytest.raises(BridgeError):
        hand_in(house, text)


def test_a_terminal_says_what_became_of_each_row(house: House, tmp_path: Path) -> None:
    file, config = tmp_path / "list.csv", tmp_path / "bridge.toml"
    file.write_text(HEAD + ROWS + "PA-3,60054,1,fine,71260,,1,,,\n", "utf-8")
    settings = house.settings
    config.write_text(
        f'[bridge]\ndata = "{settings.bridge.data}"\nmappings = "{settings.bridge.mappings}"\n'
        f'[store]\ndatabase = "{settings.store.database}"\n[identity]\nauthority = "RIVERSIDE"\n',
        "utf-8",
    )
    done = CliRunner().invoke(main, ["authorizations", "import", str(file), "-c", str(config), "--json"])
    assert done.exit_code == 1, done.output
    said = json.loads(done.stdout)
    assert [row["outcome"] for row in said["rows"]] == ["applied", "applied", "faulty"]
    again = CliRunner().invoke(main, ["authorizations", "import", str(file), "-c", str(config)])
    assert "row 4: Status: not known" in again.stdout
    assert "1 faulty, 2 known" in again.stdout
