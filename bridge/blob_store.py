"""The store of objects that the settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from bridge.errors import Misconfigured
from bridge.settings import Settings
from bridge.store.blobs import Blobs, FolderBlobs
from bridge.store.s3_blobs import Bucket, S3Blobs

_MB = 1_000_000


def open_blobs(settings: Settings) -> Blobs:
    """Return the folder or the bucket; nothing is sent yet. Raises: Misconfigured, for a CA that cannot be read."""
    store = settings.store
    low_water_bytes = store.low_water_mb * _MB
    if not store.is_s3:
        return FolderBlobs(settings.blob_folder, low_water_bytes=low_water_bytes)
    folder = settings.blob_folder
    return S3Blobs(_bucket(settings), folder, low_water_bytes=low_water_bytes, cache_bytes=store.cache_mb * _MB)


def _bucket(settings: Settings) -> Bucket:
    address, s3 = urlsplit(settings.store.blobs), settings.store.s3
    try:
        root_certificate = s3.ca.read_bytes() if s3.ca is not None else b""
    except OSError as fault:
        raise Misconfigured([f"store.s3.ca: {s3.ca}: {fault.strerror or 'cannot be read'}"]) from fault
    return Bucket(
        address.netloc,
        address.path.strip("/"),
        s3.endpoint,
        s3.region,
        s3.access_key_id.get_secret_value(),
        s3.secret_access_key.get_secret_value(),
        root_certificate,
    )
