"""Decoder processes: what they may do, and what happens when an object takes one down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from bridge.errors import Incomplete, Unavailable, Unsupported
from bridge.pictures.gallery import Pictures
from bridge.pictures.limits import Limits
from bridge.pictures.pool import DecoderPool
from bridge.pictures.wish import Wish
from tests.fakes.drawn import drawn, image, part10


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def object_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("objects") / "object"
    path.write_bytes(part10(image(np.arange(64, dtype=np.uint16).reshape(8, 8))))
    return path


def idle_process(pool: DecoderPool) -> int:
    decoder = pool._places.queue[-1]
    assert decoder is not None
    return decoder._process.pid


def test_a_decoder_draws_what_this_process_would(pool: DecoderPool, object_file: Path) -> None:
    wish = Wish(width=4, height=4)
    assert pool.draw(object_file, wish) == drawn(image(np.arange(64, dtype=np.uint16).reshape(8, 8)), wish)


def test_errors_come_through_by_name(pool: DecoderPool, object_file: Path, tmp_path: Path) -> None:
    with pytest.raises(Incomplete) as found:
        pool.draw(object_file, Wish(frame=2))
    assert found.value.code == "no_such_frame"
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"nothing of ours" * 40)
    with pytest.raises(Unsupported) as unreadable:
        pool.draw(nonsense, Wish())
    assert unreadable.value.code == "damaged_header"


def test_a_decoder_holds_no_secret_no_file_and_no_rights(pool: DecoderPool, object_file: Path) -> None:
    pool.draw(object_file, Wish())
    process = Path("/proc") / str(idle_process(pool))
    if not process.is_dir():
        pytest.skip("no /proc to look at a process in")
    names = {entry.partition(b"=")[0] for entry in (process / "environ").read_bytes().split(b"\0") if entry}
    assert names <= {b"PYTHONPATH", b"OPENBLAS_NUM_THREADS"}
    places = {os.readlink(one).partition(":")[0] for one in (process / "fd").iterdir()}
    assert places == {"/dev/null", "socket"}
    status = (process / "status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert os.geteuid() != 0 or "Uid:\t65534\t65534\t65534\t65534" in status
    limits = {line[:25].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()}
    assert (limits["Max open files"], limits["Max core file size"], limits["Max file size"]) == ("6", "0", "0")
    assert int(limits["Max address space"]) == Limits().memory_bytes


def test_a_decoder_that_died_idle_is_replaced_and_costs_no_picture(pool: DecoderPool, object_file: Path) -> None:
    pool.draw(object_file, Wish())
    dead = idle_process(pool)
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    assert pool.draw(object_file, Wish()).width == 8
    assert idle_process(pool) != dead
    assert not Path(f"/proc/{dead}").exists()


def test_a_decoder_that_hangs_is_ended_and_replaced(object_file: Path) -> None:
    pool = DecoderPool(1, Limits(wall_secs=0.2))
    try:
        pool._places.get_nowait()
        decoder = pool._started()
        os.kill(decoder._process.pid, signal.SIGSTOP)
        pool._places.put(decoder)
        with pytest.raises(Unsupported) as found:
            pool.draw(object_file, Wish())
        assert found.value.code == "decoder_ended"
        assert decoder._process.poll() is not None
    finally:
        pool.close()


def test_a_want_of_memory_is_named_and_the_decoder_replaced(tmp_path: Path) -> None:
    pool = DecoderPool(1, Limits(memory_bytes=400 << 20))
    path = tmp_path / "wide"
    path.write_bytes(part10(image(np.zeros((6000, 6000), dtype=np.uint32))))
    try:
        with pytest.raises(Unsupported) as found:
            pool.draw(path, Wish())
        assert found.value.code in ("too_large", "decoder_ended")
        path.write_bytes(part10(image(np.zeros((8, 8), dtype=np.uint8))))
        assert pool.draw(path, Wish()).width == 8
    finally:
        pool.close()


def test_many_callers_share_few_decoders(pool: DecoderPool, object_file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: pool.draw(object_file, Wish()).width, range(40)))
    assert found == [8] * 40
    assert pool._places.qsize() == 1


def test_with_every_decoder_busy_the_caller_hears_it(object_file: Path) -> None:
    pool = DecoderPool(1, wait_secs=0.05)
    pool._places.get_nowait()
    with pytest.raises(Unavailable) as found:
        pool.draw(object_file, Wish())
    assert found.value.code == "decoders_busy"


def test_a_closed_pool_starts_nothing(object_file: Path) -> None:
    pool = DecoderPool(1)
    pool.close()
    with pytest.raises(Unavailable):
        pool.draw(object_file, Wish())


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.looks = 0

    def at_hand(self, _blob: str) -> AbstractContextManager[Path]:
        self.looks += 1
        return nullcontext(self._path)


BLOB = "ab" * 32


def test_a_thumbnail_is_drawn_once(pool: DecoderPool, object_file: Path, tmp_path: Path) -> None:
    objects = _Folder(object_file)
    pictures = Pictures(objects, pool, tmp_path / "kept")
    wish = Wish(width=4, height=4)
    assert pictures.draw(BLOB, wish) == pictures.draw(BLOB, wish)
    assert objects.looks == 1
    pictures.forget(BLOB)
    pictures.draw(BLOB, wish)
    assert objects.looks == 2


def test_kept_thumbnails_stay_below_their_bound(pool: DecoderPool, object_file: Path, tmp_path: Path) -> None:
    pictures = Pictures(_Folder(object_file), pool, tmp_path / "kept", kept_bytes=2000)
    for side in range(2, 40):
        pictures.draw(BLOB, Wish(width=side, height=side))
    assert sum(one.stat().st_size for one in (tmp_path / "kept").rglob("*") if one.is_file()) <= 2000


def test_a_torn_thumbnail_is_drawn_again(pool: DecoderPool, object_file: Path, tmp_path: Path) -> None:
    pictures = Pictures(_Folder(object_file), pool, tmp_path / "kept")
    wish = Wish(width=4, height=4)
    first = pictures.draw(BLOB, wish)
    [kept] = [one for one in (tmp_path / "kept").rglob("*") if one.is_file()]
    kept.write_bytes(kept.read_bytes()[:7])
    assert pictures.draw(BLOB, wish) == first


def test_the_libraries_of_a_decoder_bear_each_other_in_the_order_they_are_loaded_in() -> None:
    program = (
        "import bridge.pictures.decoding, io; from PIL import Image; "
        "[Image.new('L', (64, 64)).save(io.BytesIO(), 'PNG') for _ in range(20)]"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


def test_no_picture_is_shown_or_stays_of_an_object_that_is_not_here(
    pool: DecoderPool, object_file: Path, tmp_path: Path
) -> None:
    here = {BLOB}
    pictures = Pictures(_Folder(object_file), pool, tmp_path / "kept", is_here=here.__contains__)
    wish = Wish(width=4, height=4)
    pictures.draw(BLOB, wish)
    assert list(pictures.kept()) == [BLOB]
    here.clear()
    with pytest.raises(Unavailable) as found:
        pictures.draw(BLOB, wish)
    assert found.value.code == "no_object"
    assert list(pictures.kept()) == []


def test_an_object_that_goes_while_it_is_drawn_leaves_no_picture(
    pool: DecoderPool, object_file: Path, tmp_path: Path
) -> None:
    answers = iter((True, False))
    pictures = Pictures(_Folder(object_file), pool, tmp_path / "kept", is_here=lambda _: next(answers))
    with pytest.raises(Unavailable):
        pictures.draw(BLOB, Wish(width=4, height=4))
    assert list(pictures.kept()) == []
