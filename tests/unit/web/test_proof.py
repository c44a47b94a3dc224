"""The proof as a page, as CSV, as JSON and in a terminal: the same figures, each with what it is of, and no patient in them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import main
from bridge.domain.accounts import Role
from bridge.domain.proof import Compared, Figures, Measure, Tally
from bridge.errors import Malformed
from bridge.flows.show_proof import change_text, window_of
from bridge.web.bars import Bar, Pair, Part, columns, pairs
from tests.fakes.console import Console
from tests.unit.codecs.x12.claims import PAYMENT
from tests.unit.web.test_counted_claims import BACK, SPLIT, proof, take

SINCE = "since=2026-03-12&from=2026-01-01&to=2026-12-31"
PATIENT = ("HALVORSEN", "OKAFOR", "00041001", "EP0041001", "ACC17", "ACC18")


@pytest.fixture
def paid(console: Console) -> Console:
    take(console, PAYMENT.replace("EASTPLAN HEALTH", "=EASTPLAN HEALTH"))
    return console


def table(console: Console, name: str, query: str = SINCE) -> list[dict[str, str]]:
    answer = console.browser(Role.BILLING).get(f"/proof/{name}.csv?{query}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="proof-{name}-20260312.csv"'
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_says_of_what_each_figure_is_and_what_it_means(paid: Console) -> None:
    page = paid.browser(Role.BILLING).get(f"/proof?{SINCE}").text
    for said in (
        "Denied for missing documents",
        "Of the claims that the first insurer decided",
        "1 of 2",
        "0 of 1",
        "too few to compare",
        "22 days (of 1)",
        "before 12 Mar 2026 and since",
        "without a day of service, and in no figure: 1",
        "CO-16",
    ):
        assert said in page, said
    assert " %" not in page.split('<h2 id="measures">')[1].split("<h2")[0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_patient_and_no_number_of_a_claim_is_anywhere_in_it(paid: Console) -> None:
    browser = paid.browser(Role.BILLING)
    names = ("measures", "months", "payers", "devices", "reasons")
    pages = [browser.get(f"/proof?{SINCE}").text, *(browser.get(f"/proof/{name}.csv?{SINCE}").text for name in names)]
    pages.append(paid.machine(Role.BILLING).get(f"/api/proof?{SINCE}").text)
    assert [one for one in PATIENT for page in pages if one in page] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_table_is_there_as_csv_and_no_cell_is_a_formula(paid: Console) -> None:
    payers = table(paid, "payers")
    assert [(row["payer"], row["period"], row["decided"], row["denied_for_documents"]) for row in payers] == [
        ("'=EASTPLAN HEALTH", "before", "2", "1"),
        ("'=EASTPLAN HEALTH", "since", "1", "0"),
    ]
    assert [row["month"] for row in table(paid, "months")] == ["2026-03", "2026-03"]
    assert {(row["code"], row["about"]) for row in table(paid, "reasons")} >= {("CO-97", "part of another service")}
    measures = {(row["measure"], row["period"]): (row["part"], row["whole"]) for row in table(paid, "measures")}
    assert measures["Paid at the first answer", "before"] == ("1", "2")
    assert paid.browser(Role.BILLING).get("/proof/patients.csv").status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_interface_gives_part_and_whole_and_of_few_no_share(paid: Console) -> None:
    said = paid.machine(Role.BILLING).get(f"/api/proof?{SINCE}").json
    (documents,) = [one for one in said["measures"] if one["measure"] == "denied-for-documents"]
    assert documents["before"] == {"part": 1, "whole": 2, "share": None}
    assert said["since"] == "2026-03-12"
    assert {row["device"] for row in said["devices"]} == {"device not known"}
    whole = paid.machine(Role.BILLING).get("/api/proof?from=2026-01-01&to=2026-12-31").json["measures"][0]
    assert whole["all"] == {"part": 1, "whole": 3, "share": None}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_does_no_billing_sees_no_figures(paid: Console) -> None:
    assert paid.browser(Role.VIEWER).get("/proof").status_code == 403
    assert paid.machine(Role.INTAKE).get("/api/proof").status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_no_day_is_told_and_nothing_is_shown(paid: Console) -> None:
    for query in ("since=soon", "from=2026-02-30", "from=2026-03-01&to=2026-02-01", "to=0001-01-01"):
        page = paid.browser(Role.BILLING).get(f"/proof?{query}")
        assert (page.status_code, "Denied for missing documents" in page.text) == (400, False), query
        assert paid.machine(Role.BILLING).get(f"/api/proof?{query}").status_code == 400


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_claim_the_page_says_what_would_fill_it(console: Console) -> None:
    page = console.browser(Role.BILLING).get("/proof?since=2026-03-12").text
    assert "Nothing to count yet" in page
    assert "payers' files (835, 277)" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_terminal_prints_the_same(paid: Console, tmp_path: Path) -> None:
    config, settings = tmp_path / "bridge.toml", paid.house.settings
    config.write_text(
        f'[bridge]\ndata = "{settings.bridge.data}"\nmappings = "{settings.bridge.mappings}"\n'
        f'[store]\ndatabase = "{settings.store.database}"\n[identity]\nauthority = "RIVERSIDE"\n',
        "utf-8",
    )
    asked = ["proof", "--since", "2026-03-12", "--from", "2026-01-01", "--to", "2026-12-31", "-c", str(config)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "Denied for missing documents         1 of 2" in done.stdout
    found = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert found["payers"][0]["decided"] == 2
    refused = CliRunner().invoke(main, ["proof", "--since", "soon", "-c", str(config)])
    assert (refused.exit_code, "a day is wanted" in refused.stderr) == (1, True)


def test_what_comes_later_is_in_the_next_answer(console: Console) -> None:
    assert proof(console, SPLIT).months == ()
    take(console, PAYMENT)
    assert proof(console, SPLIT).overall.whole.tally.decided == 3
    take(console, BACK)
    assert proof(console, SPLIT).overall.whole.tally.decided == 2


@pytest.mark.parametrize(
    ("before", "since", "said"),
    [
        (Tally(decided=2000, documents=120), Tally(decided=2000, documents=40), ("−4.0 points", "better")),
        (Tally(decided=2000, documents=40), Tally(decided=2000, documents=120), ("+4.0 points", "worse")),
        (Tally(decided=100, documents=5), Tally(decided=100, documents=4), ("−1.0 points, may be chance", "")),
        (Tally(decided=19, documents=5), Tally(decided=2000, documents=4), ("too few to compare", "")),
    ],
)
def test_a_change_is_judged_only_where_there_is_one(before: Tally, since: Tally, said: tuple[str, str]) -> None:
    assert change_text(Compared("", Figures(before), Figures(since)), Measure.DOCUMENTS) == said


def test_two_years_up_to_today_are_looked_at_unless_said_otherwise(console: Console) -> None:
    today = console.clock.now().date()
    window = window_of("", "", "", today)
    assert (window.begins, window.ends, window.since) == ("20240301", "20260302", "")
    with pytest.raises(Malformed, match="YYYY-MM-DD"):
        window_of("", "", "1.5.2026", today)


def test_a_picture_says_its_numbers_and_keeps_what_it_is_given_as_text() -> None:
    bars = [Bar("<b>", "May: 1 of 3", (Part("main", 4, few=True), Part("rest", 6)))]
    drawn = str(columns("Denied <&>", bars, "%", mark_at=0.5))
    assert 'aria-label="Denied &lt;&amp;&gt;"' in drawn
    assert "<title>May: 1 of 3</title>" in drawn
    assert 'class="main few"' in drawn
    assert "&lt;b&gt;" in drawn
    assert ">10%<" in drawn
    assert 'class="mark" x1="54.50%"' in drawn
    assert " style=" not in drawn
    lying = str(pairs("By payer", [Pair("A & B", ((Part("rest", 8), "before 8"), (Part("main", 4), "since 4")))]))
    assert 'width="46.00%"' in lying
    assert 'width="23.00%"' in lying
    assert "A &amp; B" in lying
    assert pairs("nothing", [Pair("A", ((Part("main", 0), "none yet"),))])
