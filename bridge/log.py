"""Logs: one JSON line an event on stderr, ids and counts only; whatever might hold a name is cut before it is written."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import orjson
import structlog

# Fields that a line may carry; anything else is dropped, so that a careless call cannot leak.
_TEXT_MAX = 300
_FORBIDDEN = frozenset(
    {"name", "patient", "patient_name", "patient_id", "birth_date", "raw", "message_text", "path_query", "identifier"}
)


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """
    Send every log line of this process to *stream* (stderr) as JSON.

    Libraries are heard from warnings up, by the name of the logger alone: their texts may hold what they were given.
    A line that cannot be written is counted and told of later: a full disk under the logs must not stop the work.
    """
    out = _Surviving(stream or sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_exception,
            _redact,
            structlog.processors.JSONRenderer(_json_text),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, out)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(logging.WARNING)


def _json_text(event: MutableMapping[str, Any], default: Callable[[Any], Any]) -> str:
    """Return *event* as one line of ASCII."""
    try:
        text = orjson.dumps(event, default=default)
    except TypeError:
        # A lone surrogate, or a number beyond 64 bits.
        text = b"\xff"
    return text.decode() if text.isascii() else json.dumps(event, default=default, ensure_ascii=True)


class _Surviving:
    """A stream whose faults do not reach whoever logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> None:
        try:
            if self._lost:
                lost = {"event": "log_lines_lost", "level": "error", "count": self._lost}
                self._stream.write(f"\n{json.dumps(lost)}\n")
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
        except OSError:
            self._lost += 1

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._lost += 1


class _LibraryHandler(logging.Handler):
    """Reports that a library complained, not what it said."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        structlog.get_logger(record.name).warning(
            "library_message",
            logger=record.name,
            severity=record.levelname,
            place=f"{record.module}:{record.lineno}",
            kind=kind,
        )


def _name_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace a traceback by its kind and the places it went through: an exception's text may quote a value."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        places = []
        frame = info[2]
        while frame is not None:
            code = frame.tb_frame.f_code
            places.append(
                f"{code.co_filename.rpartition('/bridge/')[2].rpartition('site-packages/')[2]}:{frame.tb_lineno}"
            )
            frame = frame.tb_next
        event["kind"] = info[0].__name__
        event["trace"] = places[-12:]
    return event


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in list(event):
        if key in _FORBIDDEN:
            del event[key]
        elif isinstance(event[key], str) and len(event[key]) > _TEXT_MAX:
            event[key] = event[key][:_TEXT_MAX]
        elif isinstance(event[key], bytes):
            del event[key]
    return event
