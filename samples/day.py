"""The day's messages, ready to send: the files' placeholders filled with today's date and the moment of sending.

    python -m samples.day FOLDER        writes every message, filled, for sending by hand (samples/walkthrough.md)

{now} the moment, {today} its date, {day} the date without the century, {later} sixty days on, {uid:NN} the Study
Instance UID of order NN: the same one all day, in every message about that order.
"""

from __future__ import annotations

import re
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
_UIDS = uuid.UUID("5b1d2f6e-6a0e-4f0a-9a55-0d2a5c1f7b11")
_PLACEHOLDER = re.compile(rb"\{(now|today|day|later|uid:\d\d)\}")


def study_uid(number: str, at: datetime) -> str:
    """Return the Study Instance UID that order *number* ("04") has on the day of *at*. Source: PS3.5 B.2."""
    return f"2.25.{uuid.uuid5(_UIDS, f'{at:%Y%m%d}/{number}').int}"


def accession(number: str, at: datetime) -> str:
    """Return the accession number that order *number* has on the day of *at*."""
    return f"R{at:%y%m%d}{number}"


def message(name: str, at: datetime, sent_at: datetime | None = None) -> bytes:
    """
    Return the message in file *name* ("orders/04_us_abdomen_yamada"), filled, in its own character set.

    at: a moment of the day whose numbers it carries. sent_at: the moment of sending, *at* unless said. Both as the clinic's
    clock says.
    """
    values = {
        b"now": f"{sent_at or at:%Y%m%d%H%M%S}",
        b"today": f"{at:%Y%m%d}",
        b"day": f"{at:%y%m%d}",
        b"later": f"{at + timedelta(days=60):%Y%m%d}",
    }

    def value(match: re.Match[bytes]) -> bytes:
        key = match.group(1)
        return (study_uid(key[4:].decode(), at) if key.startswith(b"uid:") else values[key]).encode("ascii")

    return _PLACEHOLDER.sub(value, (FOLDER / f"{name}.hl7").read_bytes())


def names() -> list[str]:
    """Return the name of every message: registrations first, then orders, each in the order of the day."""
    return [f"{kind}/{file.stem}" for kind in ("adt", "orders") for file in sorted((FOLDER / kind).glob("*.hl7"))]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m samples.day FOLDER", file=sys.stderr)
        return 2
    now = datetime.now()
    for name in names():
        target = Path(arguments[0]) / f"{name}.hl7"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(message(name, now))
    print(f"{len(names())} messages in {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
