"""The transaction, on both databases: all or nothing, one at a time, and faults that say what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from bridge.errors import Misconfigured, Unavailable
from bridge.store import schema
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store, insert_row, lock
from bridge.store.tables import metadata, signals, stamps

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_what_fails_midway_leaves_nothing(store: Store) -> None:
    def fail_midway() -> None:
        with store.write() as tx:
            tx.execute(stamps.insert().values(name="a", value="1"))
            raise LookupError

    with pytest.raises(LookupError):
        fail_midway()
    with store.read() as tx:
        assert tx.execute(stamps.select()).all() == []


def test_a_write_inside_a_write_is_refused(store: Store) -> None:
    with pytest.raises(AssertionError), store.write(), store.write():
        pass
    with store.write() as tx:
        tx.execute(stamps.insert().values(name="a", value="1"))


def test_an_instant_comes_back_as_it_went_in_and_needs_its_zone(store: Store) -> None:
    with store.write() as tx:
        insert_row(tx, signals, study_instance_uid="1.2", code="c", source="s", received_at=AT)
        assert tx.execute(signals.select()).one().received_at == AT
    with pytest.raises(Exception, match="zone"), store.write() as tx:
        insert_row(tx, signals, study_instance_uid="1.3", code="c", source="s", received_at=AT.replace(tzinfo=None))


def test_two_writers_that_lock_one_name_take_turns(store: Store) -> None:
    with store.write() as tx:
        tx.execute(stamps.insert().values(name="n", value="0"))

    def add_one() -> None:
        for _ in range(10):
            with store.write() as tx:
                lock(tx, "n")
                now = int(tx.execute(text("SELECT value FROM stamps WHERE name = 'n'")).scalar_one())
                tx.execute(stamps.update().where(stamps.c.name == "n").values(value=str(now + 1)))

    threads = [threading.Thread(target=add_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert tx.execute(text("SELECT value FROM stamps WHERE name = 'n'")).scalar_one() == "60"


def test_a_reader_sees_one_moment(store: Store) -> None:
    with store.read() as reading:
        assert reading.execute(stamps.select()).all() == []
        with store.write() as tx:
            tx.execute(stamps.insert().values(name="a", value="1"))
        assert reading.execute(stamps.select()).all() == []


def test_a_database_that_somebody_else_locks_is_unavailable_for_writing_and_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = Store(f"sqlite:///{path}")
    schema.migrate(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused, store.write():
        pass
    assert refused.value.code == "database_busy"
    with store.read() as tx:
        assert tx.execute(stamps.select()).all() == []
    other.execute("ROLLBACK")
    with store.write() as tx:
        tx.execute(stamps.insert().values(name="a", value="1"))
    other.close()
    store.dispose()


@pytest.mark.parametrize("url", ["mysql://x", "not a url", "sqlite://"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        Store(url)


def test_migrating_makes_exactly_the_tables_that_the_program_knows(store: Store) -> None:
    with store.engine.connect() as connection, warnings.catch_warnings():
        # An index on an expression can be compared on PostgreSQL only.
        warnings.filterwarnings("ignore", message=".*expression-based index.*")
        options = {"compare_type": True, "compare_server_default": False}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_a_database_of_a_newer_program_is_refused(store: Store) -> None:
    with store.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for look in (schema.check, schema.migrate):
        with pytest.raises(Misconfigured, match="newer"):
            look(store)


def test_an_empty_database_is_refused_until_it_is_migrated(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Misconfigured, match="imaging-bridge migrate"):
        schema.check(store)
    schema.migrate(store)
    schema.check(store)
    store.dispose()


def spool(blobs: FolderBlobs, content: bytes) -> Path:
    path = blobs.spool / "arriving"
    path.write_bytes(content)
    return path


def test_a_kept_object_lies_under_its_digest_and_keeping_it_again_changes_nothing(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for _ in range(2):
        spooled = spool(blobs, b"pixels")
        assert blobs.keep(spooled, "a" * 64) == "a" * 64
        assert not spooled.exists()
    assert blobs.path_of("a" * 64).read_bytes() == b"pixels"


def test_a_torn_object_that_a_power_cut_left_under_the_name_is_replaced(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.path_of("a" * 64).write_bytes(b"pix")
    assert blobs.keep(spool(blobs, b"pixels"), "a" * 64) == "a" * 64
    assert blobs.path_of("a" * 64).read_bytes() == b"pixels"


@pytest.mark.parametrize("quick_secs", [60, -1], ids=["quick disk", "slow disk"])
def test_file_and_folder_are_both_synced_before_an_object_counts_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_secs: float
) -> None:
    blobs, real = FolderBlobs(tmp_path), os.fsync
    synced: list[str] = []

    def sync(handle: int) -> None:
        real(handle)
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr("bridge.store.blobs.os.fsync", sync)
    monkeypatch.setattr("bridge.store.blobs._QUICK_SYNC_SECS", quick_secs)
    for letter in "abc":
        synced.clear()
        blobs.keep(spool(blobs, letter.encode()), letter * 64)
        kept = blobs.path_of(letter * 64)
        assert sorted(synced) == [str(kept.parent), str(kept)]


def test_a_file_system_without_second_names_keeps_objects_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("bridge.store.blobs.os.link", refuse)
    blobs = FolderBlobs(tmp_path)
    blobs.keep(spool(blobs, b"pixels"), "a" * 64)
    assert blobs.path_of("a" * 64).read_bytes() == b"pixels"
    assert list(blobs.spool.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, "", "/" + "a" * 63])
def test_a_name_from_outside_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a blob"):
        FolderBlobs(tmp_path).path_of(name)


def test_a_nearly_full_disk_is_refused_before_anything_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        FolderBlobs(tmp_path, low_water_bytes=1 << 60).check_room()
    assert refused.value.code == "disk_full"


def test_what_was_never_kept_is_found_by_age(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    path = spool(blobs, b"half")
    written_at = path.stat().st_mtime
    assert blobs.older_than(3600, written_at + 10) == []
    assert blobs.older_than(3600, written_at + 4000) == [path]


def test_those_who_queue_behind_a_vain_wait_are_told_with_it(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = Store(f"sqlite:///{path}")
    schema.migrate(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told: list[str] = []

    def try_to_write() -> None:
        with pytest.raises(Unavailable) as refused, store.write():
            pass
        told.append(refused.value.code)

    threads = [threading.Thread(target=try_to_write) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        # One after another they would need 40 s.
        thread.join(10)
    assert told == ["database_busy"] * 20
    other.execute("ROLLBACK")
    with store.write() as tx:
        tx.execute(stamps.insert().values(name="a", value="1"))
    other.close()
    store.dispose()


def test_a_lock_that_another_session_keeps_is_unavailable_and_readers_go_on(store: Store) -> None:
    if store.is_sqlite:
        pytest.skip("SQLite has one lock, which the tests above hold")
    with store.engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE stamps IN EXCLUSIVE MODE"))
        with pytest.raises(Unavailable) as refused, store.write() as tx:
            tx.execute(stamps.insert().values(name="a", value="1"))
        assert refused.value.code == "database_busy"
        with store.read() as reading:
            assert reading.execute(stamps.select()).all() == []
    with store.write() as tx:
        tx.execute(stamps.insert().values(name="a", value="1"))


def test_a_cut_connection_costs_the_transaction_it_carried_and_no_other(store: Store) -> None:
    if store.is_sqlite:
        pytest.skip("SQLite has no connection to cut")
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def write_across_the_cut() -> None:
        with store.write() as tx:
            tx.execute(stamps.insert().values(name="a", value="1"))
            with store.engine.connect() as other:
                other.execute(cut)
            tx.execute(stamps.insert().values(name="b", value="1"))

    with pytest.raises(Unavailable):
        write_across_the_cut()
    with store.write() as tx:
        assert tx.execute(stamps.select()).all() == []


def test_a_disk_that_lost_a_write_is_trusted_with_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs(tmp_path)

    def lose(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spooled = spool(blobs, b"pixels")
    monkeypatch.setattr("bridge.store.blobs.os.fsync", lose)
    with pytest.raises(Unavailable) as refused:
        blobs.keep(spooled, "a" * 64)
    assert refused.value.code == "disk_failing"
    assert blobs.is_failing
    with pytest.raises(Unavailable):
        blobs.check_room()
