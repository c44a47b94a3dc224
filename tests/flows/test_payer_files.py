"""Files that a clearinghouse puts into a folder: each taken once and kept, whatever is in it and whenever it breaks off."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.building.clearing import claim_files, payer_file_taker
from bridge.clock import FixedClock
from bridge.codecs.x12 import prior_authorization
from bridge.codecs.x12.facts import Decision
from bridge.codecs.x12.writer import Draft, write
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_file import PayerFileState
from bridge.errors import Conflict, Unavailable
from bridge.flows import take_payer_file, take_payer_files
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.take_payer_files import PayerFiles, PayerFolder
from bridge.store import authorization_news, authorizations, claim_outcomes, payer_files
from bridge.wiring import House
from tests.cast import PLAIN, adt, order
from tests.flows.asking import say, typed_authorization
from tests.unit.codecs.x12.claims import ACKNOWLEDGED, ASKED, PAYMENT, file_of
from tests.unit.codecs.x12.payers import ANSWERED, SENDING

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
assert ANSWERED.event is not None
PENDS = replace(ANSWERED, event=replace(ANSWERED.event, lines=(), decision=Decision("A4", "EP-TRACK-1")))


class Folder:
    """A house, a clearinghouse's folder, and who reads it."""

    def __init__(self, house: House, inbox: Path) -> None:
        self.house = house
        self.inbox = inbox
        inbox.mkdir()
        self.reader = self.another("one")

    def another(self, owner: str) -> PayerFiles:
        folder = PayerFolder("eastlink", self.inbox, UTC)
        return PayerFiles(self.house.store, self.house.clock, payer_file_taker(self.house), [folder], owner=owner)

    def put(self, name: str, content: bytes, age: timedelta = timedelta(minutes=1)) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        at = (self.house.clock.now() - age).timestamp()
        os.utime(path, (at, at))
        return path

    def names(self, place: str) -> list[str]:
        return sorted(path.name for path in (self.inbox / place).glob("*"))

    def status(self, key: int) -> AuthorizationStatus:
        with self.house.store.read() as tx:
            return authorizations.get(tx, key).status

    def history(self, key: int) -> int:
        with self.house.store.read() as tx:
            return len(authorization_news.of_authorization(tx, key))

    def waiting(self) -> int:
        with self.house.store.read() as tx:
            return len(authorization_news.waiting(tx))


@pytest.fixture
def folder(make_house: Callable[..., House], tmp_path: Path) -> Folder:
    house = make_house(FixedClock(NOW))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    return Folder(house, tmp_path / "inbox")


def known(folder: Folder) -> int:
    """Put down a request that the payer's answer is about."""
    entry = AuthorizationEntry(folder.house.store, folder.house.clock, folder.house.rules)
    said = typed_authorization("", PLAIN, "A1", payer_id="EAST01", trace="CLV-EVENT-1")
    return entry.enter(said, "user:bill")


def answer(*said: prior_authorization.PriorAuthorization, is_test: bool = False) -> bytes:
    return write(
        replace(SENDING, is_test=is_test),
        [Draft("278", "005010X217", prior_authorization.segments_of(one)) for one in said],
    )


def test_a_decision_in_a_file_is_the_authorization_s_and_the_file_is_kept(folder: Folder) -> None:
    key = known(folder)
    content = answer(ANSWERED)
    folder.put("answer.edi", content)
    assert folder.reader.work() == 1
    assert folder.status(key) == AuthorizationStatus.PARTIAL
    (name,) = folder.names("taken")
    assert name == "20260304T120000-answer.edi"
    assert (folder.inbox / "taken" / name).read_bytes() == content
    assert folder.reader.work() == 0


def test_a_pended_answer_approves_nothing_whatever_number_it_bears(folder: Folder) -> None:
    key = known(folder)
    folder.put("answer.edi", answer(PENDS))
    folder.reader.work()
    assert folder.status(key) == AuthorizationStatus.PENDED


def test_an_answer_that_names_nobody_waits_for_a_person(folder: Folder) -> None:
    folder.put("answer.edi", answer(ANSWERED))
    folder.reader.work()
    assert (folder.waiting(), len(folder.names("taken"))) == (1, 1)


def test_the_same_answer_in_another_file_changes_nothing_and_overwrites_nothing(folder: Folder) -> None:
    key = known(folder)
    for _ in range(3):
        folder.put("answer.edi", answer(ANSWERED))
        folder.reader.work()
    assert folder.history(key) == 2
    assert len(folder.names("taken")) == 3


def test_what_is_broken_is_set_aside_with_its_reason_and_the_rest_counts(folder: Folder) -> None:
    key = known(folder)
    whole = answer(PENDS, ANSWERED)
    folder.put("cut.edi", whole[:-60])
    folder.put("miscounted.edi", whole.replace(b"~SE*", b"~SE*9", 1))
    folder.put("picture.edi", b"\x89PNG nothing to read")
    assert folder.reader.work() == 3
    assert folder.names("taken") == []
    why = {path.name: path.read_text() for path in (folder.inbox / "refused").glob("*.why.txt")}
    assert len(why) == 3
    assert all("HALVORSEN" not in text and text.strip() for text in why.values())
    assert "SE01" in why["20260304T120000-miscounted.edi.why.txt"]
    assert folder.status(key) == AuthorizationStatus.PARTIAL


