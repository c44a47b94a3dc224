"""Received objects in an S3-compatible bucket, named as in a folder; a reader gets a verified local copy.

An object is in the bucket, acknowledged by it with the digest of what it took, before its row is written: each object
costs one round trip to the bucket before its sender is answered. While the bucket is away nothing is accepted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from bridge.errors import Unavailable
from bridge.store.blob_cache import BlobCache
from bridge.store.blobs import (
    CHUNK_BYTES,
    Lying,
    Place,
    check_free,
    check_name,
    damaged,
    disk_fault,
    free_above,
    spool_bytes,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

# A sender waits for its answer no longer than this for a bucket that does not answer, and the next ones not at all.
_RETRY_SECS = 8
_AWAY_SECS = 5.0
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 4
_PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    Where the objects lie. endpoint: "" for Amazon's own of that region; region "" for what the environment says.

    access_key_id, secret_access_key: "" for what the environment or the machine's role has. root_certificate: PEM.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    root_certificate: bytes = field(default=b"", repr=False)

    def connect(self) -> S3Store:
        """Return a client; nothing is sent yet."""
        config: S3Config = {"bucket": self.name, "checksum_algorithm": "SHA256"}
        if self.endpoint:
            config["endpoint"] = config["aws_endpoint_url_s3"] = self.endpoint
        if self.region:
            config["region"] = self.region
        if self.access_key_id:
            config["access_key_id"] = self.access_key_id
            config["secret_access_key"] = self.secret_access_key
        client: ClientConfig = {
            "allow_http": self.endpoint.startswith("http:"),
            "allow_invalid_certificates": False,
            "connect_timeout": timedelta(seconds=3),
            "timeout": timedelta(seconds=60),
        }
        if self.root_certificate:
            client["root_certificate"] = self.root_certificate
        retry: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=_RETRY_SECS)}
        return S3Store(prefix=self.prefix or None, config=config, client_options=client, retry_config=retry)


class S3Blobs:
    """
    A bucket of objects, with a spool and a cache on the local disk.

    folder: of spool and cache. low_water_bytes: as in a folder, of the local disk. cache_bytes: what local copies may take.
    """

    def __init__(self, bucket: Bucket, folder: Path, *, low_water_bytes: int, cache_bytes: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._low_water_bytes = low_water_bytes
        self.spool = folder / "spool"
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.cache = BlobCache(folder / "cache", cache_bytes)
        self.is_failing = False
        self._away_until = 0.0

    @cached_property
    def _client(self) -> S3Store:
        return self._bucket.connect()

    def check_room(self, wanted_bytes: int = 0) -> None:
        """
        Refuse before accepting when the local disk is nearly full or the bucket was away just now.

        Raises: Unavailable. Source: PS3.4 B.2.3 (A700, out of resources).
        """
        if time.monotonic() < self._away_until:
            raise _away()
        check_free(self._folder, self._low_water_bytes, wanted_bytes)

    def free_bytes(self) -> int:
        """Return the room left on the local disk above the low-water mark, never below 0."""
        return free_above(self._folder, self._low_water_bytes)

    def cached_bytes(self) -> int:
        """Return what local copies take of the disk."""
        return self.cache.used_bytes()

    def keep(self, spooled: Path, digest: str) -> str:
        """
        Put *spooled* into the bucket and return the blob's name; the file becomes the local copy.

        What lies under that name is never trusted, whatever its size: it may be damaged.
        Raises: Unavailable, if the bucket did not acknowledge all of it; nothing is kept then.
        """
        key = _key(digest, Place.KEPT)
        with self._calling():
            self._put(key, spooled)
        try:
            self.cache.take(digest, spooled)
        except OSError as fault:
            raise disk_fault(fault) from fault
        return digest

    def keep_bytes(self, content: bytes, digest: str) -> str:
        """Put *content* into the bucket and return the blob's name. Raises: Unavailable; nothing is kept then."""
        self.check_room(len(content))
        return self.keep(spool_bytes(self.spool, content), digest)

    @contextmanager
    def at_hand(self, blob: str) -> Iterator[Path]:
        """Yield a local copy of *blob* whose digest was verified when it came. Raises: Unavailable."""
        name = check_name(blob)
        with self.cache.lend(name, lambda path: self._fetch(name, path)) as path:
            yield path

    def read(self, blob: str, place: Place = Place.KEPT) -> Iterator[bytes]:
        """Return the bytes of *blob* as the bucket has them. Raises: FileNotFoundError; Unavailable."""
        with self._calling():
            for chunk in obstore.get(self._client, _key(blob, place)).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def listed(self, place: Place) -> Iterator[Lying]:
        """Return what lies at *place*."""
        with self._calling():
            for page in obstore.list(self._client, prefix=place.value):
                for found in page:
                    yield Lying(found["path"].rpartition("/")[2], found["size"], found["last_modified"])

    def move(self, blob: str, source: Place, target: Place) -> None:
        """Copy *blob* within the bucket, then remove it where it was. Raises: FileNotFoundError; Unavailable."""
        with self._calling():
            obstore.copy(self._client, _key(blob, source), _key(blob, target))
            obstore.delete(self._client, _key(blob, source))
        self.cache.forget(blob)

    def drop(self, blob: str, place: Place) -> None:
        """Remove *blob* from *place*, if it is there."""
        with self._calling():
            obstore.delete(self._client, _key(blob, place))
        self.cache.forget(blob)

    def probe(self) -> None:
        """Write, read and remove a small object. Raises: Unavailable, if the bucket cannot be written or read."""
        said = b"imaging-bridge"
        with self._calling():
            try:
                obstore.put(self._client, _PROBE, said, use_multipart=False)
                heard = bytes(obstore.get(self._client, _PROBE).bytes())
                obstore.delete(self._client, _PROBE)
            except FileNotFoundError:
                raise Unavailable("there is no such bucket", code="bucket_refused") from None
        if heard != said:
            raise Unavailable("the bucket returns other bytes than were written", code="bucket_unsound")

    def older_than(self, age_secs: float, now: float) -> list[Path]:
        """Return local files that nobody has written to for *age_secs*; now: seconds since the epoch."""
        spooled = [path for path in self.spool.iterdir() if now - path.stat().st_mtime > age_secs]
        return spooled + self.cache.older_than(age_secs, now)

    def _fetch(self, blob: str, path: Path) -> None:
        """
        Write the object to *path*, and again if it came with another digest than its name's: the wire may have done that.

        Raises: Unavailable.
        """
        for place in (Place.KEPT, Place.KEPT, Place.SWEPT):
            try:
                if self._download(blob, place, path) == blob:
                    return
            except FileNotFoundError:
                continue
        raise damaged()

    def _download(self, blob: str, place: Place, path: Path) -> str:
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                for chunk in self.read(blob, place):
                    check_free(self._folder, self._low_water_bytes // 2, len(chunk))
                    digest.update(chunk)
                    file.write(chunk)
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise disk_fault(fault) from fault
        return digest.hexdigest()

    def _put(self, key: str, file: Path) -> None:
        try:
            obstore.put(self._client, key, file, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        except FileNotFoundError:
            # The bucket itself: an object need not be there to be put.
            raise Unavailable("there is no such bucket", code="bucket_refused") from None

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Turn what the client says into Unavailable; its own words may hold addresses and are let go."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError):
            raise Unavailable("the bucket refuses us", code="bucket_refused") from None
        except BaseError:
            self._away_until = time.monotonic() + _AWAY_SECS
            raise _away() from None


def _key(blob: str, place: Place) -> str:
    name = check_name(blob)
    return f"{place}/{name[:2]}/{name}" if place == Place.KEPT else f"{place}/{name}"


def _away() -> Unavailable:
    return Unavailable("the bucket does not answer", code="bucket_away")
