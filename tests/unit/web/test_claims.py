"""Payers' files on claims: each word kept once with whom it is about; what is about nobody known waits for a person."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from bridge.cli import main
from bridge.codecs.x12.writer import Draft, write
from bridge.domain.accounts import Role
from bridge.domain.claim_match import MatchRule
from bridge.domain.claim_outcome import ClaimOutcome, OutcomeStatus
from bridge.errors import Conflict, Malformed
from bridge.flows.take_claim import take_claim
from bridge.flows.take_payer_file import TakenFile
from bridge.store import audit, authorizations, claim_outcomes, objects
from bridge.store.claim_outcomes import KeptOutcome
from bridge.store.tables import payer_files
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.unit.codecs.x12.claims import ASKED, PAYMENT, file_of, parsed
from tests.unit.codecs.x12.payers import SENDING

PAID = file_of("835", "005010X221A1", PAYMENT)


def taken(console: Console, raw: bytes = PAID) -> TakenFile:
    return console.services.flows.billing.claims.import_file(raw, "user:bill")


def waiting(console: Console) -> list[KeptOutcome]:
    with console.store.read() as tx:
        return claim_outcomes.waiting(tx, limit=50)


def test_every_claim_of_a_payment_is_kept_once(console: Console) -> None:
    assert taken(console) == TakenFile(taken=5, waiting=5)
    assert taken(console) == TakenFile(known=5)
    found = {one.claim_number: one for one in waiting(console)}
    assert (found["ACC17"].status, found["ACC17"].paid) == (OutcomeStatus.PAID, Decimal(520))
    assert (found["ACC18"].status, found["ACC18"].lacks_documents) == (OutcomeStatus.DENIED, True)
    assert found["ACC18"].reasons == ("CO-16", "N706", "M31")
    assert [one.claim_number for one in found.values() if one.lacks_documents] == ["ACC19", "ACC18"]
    assert found["ACC21"].charged == Decimal(-100)


def test_the_bytes_of_a_file_are_kept_as_they_came_and_never_swept(console: Console) -> None:
    taken(console)
    assert console.services.blobs is not None
    with console.store.read() as tx:
        (blob,) = tx.execute(select(payer_files.c.blob)).scalars()
        assert objects.named(tx, [blob]) == {blob}
    with console.services.blobs.at_hand(blob) as path:
        assert path.read_bytes() == PAID


def test_a_claim_numbered_as_an_exam_is_that_exams_and_its_authorizations(console: Console) -> None:
    console.order("ACC18")
    assert taken(console) == TakenFile(taken=5, waiting=4)
    billing = console.browser(Role.ADMIN)
    page = billing.get("/authorizations/1").text
    for said in ("The payer denied the claim", "For want of documents", "CO-16, N706, M31", "0.00 of 900.00 USD"):
        assert said in page, said
    assert "The payer denied the claim" in billing.get("/exams/ACC18", follow_redirects=True).text


def test_a_claim_that_names_its_authorization_is_known_by_it(console: Console) -> None:
    console.order("A1")
    raw = file_of("835", "005010X221A1", PAYMENT.replace("EPAUTH001", "PA A-1"))
    assert taken(console, raw).waiting == 4
    with console.store.read() as tx:
        (one,) = claim_outcomes.of_authorization(tx, 1)
    assert (one.claim_number, one.match.rule, one.match.order_key) == ("ACC17", MatchRule.AUTHORIZATION, 1)


def test_numbers_of_two_patients_are_nobodys_until_a_person_says(console: Console) -> None:
    console.order("A1")
    console.order("ACC17", "OKAFOR^DAVID", "00041002")
    raw = file_of("835", "005010X221A1", PAYMENT.replace("EPAUTH001", "PAA1"))
    assert taken(console, raw).waiting == 5
    (one,) = [each for each in waiting(console) if each.claim_number == "ACC17"]
    assert one.match.why == "its numbers name two patients"


def test_a_person_says_whose_a_claim_is_once(console: Console) -> None:
    console.order("A1")
    taken(console)
    browser = console.browser(Role.BILLING)
    key = next(one.key for one in waiting(console) if one.claim_number == "ACC17")
    form = {"csrf_token": console.form_token(browser, "/claims"), "accession_number": "NONE"}
    assert browser.post(f"/claims/{key}/assign", data=form).status_code == 422
    form["accession_number"] = "A1"
    assert browser.post(f"/claims/{key}/assign", data=form).status_code == 303
    assert len(waiting(console)) == 4
    assert "The payer paid the claim: 520.00 of 650.00 USD" in browser.get("/authorizations/1").text
    with pytest.raises(Conflict, match="meanwhile"):
        console.services.flows.billing.claims.assign(key, "A1", "user:bill")


def test_what_a_person_said_of_a_claim_can_be_taken_back(console: Console) -> None:
    console.order("A1")
    taken(console)
    browser = console.browser(Role.ADMIN)
    key = next(one.key for one in waiting(console) if one.claim_number == "ACC17")
    console.services.flows.billing.claims.assign(key, "A1", "user:bill")
    form = {"csrf_token": console.form_token(browser, "/claims"), "reason": " "}
    assert "Take back" in browser.get("/claims").text
    assert browser.post(f"/claims/{key}/undo", data=form).status_code == 422
    form["reason"] = "the other Lee"
    assert browser.post(f"/claims/{key}/undo", data=form).status_code == 303
    assert len(waiting(console)) == 5
    assert "The payer paid the claim" not in browser.get("/authorizations/1").text
    timeline = browser.get("/exams/A1", follow_redirects=True).text
    assert "No longer: the payer paid the claim. It is of another exam: the other Lee" in timeline
    with pytest.raises(Conflict, match="nobody"):
        console.services.flows.billing.claims.take_back(key, "again", "user:bill")
    with console.store.read() as tx:
        assert [one.action for one in audit.recent(tx, limit=200)].count("claim_assignment_undone") == 1


def test_by_the_api_a_claim_is_given_to_an_exam_and_taken_back(console: Console) -> None:
    console.order("A1")
    taken(console)
    api = console.machine(Role.BILLING)
    every = api.get("/api/claims?limit=2").json
    assert [len(every["claims"]), len(api.get(every["next"]).json["claims"])] == [2, 2]
    key = next(one.key for one in waiting(console) if one.claim_number == "ACC17")
    assert api.post(f"/api/claims/{key}/undo", json={"reason": "the other Lee"}).json["code"] == "not_assigned"
    given = api.post(f"/api/claims/{key}/assign", json={"accession_number": "A1"})
    assert (given.json["matched_by"], given.json["authorization"], given.json["exam"]) == ("by-hand", 1, "order-1")
    assert [one["id"] for one in api.get("/api/claims?state=by-hand").json["claims"]] == [key]
    assert api.post(f"/api/claims/{key}/undo", json={"reason": " "}).status_code == 422
    back = api.post(f"/api/claims/{key}/undo", json={"reason": "the other Lee"})
    assert (back.status_code, back.json["matched_by"], back.json["exam"]) == (200, "none", None)
    assert api.get("/api/claims?state=by-hand").json["claims"] == []
    assert api.get("/api/claims?state=paid").status_code == 400
    assert console.machine(Role.INTAKE).get("/api/claims").status_code == 403


def test_a_request_for_documents_is_told_on_the_authorization(console: Console) -> None:
    console.order("ACC17")
    assert taken(console, file_of("277", "005010X213", ASKED)).taken == 1
    assert "The payer asks for documents on the claim" in console.browser(Role.BILLING).get("/authorizations/1").text


def test_what_is_no_file_on_claims_is_told_and_not_kept(console: Console) -> None:
    test_file = write(replace(SENDING, is_test=True), [Draft("835", "005010X221A1", tuple(parsed(PAYMENT)))])
    done = taken(console, test_file)
    assert (done.taken, done.refused) == (0, ("transaction 1 (835): ISA15: it is a test file",))
    broken = PAID.replace(b"CLP*ACC17*1*650*", b"CLP*ACC17*1*SIX*")
    (why,) = taken(console, broken).refused
    assert "what should be an amount is none" in why
    assert "SIX" not in why
    with pytest.raises(Malformed):
        taken(console, b"hello")
    assert waiting(console) == []


def test_a_request_for_documents_by_hand_is_the_authorization_s_news_too(console: Console) -> None:
    console.order("A1")
    asked = ASKED.replace("REF*EJ*ACC17", "REF*EJ*ACC17\nREF*G1*PAA1").replace("EAST01", "60054")
    assert taken(console, file_of("277", "005010X213", asked)).news == 1
    with console.store.read() as tx:
        assert authorizations.get(tx, 1).wanted == ("18748-4", "55113-5", "RR")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_files_are_listed_and_handed_out_to_who_may(console: Console) -> None:
    broken = PAID.replace(b"CLP*ACC17*1*650*", b"CLP*ACC17*1*SIX*")
    console.services.flows.billing.claims.import_file(broken, "user:bill", "C:\\in\\march.835")
    browser = console.browser(Role.BILLING)
    page = browser.get("/claims/files").text
    assert "march.835" in page
    assert "what should be an amount is none" in page
    assert "C:" not in page
    assert "march.835" not in browser.get("/claims/files?state=taken").text
    answer = browser.get("/claims/files/1")
    assert (answer.data, answer.headers["Content-Disposition"]) == (broken, 'attachment; filename="payer-file-1.edi"')
    with console.store.read() as tx:
        assert "payer_file_exported" in [one.action for one in audit.recent(tx, limit=20)]
    token = console.form_token(browser, "/claims/files")
    data = {"csrf_token": token, "file": (io.BytesIO(PAID), "mended.835")}
    page = browser.post("/claims/files/1/again", data=data, content_type="multipart/form-data").text
    assert "5 new" in page
    assert "a mended copy came as no. 2" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_browser_hands_a_file_in_and_is_told_what_came_of_it(console: Console) -> None:
    browser = console.browser(Role.BILLING)
    token = console.form_token(browser, "/claims")

    def handed(raw: bytes) -> str:
        data = {"csrf_token": token, "file": (io.BytesIO(raw), "a.835")}
        return browser.post("/claims", data=data, content_type="multipart/form-data").text

    page = handed(PAID)
    assert "5 new, of which 5 are about nobody known; 0 known already" in page
    assert "ACC17" in page
    assert "Nothing was changed" in handed(b"hello")
    assert "Choose a file" in handed(b"")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_terminal_takes_a_file_in(console: Console, tmp_path: Path) -> None:
    file, config, settings = tmp_path / "a.835", tmp_path / "bridge.toml", console.house.settings
    file.write_bytes(PAID)
    config.write_text(
        f'[bridge]\ndata = "{settings.bridge.data}"\nmappings = "{settings.bridge.mappings}"\n'
        f'[store]\ndatabase = "{settings.store.database}"\n[identity]\nauthority = "RIVERSIDE"\n',
        "utf-8",
    )
    done = CliRunner().invoke(main, ["claims", "import", str(file), "-c", str(config), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"taken": 5, "waiting": 5, "known": 0, "news": 0, "answered": 0, "refused": []}
    again = CliRunner().invoke(main, ["claims", "import", str(file), "-c", str(config)])
    assert "0 new, of which 0 about nobody known; 5 known already" in again.stdout


def test_what_is_of_services_before_the_first_order_waits_for_nobody(console: Console) -> None:
    console.order()
    early = ClaimOutcome("R1", payer_id="60054", status=OutcomeStatus.PAID, service_from=date(2025, 3, 2))
    late = replace(early, claim_number="R2", service_from=AT.date())
    with console.store.write() as tx:
        for number, one in enumerate((early, late, replace(early, claim_number="R3", service_from=None))):
            take_claim(tx, replace(one, source_number=f"f/{number}"), None, AT)
    assert {one.claim_number for one in waiting(console)} == {"R2", "R3"}
    page = console.browser(Role.BILLING).get("/claims").text
    assert "1 answer is of services before the first order here" in page