def test_a_test_file_decides_nothing(folder: Folder) -> None:
    key = known(folder)
    folder.put("answer.edi", answer(ANSWERED, is_test=True))
    folder.reader.work()
    assert folder.status(key) == AuthorizationStatus.UNCONFIRMED
    assert "ISA15" in next((folder.inbox / "refused").glob("*.why.txt")).read_text()


def test_what_is_still_written_hidden_or_a_link_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside.edi"
    outside.write_bytes(answer(ANSWERED))
    (folder.inbox / "link.edi").symlink_to(outside)
    folder.put("new.edi", answer(ANSWERED), timedelta(seconds=1))
    folder.put("upload.edi.part", answer(ANSWERED))
    folder.put(".hidden", answer(ANSWERED))
    assert folder.reader.work() == 0
    assert isinstance(folder.house.clock, FixedClock)
    folder.house.clock.at += timedelta(seconds=10)
    assert folder.reader.work() == 1
    assert folder.names("taken") == ["20260304T120010-new.edi"]


def test_a_file_whose_taking_broke_off_is_taken_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    key = known(folder)
    path = folder.put("answer.edi", answer(PENDS, ANSWERED))
    calls = iter((True, False))
    real = take_payer_file.take_authorization_news

    def breaks(*args: object, **said: object) -> object:
        if not next(calls):
            raise Unavailable("the database is away")
        return real(*args, **said)  # type: ignore[arg-type]

    monkeypatch.setattr(take_payer_file, "take_authorization_news", breaks)
    with pytest.raises(Unavailable):
        folder.reader.work()
    assert path.exists()
    monkeypatch.undo()
    assert folder.reader.work() == 1
    assert (folder.status(key), folder.history(key)) == (AuthorizationStatus.PARTIAL, 3)


def test_two_nodes_take_a_file_once(folder: Folder) -> None:
    known(folder)
    other = folder.another("two")
    folder.put("a.edi", answer(PENDS))
    assert folder.reader.work() == 1
    folder.put("b.edi", answer(ANSWERED))
    assert other.work() == 0
    assert folder.reader.work() == 1


def test_a_file_that_is_too_large_is_not_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_payer_files, "MAX_BYTES", 100)
    folder.put("answer.edi", answer(ANSWERED))
    assert folder.reader.work() == 1
    assert len(folder.names("refused")) == 2


def test_payments_and_requests_for_documents_in_a_folder_are_kept_as_those_that_people_hand_in(folder: Folder) -> None:
    folder.put("a.835", file_of("835", "005010X221A1", PAYMENT))
    folder.put("b.277", file_of("277", "005010X213", ASKED))
    folder.put("c.277", file_of("277", "005010X214", ACKNOWLEDGED))
    assert folder.reader.work() == 3
    assert len(folder.names("taken")) == 3
    with folder.house.store.read() as tx:
        numbers = {one.claim_number for one in claim_outcomes.waiting(tx, limit=50)}
        assert len(claim_outcomes.waiting(tx, limit=50)) == 8
    assert numbers == {"ACC17", "ACC18", "ACC19", "ACC20", "ACC21"}
    by_hand = claim_files(folder.house).import_file(file_of("835", "005010X221A1", PAYMENT), "user:bill")
    assert (by_hand.taken, by_hand.known) == (0, 5)


def test_every_file_is_listed_with_where_it_came_from_and_why_it_was_refused(folder: Folder) -> None:
    folder.put("whole.edi", answer(PENDS))
    folder.put("picture.edi", b"\x89PNG nothing to read")
    folder.reader.work()
    with folder.house.store.read() as tx:
        whole, picture = sorted(payer_files.newest(tx, 10), key=lambda one: one.name, reverse=True)
    assert (whole.name, whole.origin, whole.state, whole.reasons) == ("whole.edi", "eastlink", "taken", ())
    assert (picture.name, picture.state, len(picture.reasons)) == ("picture.edi", "refused", 1)


def test_a_mended_copy_of_a_refused_file_counts_as_the_clearinghouse_s(folder: Folder) -> None:
    key = known(folder)
    whole = answer(ANSWERED)
    folder.put("cut.edi", whole[:-60])
    folder.reader.work()
    desk = claim_files(folder.house)
    with folder.house.store.read() as tx:
        (refused,) = payer_files.newest(tx, 10, PayerFileState.REFUSED)
    with pytest.raises(Conflict, match="same file"):
        desk.take_again(refused.key, whole[:-60], "user:bill")
    assert desk.take_again(refused.key, whole, "user:bill", "mended.edi").news == 1
    assert folder.status(key) == AuthorizationStatus.PARTIAL
    with folder.house.store.read() as tx:
        mended, refused = payer_files.newest(tx, 10)
    assert (mended.origin, mended.mends, refused.mended_by) == ("eastlink", refused.key, mended.key)
    with pytest.raises(Conflict, match="not refused"):
        desk.take_again(mended.key, whole, "user:bill")


def test_a_folder_that_is_not_there_stops_nothing(folder: Folder) -> None:
    folder.inbox.rmdir()
    assert folder.reader.work() == 0
