"""Log lines: JSON, and nothing that a library or an exception quotes."""

from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bridge import log

SECRET = "HALVORSEN^INGRID"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    found = io.StringIO()
    log.configure(found)
    yield found
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_exception_is_named_by_kind_and_place_not_by_its_text(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot read {SECRET}")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert line["kind"] == "ValueError"
    assert any("test_log.py" in place for place in line["trace"])
    assert SECRET not in stream.getvalue()


def test_a_library_s_words_are_not_repeated(stream: io.StringIO) -> None:
    logging.getLogger("some.library").error("Association with %s", SECRET)
    (line,) = lines(stream)
    assert line["logger"] == "some.library"
    assert SECRET not in stream.getvalue()


def test_fields_that_name_people_are_dropped(stream: io.StringIO) -> None:
    structlog.get_logger().info("seen", patient_name=SECRET, raw=SECRET.encode(), rows=3)
    (line,) = lines(stream)
    assert line["rows"] == 3
    assert SECRET not in stream.getvalue()


def test_a_line_break_cannot_forge_a_line(stream: io.StringIO) -> None:
    structlog.get_logger().info("seen", peer='x"}\n{"event":"forged"}')
    assert [line["event"] for line in lines(stream)] == ["seen"]


class FullDisk(io.StringIO):
    """Takes nothing while it is full."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_line_that_cannot_be_written_stops_nobody_and_is_told_of_later() -> None:
    disk, root = FullDisk(), logging.getLogger()
    handlers, level = root.handlers, root.level
    log.configure(disk)
    disk.is_full = True
    structlog.get_logger().info("first")
    structlog.get_logger().info("second")
    disk.is_full = False
    structlog.get_logger().info("third")
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    found = [json.loads(line) for line in disk.getvalue().splitlines() if line]
    assert [(line["event"], line.get("count")) for line in found] == [("log_lines_lost", 2), ("third", None)]
