"""What settings may say of clearinghouses: what cannot work is refused when the settings are read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.settings import Settings

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
SFTP = {"host": "sftp.example", "user": "bridge", "host_key": HOST_KEY, "key": "/etc/bridge/key"}
EAST = {"name": "eastlink", "sender": "ZZ:CLEARVIEW", "receiver": "ZZ:EASTLINK", "outbox": "/srv/out"}
ACME = {"name": "acme", "id": "60054", "clearinghouse": "eastlink"}


def read(east: dict[str, Any], *payers: dict[str, Any]) -> Settings:
    return Settings.model_validate({"clearinghouses": [east], "payers": payers})


def test_a_payer_is_reached_through_a_clearinghouse_that_takes_files() -> None:
    assert read(EAST, ACME).clearinghouses[0].takes_files
    by_sftp = {key: value for key, value in EAST.items() if key != "outbox"} | {"sftp": SFTP}
    assert read(by_sftp, ACME).clearinghouses[0].takes_files


@pytest.mark.parametrize(
    ("east", "why"),
    [
        ({"name": "eastlink"}, "name an inbox, an outbox or sftp"),
        (EAST | {"sftp": SFTP}, "not both"),
        (EAST | {"sender": ""}, "need sender and receiver"),
        (EAST | {"sender": "CLEARVIEW"}, "qualifier and id"),
        (EAST | {"sender": "ZZ:CLEARVIEW-IMAGING-1"}, "15 characters"),
        (EAST | {"inbox": "/srv/out"}, "two folders"),
        (EAST | {"outbox": None, "sftp": SFTP | {"host_key": "ssh-ed25519"}}, "ssh-keyscan"),
        (EAST | {"outbox": None, "sftp": SFTP | {"password": "secret"}}, "a key or a password"),
        (EAST | {"outbox": None, "sftp": SFTP | {"key": None}}, "a key or a password"),
    ],
)
def test_what_cannot_work_is_refused_in_words(east: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        read(east)


@pytest.mark.parametrize("east", [EAST | {"outbox": None, "inbox": "/srv/in"}, EAST | {"name": "westlink"}])
def test_a_payer_whose_clearinghouse_takes_no_files_is_refused(east: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="names a clearinghouse that takes no files"):
        read(east, ACME)
