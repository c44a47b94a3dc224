"""A table in a text file: its encoding and delimiter found out, its rows cut. Source: RFC 4180."""

from __future__ import annotations

import csv
import io

from bridge.errors import Malformed

ROWS_MAX = 20_000
BYTES_MAX = 16 << 20
_DELIMITERS = ";,\t|"


def unguarded(cell: str) -> str:
    """Return a cell without the mark that `safe_cell` set before it: what was refused is mended and comes again."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def decoded(raw: bytes) -> tuple[str, str]:
    """Return a file's text, and in which encoding it was read. Raises: Malformed."""
    if len(raw) > BYTES_MAX:
        raise Malformed(f"larger than {BYTES_MAX >> 20} MB", code="too_long", where="file")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16"), "UTF-16"
        except UnicodeDecodeError:
            raise Malformed("not a text file", where="file") from None
    if b"\0" in raw or raw[:4] == b"PK\x03\x04":
        raise Malformed("not a text file: save the list as CSV first", where="file")
    for encoding, words in (("utf-8-sig", "UTF-8"), ("cp1252", "Windows Latin-1")):
        try:
            return raw.decode(encoding), words
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "Latin-1"


def delimiter(text: str) -> str:
    """Return what the cells of a table are separated by, as its first line shows."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    counted = {one: first.count(one) for one in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda one: counted[one])
    return best if counted[best] else ","


def table(text: str, mark: str) -> list[tuple[int, list[str]]]:
    """Return (row, cells) of every row that holds something, the header first. Raises: Malformed."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    rows: list[tuple[int, list[str]]] = []
    try:
        for number, cells in enumerate(reader, 1):
            if any(cell.strip() for cell in cells):
                rows.append((number, [unguarded(cell.strip()) for cell in cells]))
            if len(rows) > ROWS_MAX + 1:
                raise Malformed(f"more than {ROWS_MAX} rows", code="too_long", where="file")
    except csv.Error as fault:
        raise Malformed("a quoted cell does not end, or is too long", where="file", source="RFC 4180") from fault
    if len(rows) < 2:
        raise Malformed("a header and at least one row are wanted", where="file")
    return rows
