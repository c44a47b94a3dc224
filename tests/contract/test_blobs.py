"""What every store of objects promises, in a folder and in a bucket of moto's S3 server."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.errors import Unavailable
from bridge.store.blobs import Blobs, FolderBlobs, Place
from bridge.store.s3_blobs import Bucket
from tests.fakes.s3_server import S3Server, blobs_in, s3_server

PIXELS = b"pixels of nobody" * 1000


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def bucket(server: S3Server) -> Bucket:
    return server.new_bucket()


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return FolderBlobs(tmp_path)
    return blobs_in(request.getfixturevalue("bucket"), tmp_path)


@pytest.fixture
def spoil(blobs: Blobs, request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Puts other bytes where an object lies."""
    if isinstance(blobs, FolderBlobs):
        return lambda blob, content: blobs.path_of(blob).write_bytes(content) and None
    server, bucket = request.getfixturevalue("server"), request.getfixturevalue("bucket")
    return lambda blob, content: server.spoil(bucket, blob, content)


def keep(blobs: Blobs, content: bytes) -> str:
    spooled = blobs.spool / "arriving"
    spooled.write_bytes(content)
    blob = blobs.keep(spooled, hashlib.sha256(content).hexdigest())
    assert not spooled.exists()
    return blob


def at_hand(blobs: Blobs, blob: str) -> bytes:
    with blobs.at_hand(blob) as path:
        return path.read_bytes()


def stored(blobs: Blobs, blob: str, place: Place = Place.KEPT) -> bytes:
    return b"".join(blobs.read(blob, place))


def listed(blobs: Blobs, place: Place) -> list[tuple[str, int]]:
    return sorted((one.blob, one.size_bytes) for one in blobs.listed(place))


def test_what_is_kept_is_named_by_its_digest_and_is_at_hand_byte_for_byte(blobs: Blobs) -> None:
    blob = keep(blobs, PIXELS)
    assert blob == hashlib.sha256(PIXELS).hexdigest()
    assert at_hand(blobs, blob) == stored(blobs, blob) == PIXELS


def test_keeping_it_again_changes_nothing(blobs: Blobs) -> None:
    assert keep(blobs, PIXELS) == keep(blobs, PIXELS)
    assert listed(blobs, Place.KEPT) == [(hashlib.sha256(PIXELS).hexdigest(), len(PIXELS))]


def test_an_object_that_is_there_but_damaged_is_kept_anew(blobs: Blobs, spoil: Callable[[str, bytes], None]) -> None:
    blob = keep(blobs, PIXELS)
    spoil(blob, PIXELS[:-1] + b"?")
    keep(blobs, PIXELS)
    assert stored(blobs, blob) == PIXELS


def test_an_object_of_several_parts_is_kept_whole(blobs: Blobs) -> None:
    content = os.urandom(1 << 20) * 17 + b"end"
    blob = keep(blobs, content)
    assert hashlib.sha256(stored(blobs, blob)).hexdigest() == blob


def test_bytes_are_kept_like_a_file(blobs: Blobs) -> None:
    digest = hashlib.sha256(b"a report").hexdigest()
    assert blobs.keep_bytes(b"a report", digest) == digest
    assert at_hand(blobs, digest) == b"a report"
    assert list(blobs.spool.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, "", "/" + "a" * 63, "a" * 64 + "\n"])
def test_a_name_from_outside_reaches_nothing(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="not a blob"), blobs.at_hand(name):
        pass
    with pytest.raises(ValueError, match="not a blob"):
        stored(blobs, name)
    with pytest.raises(ValueError, match="not a blob"):
        blobs.drop(name, Place.KEPT)


def test_what_is_not_there_is_unavailable_and_says_so(blobs: Blobs) -> None:
    with pytest.raises(Unavailable) as refused:
        at_hand(blobs, "a" * 64)
    assert refused.value.code == "object_damaged"
    with pytest.raises(FileNotFoundError):
        stored(blobs, "a" * 64)


def test_an_object_that_is_there_in_part_is_kept_anew(blobs: Blobs, spoil: Callable[[str, bytes], None]) -> None:
    blob = keep(blobs, PIXELS)
    spoil(blob, PIXELS[:100])
    keep(blobs, PIXELS)
    assert stored(blobs, blob) == PIXELS


