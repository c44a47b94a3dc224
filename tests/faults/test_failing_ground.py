"""The ground under the product fails: the disk is full, the database locked or away. Nothing acknowledged is lost, all comes back by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bridge.errors import BridgeError
from bridge.publishers.dicom_client import find_worklist
from tests.cast import PLAIN, adt, order, study_uid
from tests.conftest import ROOT, missing_peer
from tests.faults.running_clinic import Clinic, open_clinic
from tests.product.running import log_lines

Trouble = Callable[[str], AbstractContextManager[None]]


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the lock that every writer needs, as another program would."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    engine = create_engine(url)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("LOCK TABLE messages, instances, audit_rows IN EXCLUSIVE MODE"))
        yield
    engine.dispose()


@contextmanager
def away(url: str) -> Iterator[None]:
    """Cut every connection and let none in, as a server that is being restarted."""
    found = make_url(url)
    engine = create_engine(found.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as administrator:
        administrator.execute(text(f"ALTER DATABASE {found.database} ALLOW_CONNECTIONS false"))
        administrator.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": found.database},
        )
        yield
        administrator.execute(text(f"ALTER DATABASE {found.database} ALLOW_CONNECTIONS true"))
    engine.dispose()


@pytest.mark.parametrize("trouble", [locked, away])
def test_a_database_that_takes_nothing_is_said_at_once_and_the_same_again_is_taken_later(
    durable_url: str, tmp_path: Path, trouble: Trouble
) -> None:
    is_away = trouble is away
    if is_away and durable_url.startswith("sqlite"):
        pytest.skip("SQLite is a file: it cannot be away")
    with open_clinic(tmp_path, "--one-process", store=f'database = "{durable_url}"') as clinic:
        before, listed = clinic.works(), clinic.accession()
        clinic.product.say(order(PLAIN, listed))
        waiting, raw = clinic.accession(), order(PLAIN, "WAITS", control_id="WAITS")
        with trouble(durable_url):
            (answer,) = clinic.product.say(raw)
            assert b"MSA|AR|WAITS" in answer
            assert b"^207&" in answer
            assert clinic.shoot(waiting) == 0xA700
            # A look at patients that cannot be audited shows nothing.
            assert clinic.api.get("/api/exams", params={"q": before}).status_code == 503
            assert httpx2.get(clinic.product.addresses["http"] + "healthz", trust_env=False).status_code == 200
            if not is_away:
                assert len(find_worklist(clinic.product.dicom, "CT1", {"AccessionNumber": listed})) == 1
        (answer,) = clinic.product.say(raw)
        assert b"MSA|AA|WAITS" in answer
        assert clinic.message("WAITS")["times_received"] == 1
        assert clinic.shoot(waiting) == 0
        clinic.works()
        clinic.audited("instance_refused", "A700")
        clinic.audited("message_not_stored", "database_away" if is_away else "database_busy")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB."""
    if os.getuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(path: Path, leave_bytes: int = 0) -> None:
    """Take what room there is, but for *leave_bytes*."""
    free = os.statvfs(path.parent)
    with contextlib.suppress(OSError), path.open("ab") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(free.f_bavail * free.f_frsize - leave_bytes, 1))
    if not leave_bytes:
        with contextlib.suppress(OSError), path.open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))


def worklist_answers(clinic: Clinic, accession: str) -> bool:
    return len(find_worklist(clinic.product.dicom, "CT1", {"AccessionNumber": accession})) == 1


def test_a_full_disk_refuses_what_it_cannot_keep_answers_the_worklist_and_recovers_by_itself(
    small_disk: Path, tmp_path: Path
) -> None:
    bridge = f'data = "{small_disk / "data"}"\nmappings = "{ROOT / "samples" / "mappings"}"\ntime_zone = "UTC"'
    large = adt(
        PLAIN, control_id="LARGE", extra="OBX|1|ED|PDF^Report||^AP^PDF^Base64^" + "QUJD" * (2 << 20) + "||||||F\r"
    )
    with open_clinic(tmp_path, bridge=bridge, store="low_water_mb = 64") as clinic:
        accession = clinic.works()

        filler = small_disk / "filler"
        fill(filler, leave_bytes=30 << 20)
        assert clinic.shoot(accession, 2) == 0xA700
        (answer,) = clinic.product.say(order(PLAIN, "NEARLY"))
        assert b"MSA|AA" in answer
        assert worklist_answers(clinic, "NEARLY")

        fill(filler)
        (answer,) = clinic.product.say(large)
        assert b"MSA|AR|LARGE" in answer
        assert clinic.shoot(accession, 2) == 0xA700
        assert worklist_answers(clinic, "NEARLY")

        filler.unlink()
        (answer,) = clinic.product.say(large)
        assert b"MSA|AA|LARGE" in answer
        assert clinic.shoot(accession, 2) == 0
        assert clinic.message("LARGE")["times_received"] == 1
        assert clinic.api.get(f"/api/exams/{accession}").status_code == 200
        clinic.works()
        clinic.audited("instance_refused", "A700")
        clinic.audited("message_not_stored", "disk_full")
        assert not list((small_disk / "data" / "blobs" / "spool").iterdir())
        assert not [line for line in log_lines(clinic.product) if line["event"].startswith("role_")]


@contextmanager
def lost_writes(pid: int, call: str) -> Iterator[None]:
    """Let every *call* of a process fail as a dying disk lets it fail."""
    strace = shutil.which("strace")
    if strace is None:
        missing_peer("strace", "install strace")
    command = [str(strace), "-f", "-o", os.devnull, "-e", f"inject={call}:error=EIO", "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.wait(10)
        pytest.skip(f"strace may not attach here: {said.strip()}")
    yield
    tracer.terminate()
    tracer.wait(10)


@pytest.mark.peer
def test_a_lost_fsync_is_no_promise_and_ends_the_process(tmp_path: Path) -> None:
    with open_clinic(tmp_path, "--one-process") as clinic:
        product, accession = clinic.product, clinic.works()
        with lost_writes(product.pid, "fsync"):
            assert clinic.shoot(accession, 2) == 0xA700
            assert product.wait() == 1
        product.start("--one-process")
        assert clinic.shoot(accession, 2) == 0

        raw = order(PLAIN, "LOST", control_id="LOST")
        with lost_writes(product.pid, "fdatasync"):
            # The lead of the housekeeping may be the first to meet the disk, and take the door with it.
            with contextlib.suppress(BridgeError):
                (answer,) = product.say(raw)
                assert b"MSA|AR|LOST" in answer
            assert product.wait() == 1
        product.start("--one-process")
        clinic.api = product.api(product.token())
        (answer,) = product.say(raw)
        assert b"MSA|AA|LOST" in answer
        # What was not promised may be there after all, once.
        assert clinic.message("LOST")["state"] == "applied"
        assert clinic.api.get(f"/api/studies/{study_uid(accession)}").json()["instances"] == 2
        clinic.works()
