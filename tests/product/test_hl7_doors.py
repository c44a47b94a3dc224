"""HL7 through every door of a running product: MLLP, HTTP and the command line, one message, two answers, a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.codecs.hl7.batch import messages_in
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, adt, order
from tests.product.running import Product, run_command

BHS = b"BHS|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|20260301||||B1\r"
HL7 = {"Content-Type": "application/hl7-v2"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("doors"), {}).start("--one-process")
    yield running
    running.stop()


def asks(raw: bytes, accept: str, application: str) -> bytes:
    fields = raw.split(b"|", 18)
    fields[14:16] = [accept.encode(), application.encode()]
    return b"|".join(fields)


def codes(answer: bytes) -> list[str]:
    return [one.split(b"\r")[1].split(b"|")[1].decode() for one in messages_in(answer)]


def test_over_mllp_a_sender_gets_the_answers_it_asks_for_in_frames_of_their_own(product: Product) -> None:
    said = [asks(order(PLAIN, f"D{n}"), *modes) for n, modes in enumerate((("AL", "AL"), ("AL", "NE"), ("NE", "NE")))]
    answers = product.say(*said, order(PLAIN, "D9"))

    assert [codes(answer) for answer in answers] == [["CA", "AA"], ["CA"], [], ["AA"]]
    assert codes(product.say(said[0])[0]) == ["CA", "AA"]


def test_over_mllp_a_batch_is_answered_by_a_batch(product: Product) -> None:
    raw = BHS + order(PLAIN, "E1") + order(NEAR_TWIN, "E2").replace(b"ORM^O01", b"ZZZ^Z01") + b"BTS|2\r"
    (answer,) = product.say(raw)

    assert answer.startswith(b"BHS|^~\\&|BRIDGE|RIVERSIDE|RIVEHR|RIVERSIDE|")
    assert codes(answer) == ["AA", "AR"]
    assert codes(product.say(BHS + order(MULTI_BYTE, "E3") + b"BTS|2\r")[0]) == ["AE"]


def test_over_http_every_kind_of_message_and_a_batch_are_answered_in_the_body(product: Product) -> None:
    api = product.api(product.token("system"))
    update = adt(PLAIN, "A08")
    cases = [
        (order(PLAIN, "F1"), 200, ["AA"]),
        (update, 200, ["AA"]),
        (asks(order(PLAIN, "F2"), "AL", "AL"), 200, ["AA"]),
        (update.replace(b"ADT^A08", b"ZZZ^Z01"), 403, ["AR"]),
        (update.replace(b"PID|", b"XXX|"), 422, ["AE"]),
        (BHS + order(PLAIN, "F3") + update + b"BTS|2\r", 200, ["AA", "AA"]),
        (BHS + order(PLAIN, "F4") + update.replace(b"PID|", b"XXX|") + b"BTS|2\r", 422, ["AA", "AE"]),
        (BHS + order(PLAIN, "F5") + b"BTS|3\r", 422, ["AE"]),
    ]
    for raw, status, expected in cases:
        said = api.post("/api/hl7", content=raw, headers=HL7)
        assert (said.status_code, codes(said.content)) == (status, expected), raw[:60]
        assert said.headers["Content-Type"] == HL7["Content-Type"]


def test_from_a_terminal_a_file_is_sent_message_by_message_or_as_its_batch(product: Product, tmp_path: Path) -> None:
    several, batch = tmp_path / "several.hl7", tmp_path / "batch.hl7"
    several.write_bytes((order(PLAIN, "G1") + order(NEAR_TWIN, "G2")).replace(b"\r", b"\r\n"))
    batch.write_bytes(BHS + order(PLAIN, "G3") + order(NEAR_TWIN, "G4").replace(b"ORM^O01", b"ZZZ^Z01") + b"BTS|2\r")
    done = run_command("send", "hl7", str(several), str(batch), "--to", product.addresses["hl7"], "--json")

    answers = json.loads(done.stdout)["answers"]
    assert [(row["file"], row["code"]) for row in answers] == [
        ("several.hl7", "AA"),
        ("several.hl7", "AA"),
        ("batch.hl7", "AA"),
        ("batch.hl7", "AR"),
    ]
    assert done.returncode == 1
