"""An S3 server on this machine, moto's, with a bucket of each caller's own; what lies there can be looked at and spoilt."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from bridge.store.s3_blobs import Bucket, S3Blobs

_WHO = {"region_name": "us-east-1", "aws_access_key_id": "tester", "aws_secret_access_key": "secret"}


class S3Server:
    """A running server; url: where it listens. on_part: called when a part of an object has come, before it is taken."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.on_part: Callable[[], None] = lambda: None
        self.client: Any = boto3.client("s3", endpoint_url=url, **_WHO)

    def new_bucket(self) -> Bucket:
        """Make a bucket and return how it is reached, below a prefix."""
        name = f"images-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return Bucket(name, "clinic/one", self.url, "us-east-1", "tester", "secret")

    def spoil(self, bucket: Bucket, blob: str, content: bytes) -> None:
        """Put other bytes where *blob* lies."""
        self.client.put_object(Bucket=bucket.name, Key=f"{bucket.prefix}/objects/{blob[:2]}/{blob}", Body=content)

    def remove(self, bucket: Bucket) -> None:
        """Remove an empty *bucket*."""
        self.client.delete_bucket(Bucket=bucket.name)

    def make(self, bucket: Bucket) -> None:
        """Make *bucket* anew."""
        self.client.create_bucket(Bucket=bucket.name)

    def keys(self, bucket: Bucket) -> list[str]:
        """Return the names of everything in *bucket*."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])]


def _listen_for_parts(server: ThreadedMotoServer, found: S3Server) -> None:
    inner: Any = server._server
    app = inner.app

    def listening(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT" and "partNumber=" in environ.get("QUERY_STRING", ""):
            found.on_part()
        return app(environ, start_response)

    inner.app = listening


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = S3Server(f"http://{host}:{port}")
        _listen_for_parts(server, found)
        yield found
    finally:
        server.stop()


def blobs_in(bucket: Bucket, folder: Path, cache_bytes: int = 64 << 20) -> S3Blobs:
    """Return a store over *bucket* that works in *folder*."""
    return S3Blobs(bucket, folder, low_water_bytes=0, cache_bytes=cache_bytes)
