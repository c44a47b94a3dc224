"""Prepared statements say what SQLAlchemy's own execution says, on either database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, insert, literal_column, select, text, update
from sqlalchemy.exc import IntegrityError

from bridge.errors import Unavailable
from bridge.store.db import Store, insert_row, savepoint
from bridge.store.prepared import Prepared
from bridge.store.tables import patient_identifiers, patients, stamps

AT = datetime(2026, 3, 1, 9, 30, 0, 125, tzinfo=UTC)
_BY_NAME = Prepared(select(patients).where(patients.c.patient_name == bindparam("name")).order_by(patients.c.key))


def _add(store: Store, name: str, **more: object) -> int:
    with store.write() as tx:
        return insert_row(tx, patients, patient_name=name, created_at=AT, updated_at=AT, **more)


def _fail_after(work: Callable[[], object]) -> None:
    work()
    raise ZeroDivisionError


def test_a_row_reads_back_as_it_was_inserted(store: Store) -> None:
    key = _add(store, "Åse^Mäkinen=山田", other_patient_names=["A^B", "Ü^ü"], multiple_birth=True, in_question={"n": 1})
    with store.read() as tx:
        prepared, core = _BY_NAME.all(tx, name="Åse^Mäkinen=山田"), tx.execute(select(patients)).all()
    assert [tuple(row) for row in prepared] == [tuple(row) for row in core]
    assert (prepared[0].key, prepared[0].created_at, prepared[0].as_of) == (key, AT, None)
    assert (prepared[0].other_patient_names, prepared[0].multiple_birth) == (["A^B", "Ü^ü"], True)


def test_an_instant_of_another_zone_is_stored_as_utc_and_needs_its_zone(store: Store) -> None:
    _add(store, "A", as_of=AT.astimezone(timezone(timedelta(hours=9))))
    with store.read() as tx:
        assert _BY_NAME.first(tx, name="A").as_of == AT
    with pytest.raises(ValueError, match="zone"):
        _add(store, "B", as_of=AT.replace(tzinfo=None))


def test_a_text_that_no_strict_json_holds_is_kept(store: Store) -> None:
    odd = {"name": "half \ud800 a pair", "number": 2**70}
    with store.write() as tx:
        insert_row(tx, patients, patient_name="A", created_at=AT, updated_at=AT, in_question=odd)
    if store.is_sqlite:
        with store.read() as tx:
            assert _BY_NAME.first(tx, name="A").in_question == odd


def test_nothing_found_is_none_and_an_empty_list(store: Store) -> None:
    with store.read() as tx:
        assert _BY_NAME.first(tx, name="nobody") is None
        assert _BY_NAME.scalar(tx, name="nobody") is None
        assert _BY_NAME.all(tx, name="nobody") == []


def test_an_update_tells_how_many_rows_it_changed(store: Store) -> None:
    key = _add(store, "A")
    rename = Prepared(update(patients).where(patients.c.key == bindparam("at_key")), ["patient_name"])
    with store.write() as tx:
        assert rename.run(tx, at_key=key, patient_name="B") == 1
        assert rename.run(tx, at_key=key + 1, patient_name="B") == 0


def test_many_rows_are_inserted_in_one_call(store: Store) -> None:
    add = Prepared(insert(stamps), ["name", "value"])
    with store.write() as tx:
        add.each(tx, ({"name": f"stamp-{number}", "value": str(number)} for number in range(3)))
        add.each(tx, [])
    wanted = select(stamps.c.value).where(stamps.c.name.in_([literal_column("'stamp-0'"), literal_column("'stamp-2'")]))
    with store.read() as tx:
        assert {row.value for row in Prepared(wanted).all(tx)} == {"0", "2"}


def test_a_key_taken_twice_is_the_same_fault_as_ever(store: Store) -> None:
    number = {"issuer_of_patient_id": "RIVERSIDE", "patient_id": "1"}
    with store.write() as tx:
        key = insert_row(tx, patients, created_at=AT, updated_at=AT)
        insert_row(tx, patient_identifiers, patient_key=key, **number)
    with pytest.raises(IntegrityError) as caught, store.write() as tx:
        insert_row(tx, patient_identifiers, patient_key=key, **number)
    assert "RIVERSIDE" not in str(caught.value.params)


def test_a_savepoint_undoes_its_own_writes_and_no_others(store: Store) -> None:
    with store.write() as tx:
        insert_row(tx, patients, patient_name="kept", created_at=AT, updated_at=AT)
        with pytest.raises(ZeroDivisionError), savepoint(tx):
            _fail_after(lambda: insert_row(tx, patients, patient_name="undone", created_at=AT, updated_at=AT))
        with savepoint(tx):
            insert_row(tx, patients, patient_name="kept too", created_at=AT, updated_at=AT)
    with store.read() as tx:
        assert list(tx.execute(select(patients.c.patient_name)).scalars()) == ["kept", "kept too"]


def test_a_fault_that_ends_the_whole_transaction_is_no_matter_of_one_savepoint(store: Store) -> None:
    with pytest.raises(Unavailable), store.write() as tx, savepoint(tx):
        _fail_after(lambda: Prepared(text("ROLLBACK")).run(tx))


def test_what_is_read_is_of_one_moment(store: Store) -> None:
    with store.read() as tx:
        assert _BY_NAME.all(tx, name="later") == []
        _add(store, "later")
        assert _BY_NAME.all(tx, name="later") == []
