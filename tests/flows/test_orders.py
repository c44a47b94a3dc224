"""Messages become patients, orders and worklist entries, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.message import InboundMessage
from bridge.domain.order import StepStatus
from bridge.flows.answer_worklist import answer_worklist
from bridge.flows.receive_message import Received
from bridge.flows.replay_message import replay_message
from bridge.store import audit, events, messages, orders, patients
from bridge.store.db import WriteTx
from bridge.store.tables import messages as messages_table
from bridge.wiring import House
from tests import cast
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, adt, merge, order
from tests.flows.asking import encode_query, say, sent, worklist_of

MakeHouse = Callable[..., House]


def code(answer: bytes) -> str:
    return next(line.split("|")[1] for line in answer.decode().split("\r") if line.startswith("MSA"))


def error_of(answer: bytes) -> str:
    return next((line for line in answer.decode().split("\r") if line.startswith("ERR")), "")


def test_an_order_is_on_the_worklist_of_its_modality_s_device(make_house: MakeHouse) -> None:
    house = make_house()
    assert [code(a) for a in say(house, adt(PLAIN), order(PLAIN, "A1"))] == ["AA", "AA"]
    items = worklist_of(house)
    assert [(str(i.PatientName), i.PatientID, i.AccessionNumber) for i in items] == [
        (PLAIN.name, PLAIN.patient_id, "A1")
    ]
    assert items[0].ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "CT1"


def test_the_same_message_again_gets_the_same_answer_and_does_nothing_twice(make_house: MakeHouse) -> None:
    house = make_house()
    message = order(PLAIN, "A1")
    first, again = say(house, message), say(house, message)
    assert first == again
    with house.store.read() as tx:
        assert len(orders.by_accession(tx, "A1")) == 1
        rows = tx.execute(messages_table.select()).all()
    assert [row.times_received for row in rows] == [2]


def test_the_same_control_id_with_other_bytes_is_another_message_with_a_warning(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN, control_id="C1"))
    (answer,) = say(house, adt(STRANGER, control_id="C1"))
    assert code(answer) == "AA"
    with house.store.read() as tx:
        assert patients.find(tx, PatientIdentifier(STRANGER.patient_id, "RIVERSIDE")) is not None
        latest = messages.get(tx, 2)
    assert [notice.severity for notice in latest.notices] == ["W"]


def test_one_bad_message_of_a_batch_takes_nobody_with_it(make_house: MakeHouse) -> None:
    house = make_house()
    bad = order(PLAIN, "A9", control="ZZ")
    answers = say(house, adt(PLAIN), bad, order(PLAIN, "A1"))
    assert [code(a) for a in answers] == ["AA", "AE", "AA"]
    assert "ORC" in error_of(answers[1])
    with house.store.read() as tx:
        assert len(tx.execute(messages_table.select()).all()) == 3
        assert orders.by_accession(tx, "A9") == []


def test_a_stranger_is_refused_journalled_and_can_be_replayed(make_house: MakeHouse) -> None:
    house = make_house()
    raw = adt(PLAIN).replace(b"|RIVEHR|RIVERSIDE|BRIDGE", b"|OTHER|OTHER|BRIDGE")
    (answer,) = say(house, raw)
    assert code(answer) == "AR"
    assert "103" in error_of(answer)
    assert "MSH" in error_of(answer)
    with house.store.read() as tx:
        assert messages.get(tx, 1).raw == raw
    assert replay_message(house.store, house.receiver, 1, "user:it") == "refused"


def test_an_applied_message_keeps_its_answer_when_a_replay_comes_to_another_end(make_house: MakeHouse) -> None:
    house = make_house()
    message = adt(MERGED, "A08")
    _, _, given = say(house, adt(PLAIN), adt(MERGED), message)
    say(house, merge(PLAIN, MERGED))
    with house.store.read() as tx:
        key = next(row.key for row in tx.execute(messages_table.select()) if row.raw == message)
    assert replay_message(house.store, house.receiver, key, "user:it") == "refused"
    assert say(house, message) == [given]
    with house.store.read() as tx:
        kept = tx.execute(messages_table.select().where(messages_table.c.key == key)).one()
        (noted,) = [row for row in audit.recent(tx, limit=50) if row.actor == "user:it"]
    assert (kept.state, kept.answer, kept.error_code) == ("applied", given, "")
    assert (noted.action, noted.detail["message"]) == ("message_refused", key)


def test_a_cancelled_order_leaves_the_worklist(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at="20260302090000"))
    assert worklist_of(house) == []


def test_a_cancellation_of_an_unknown_order_is_refused(make_house: MakeHouse) -> None:
    (answer,) = say(make_house(), order(PLAIN, "A1", "CA"))
    assert code(answer) == "AE"
    assert "204" in error_of(answer)


def test_a_started_step_is_not_cancelled(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    (answer,) = say(house, order(PLAIN, "A1", "CA", at="20260302120000"))
    assert code(answer) == "AE"
    assert "206" in error_of(answer)


def test_a_late_new_order_does_not_revive_a_finished_step(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    (answer,) = say(house, order(PLAIN, "A1", at="20260302180000"))
    assert code(answer) == "AA"
    with house.store.read() as tx:
        assert [s.status for s in orders.steps_of(tx, 1)] == [StepStatus.COMPLETED]
    assert worklist_of(house) == []


def test_older_news_changes_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN, "A08", at="20260302100000"))
    (answer,) = say(house, adt(cast.renamed(PLAIN, "OLDNAME^INGRID"), "A08", at="20260301100000"))
    assert code(answer) == "AA"
    with house.store.read() as tx:
        found = patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
    assert found is not None
    assert found.patient_name == PLAIN.name


def test_an_order_moves_with_its_patient_when_records_are_merged(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED), order(MERGED, "A1"), merge(PLAIN, MERGED))
    (item,) = worklist_of(house)
    assert (item.PatientID, str(item.PatientName)) == (PLAIN.patient_id, PLAIN.name)


def test_a_merge_said_twice_has_no_second_effect(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED))
    answers = say(house, merge(PLAIN, MERGED), merge(PLAIN, MERGED, at="20260302100000"))
    assert [code(a) for a in answers] == ["AA", "AA"]


@pytest.mark.parametrize(("survivor", "retired"), [(PLAIN, PLAIN), (MERGED, PLAIN)])
def test_a_merge_into_itself_or_in_a_circle_is_refused(
    make_house: MakeHouse, survivor: cast.Person, retired: cast.Person
) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED), merge(PLAIN, MERGED))
    (answer,) = say(house, merge(survivor, retired, at="20260302110000"))
    assert code(answer) == "AE"
    assert "205" in error_of(answer)


def test_an_update_of_a_retired_number_names_the_survivor(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED), merge(PLAIN, MERGED))
    (answer,) = say(house, adt(MERGED, "A08", at="20260302120000"))
    assert code(answer) == "AE"
    assert PLAIN.patient_id in answer.decode()


def test_a_number_issued_again_later_is_a_new_person(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED), merge(PLAIN, MERGED))
    reissued = cast.renamed(MERGED, "NILSSON^KARIN", "19900101")
    (answer,) = say(house, adt(reissued, "A04", at="20260303080000"))
    assert code(answer) == "AA"
    with house.store.read() as tx:
        holder = patients.find(tx, PatientIdentifier(MERGED.patient_id, "RIVERSIDE"))
    assert holder is not None
    assert (holder.patient_name, holder.merged_into) == ("NILSSON^KARIN", None)


def test_a_registration_from_before_the_merge_makes_nobody(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(MERGED), merge(PLAIN, MERGED))
    (answer,) = say(house, adt(MERGED, "A04", at="20260302070000"))
    assert code(answer) == "AA"
    with house.store.read() as tx:
        holder = patients.find(tx, PatientIdentifier(MERGED.patient_id, "RIVERSIDE"))
    assert holder is not None
    assert holder.merged_into is not None


def test_an_order_for_another_patient_under_a_known_study_is_refused(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    (answer,) = say(house, order(NEAR_TWIN, "A1", at="20260302090000"))
    assert code(answer) == "AE"
    assert "205" in error_of(answer)


def test_a_query_in_latin_1_gets_latin_1(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(cast.MULTI_BYTE), order(cast.MULTI_BYTE, "A1"))
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 100"
    query.PatientName = ""
    (answer,) = answer_worklist(house.store, encode_query(query), "1.2.840.10008.1.2")
    assert "Núñez^Señora".encode("latin-1") in answer.identifier


def test_no_message_leaves_a_hole_in_the_journal(make_house: MakeHouse) -> None:
    house = make_house()
    garbage = [b"", b"MSH", b"hello", b"MSH|^~\\&|RIVEHR|RIVERSIDE", b"\xff\xfe" * 50]
    house.receiver.receive([Received(raw, "127.0.0.1") for raw in garbage])
    with house.store.read() as tx:
        assert {row.raw for row in tx.execute(messages_table.select())} == set(garbage)


def test_an_order_s_line_on_the_timeline_names_its_message(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), order(PLAIN, "A1"), order(PLAIN, "A1", "XO", at="20260302090000"))
    with house.store.read() as tx:
        lines = events.timeline(tx, [1], [])
        named = [messages.get(tx, int(line.source_id)).control_id for line in lines]
    assert len(set(named)) == 2


def cast_mpps(accession: str, status: str = "IN PROGRESS") -> Dataset:
    return _mpps(accession, status)


def _mpps(accession: str, status: str) -> Dataset:
    attributes = Dataset()
    attributes.PerformedProcedureStepStatus = status
    attributes.PerformedStationAETitle = "CT1"
    attributes.Modality = "CT"
    if status == "IN PROGRESS":
        scheduled = Dataset()
        scheduled.StudyInstanceUID = cast.study_uid(accession)
        scheduled.AccessionNumber = accession
        scheduled.RequestedProcedureID = accession
        scheduled.ScheduledProcedureStepID = accession
        attributes.ScheduledStepAttributesSequence = [scheduled]
        attributes.PerformedProcedureStepID = "1"
        attributes.PerformedProcedureStepStartDate, attributes.PerformedProcedureStepStartTime = "20260302", "0915"
    return attributes


def test_strangers_cannot_fill_the_journal(make_house: MakeHouse) -> None:
    house = make_house()
    flood = [adt(PLAIN, control_id=f"S{n}").replace(b"RIVEHR|RIVERSIDE", b"OTHER|OTHER") for n in range(6)]
    say(house, adt(PLAIN), *flood)
    with house.store.write() as tx:
        long_ago = house.clock.now() - timedelta(days=1)
        assert messages.trim_strangers(tx, 4, 1 << 20, long_ago) == 2
        assert messages.trim_strangers(tx, 4, 2 * len(flood[0]), long_ago) == 2
        assert messages.trim_strangers(tx, 4, 1 << 20, house.clock.now() + timedelta(days=1)) == 2
        assert len(tx.execute(messages_table.select()).all()) == 1


def test_a_stranger_who_is_known_by_now_keeps_what_was_replayed(make_house: MakeHouse) -> None:
    house = make_house()
    stranger = adt(PLAIN).replace(b"RIVEHR|RIVERSIDE", b"OTHER|OTHER")
    say(house, stranger)
    admitted = make_house(hl7={"senders": "any"})
    assert replay_message(admitted.store, admitted.receiver, 1, "user:it") == "applied"
    with house.store.write() as tx:
        assert messages.trim_strangers(tx, 0, 0, house.clock.now() + timedelta(days=1)) == 0
        assert messages.get(tx, 1).raw == stranger


@pytest.mark.parametrize("field", [3, 4, 9, 11, 12])
def test_a_control_character_in_the_header_is_refused_and_journalled(make_house: MakeHouse, field: int) -> None:
    house = make_house()
    fields = adt(PLAIN).split(b"|")
    fields[field - 1] += b"\x00\x01"
    damaged, whole = say(house, b"|".join(fields), adt(STRANGER))
    assert (code(damaged)[0], code(whole)) == ("A", "AA")
    assert code(damaged) != "AA"
    with house.store.read() as tx:
        assert [row.state for row in tx.execute(messages_table.select())] == ["refused", "applied"]


def test_a_message_that_the_journal_cannot_take_takes_nobody_s_answer_away(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house()
    damaged, add = order(PLAIN, "A9"), messages.add

    def add_unless_damaged(tx: WriteTx, message: InboundMessage, *, stranger: bool = False) -> int:
        if message.raw == damaged:
            raise RuntimeError("the journal cannot take it")
        return add(tx, message, stranger=stranger)

    monkeypatch.setattr(messages, "add", add_unless_damaged)
    answers = say(house, adt(PLAIN), damaged, order(PLAIN, "A1"))
    assert [code(answer) for answer in answers] == ["AA", "AR", "AA"]
    with house.store.read() as tx:
        assert orders.by_accession(tx, "A9") == []
        assert len(orders.by_accession(tx, "A1")) == 1
