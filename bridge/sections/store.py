"""The settings of what is kept: the database, and the objects in a folder or a bucket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.sections.section import AETitle, Section

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")


class S3Section(Section):
    """
    How a bucket is reached. endpoint: "" for Amazon's own of that region; else https, or http on this machine.

    access_key_id, secret_access_key: "" for what AWS_ACCESS_KEY_ID and its like, or the machine's role, say. ca: PEM.
    """

    endpoint: str = ""
    region: str = ""
    access_key_id: SecretStr = SecretStr("")
    secret_access_key: SecretStr = SecretStr("")
    ca: Path | None = None

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, value: str) -> str:
        address = urlsplit(value)
        if value and (address.scheme not in ("http", "https") or not address.hostname or address.username):
            raise ValueError("an address is https://HOST or https://HOST:PORT")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.access_key_id.get_secret_value()) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key go together")
        return self


class RetentionSection(Section):
    """
    What may be removed here. remove_after_days: of no new image, 0 for never. archives: who must have committed to keep
    it, by AE title; () for every peer with the role archive. free_below_mb: only while the disk has less, 0 for always.
    """

    remove_after_days: int = Field(default=0, ge=0, le=36_500)
    archives: tuple[AETitle, ...] = ()
    most_objects_per_run: int = Field(default=10_000, ge=1)
    free_below_mb: int = Field(default=0, ge=0)


class StoreSection(Section):
    """
    database: a SQLAlchemy URL, "" for SQLite in data. blobs: a folder or "s3://bucket/prefix", "" for a folder in data.

    low_water_mb: with less free on the disk nothing new is begun. cache_mb: what local copies of a bucket's objects take.
    verify_days: in which every object is read again and compared with its digest, 0 for never; verify_mb_per_sec: at most.
    """

    database: str = ""
    blobs: str = ""
    low_water_mb: int = Field(default=256, ge=1)
    cache_mb: int = Field(default=10_240, ge=64)
    verify_days: int = Field(default=30, ge=0, le=3650)
    verify_mb_per_sec: int = Field(default=20, ge=1)
    s3: S3Section = S3Section()
    retention: RetentionSection = RetentionSection()

    @property
    def is_s3(self) -> bool:
        return self.blobs.startswith("s3:")

    @field_validator("blobs")
    @classmethod
    def _a_folder_or_a_bucket(cls, value: str) -> str:
        if "://" in value and not value.startswith("s3://"):
            raise ValueError('a folder, or "s3://bucket/prefix"')
        if value.startswith("s3:") and not _BUCKET.fullmatch(value):
            raise ValueError('a bucket is written "s3://bucket" or "s3://bucket/prefix"')
        return value