def test_what_was_swept_wrongly_is_still_at_hand_and_can_be_brought_back(blobs: Blobs) -> None:
    blob = keep(blobs, PIXELS)
    blobs.move(blob, Place.KEPT, Place.SWEPT)
    assert listed(blobs, Place.KEPT) == []
    assert at_hand(blobs, blob) == PIXELS
    blobs.move(blob, Place.SWEPT, Place.KEPT)
    assert listed(blobs, Place.SWEPT) == []
    assert at_hand(blobs, blob) == stored(blobs, blob) == PIXELS


def test_what_is_set_aside_as_damaged_is_served_to_nobody_and_mended_when_it_comes_again(blobs: Blobs) -> None:
    blob = keep(blobs, PIXELS)
    blobs.move(blob, Place.KEPT, Place.DAMAGED)
    with pytest.raises(Unavailable) as refused:
        at_hand(blobs, blob)
    assert refused.value.code == "object_damaged"
    assert stored(blobs, blob, Place.DAMAGED) == PIXELS
    keep(blobs, PIXELS)
    assert at_hand(blobs, blob) == PIXELS


def test_what_is_dropped_is_gone_and_dropping_it_again_is_nothing(blobs: Blobs) -> None:
    blob = keep(blobs, PIXELS)
    blobs.drop(blob, Place.KEPT)
    blobs.drop(blob, Place.KEPT)
    with pytest.raises(Unavailable):
        at_hand(blobs, blob)


def test_moving_what_is_not_there_says_so(blobs: Blobs) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.move("a" * 64, Place.KEPT, Place.SWEPT)


def test_a_store_that_answers_passes_its_probe_and_keeps_nothing_of_it(blobs: Blobs) -> None:
    blobs.probe()
    assert listed(blobs, Place.KEPT) == []


def test_a_bucket_holds_nothing_of_a_probe(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    blobs_in(bucket, tmp_path).probe()
    assert server.keys(bucket) == []


def test_a_reader_keeps_its_file_while_the_object_goes(blobs: Blobs) -> None:
    blob = keep(blobs, PIXELS)
    with blobs.at_hand(blob) as path, path.open("rb") as file:
        blobs.drop(blob, Place.KEPT)
        assert file.read() == PIXELS


def test_readers_side_by_side_all_get_all_of_it(blobs: Blobs) -> None:
    kept = [keep(blobs, bytes([number]) * 200_000) for number in range(4)]
    wrong: list[str] = []

    def read(blob: str) -> None:
        for _ in range(5):
            if hashlib.sha256(at_hand(blobs, blob)).hexdigest() != blob:
                wrong.append(blob)

    threads = [threading.Thread(target=read, args=(blob,)) for blob in kept * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_a_bucket_that_returns_other_bytes_serves_none_of_them(
    server: S3Server, bucket: Bucket, tmp_path: Path
) -> None:
    blobs = blobs_in(bucket, tmp_path)
    blob = keep(blobs, PIXELS)
    server.spoil(bucket, blob, PIXELS[:-1] + b"?")
    blobs.cache.forget(blob)
    with pytest.raises(Unavailable) as refused:
        at_hand(blobs, blob)
    assert refused.value.code == "object_damaged"


def test_everything_lies_below_the_prefix_and_two_nodes_share_it(
    server: S3Server, bucket: Bucket, tmp_path: Path
) -> None:
    blob = keep(blobs_in(bucket, tmp_path / "one"), PIXELS)
    assert server.keys(bucket) == [f"clinic/one/objects/{blob[:2]}/{blob}"]
    assert at_hand(blobs_in(bucket, tmp_path / "other"), blob) == PIXELS


def test_a_bucket_that_is_not_there_keeps_nothing_and_the_next_are_refused_before_they_are_taken(
    server: S3Server, tmp_path: Path
) -> None:
    away = Bucket("images", "", "http://127.0.0.1:9", "us-east-1", "tester", "secret")
    blobs = blobs_in(away, tmp_path)
    blobs.check_room()
    spooled = blobs.spool / "arriving"
    spooled.write_bytes(PIXELS)
    with pytest.raises(Unavailable) as refused:
        blobs.keep(spooled, hashlib.sha256(PIXELS).hexdigest())
    assert refused.value.code == "bucket_away"
    assert spooled.read_bytes() == PIXELS
    with pytest.raises(Unavailable):
        blobs.check_room()


def test_a_bucket_that_goes_while_an_object_is_put_part_by_part_keeps_nothing(
    server: S3Server, bucket: Bucket, tmp_path: Path
) -> None:
    blobs, left = blobs_in(bucket, tmp_path), [bucket]

    def remove() -> None:
        with suppress(IndexError):
            server.remove(left.pop())

    server.on_part = remove
    content = os.urandom(1 << 20) * 17
    digest = hashlib.sha256(content).hexdigest()
    spooled = blobs.spool / "arriving"
    spooled.write_bytes(content)
    with pytest.raises(Unavailable) as refused:
        blobs.keep(spooled, digest)
    assert refused.value.code in ("bucket_refused", "bucket_away")
    assert (left, spooled.read_bytes() == content) == ([], True)
    server.on_part = lambda: None
    server.make(bucket)
    assert blobs.keep(spooled, digest) == digest
    assert hashlib.sha256(stored(blobs, digest)).hexdigest() == digest


def test_a_bucket_of_another_name_is_refused_in_words(server: S3Server, tmp_path: Path) -> None:
    blobs = blobs_in(Bucket("no-such-bucket", "", server.url, "us-east-1", "tester", "secret"), tmp_path)
    with pytest.raises(Unavailable) as refused:
        blobs.keep_bytes(PIXELS, hashlib.sha256(PIXELS).hexdigest())
    assert refused.value.code == "bucket_refused"
    with pytest.raises(Unavailable, match="no such bucket"):
        blobs.probe()


def test_nothing_that_is_shown_of_a_bucket_holds_its_secret(bucket: Bucket) -> None:
    assert "secret" not in repr(bucket)
    assert "tester" not in repr(bucket)


def test_the_cache_stays_within_its_bounds_and_lets_go_of_what_was_used_longest_ago(
    bucket: Bucket, tmp_path: Path
) -> None:
    blobs = blobs_in(bucket, tmp_path, cache_bytes=1_000_000)
    kept = [keep(blobs, bytes([number]) * 200_000) for number in range(12)]
    assert blobs.cache.used_bytes() <= 1_050_000
    assert [at_hand(blobs, blob)[0] for blob in kept] == list(range(12))
    assert blobs.cache.used_bytes() <= 1_050_000


def test_an_object_larger_than_the_cache_is_read_all_the_same(bucket: Bucket, tmp_path: Path) -> None:
    blobs = blobs_in(bucket, tmp_path, cache_bytes=1000)
    blob = keep(blobs, PIXELS)
    assert at_hand(blobs, blob) == PIXELS
    assert blobs.cache.used_bytes() == 0


def test_without_room_for_a_copy_an_object_is_unavailable_not_cut(bucket: Bucket, tmp_path: Path) -> None:
    blobs = blobs_in(bucket, tmp_path)
    blob = keep(blobs, PIXELS)
    blobs.cache.forget(blob)
    full = type(blobs)(bucket, tmp_path, low_water_bytes=1 << 60, cache_bytes=1000)
    with pytest.raises(Unavailable) as refused:
        at_hand(full, blob)
    assert refused.value.code == "disk_full"
    with pytest.raises(Unavailable) as refused:
        full.check_room()
    assert refused.value.code == "disk_full"
    assert at_hand(blobs, blob) == PIXELS


def test_what_a_crashed_reader_left_open_is_found_by_age(bucket: Bucket, tmp_path: Path) -> None:
    blobs = blobs_in(bucket, tmp_path)
    left = tmp_path / "cache" / "lent" / "of-a-crash"
    left.mkdir()
    written_at = left.stat().st_mtime
    assert blobs.older_than(3600, written_at + 10) == []
    assert blobs.older_than(3600, written_at + 4000) == [left]
