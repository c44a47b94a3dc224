"""pyx12, which shares no code with ours: what it says of a file by its own maps of the implementation guides."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def complaints(raw: bytes, folder: Path) -> list[str]:
    """Return what pyx12 has against a file, [] where it accepts it: its 999's segments, without those of acceptance."""
    document = pytest.importorskip("pyx12.x12n_document", reason="pyx12 is not installed here")
    params = pytest.importorskip("pyx12.params")
    file, answer = folder / "judged.x12", io.StringIO()
    file.write_bytes(raw)
    logging.disable(logging.CRITICAL)
    try:
        is_accepted = document.x12n_document(param=params.params(), src_file=str(file), fd_997=answer, fd_html=None)
    finally:
        logging.disable(logging.NOTSET)
    said = [text.strip() for text in answer.getvalue().split("~")]
    found = [text for text in said if text.startswith(("IK3*", "IK4*", "AK3*", "AK4*"))]
    return found or ([] if is_accepted else ["refused without a reason"])


def envelope_complaints(raw: bytes) -> list[str]:
    """Return what pyx12 has against a file's envelope and levels, whatever its transactions are: it has no map of them."""
    reader_of = pytest.importorskip("pyx12.x12file", reason="pyx12 is not installed here").X12Reader
    with pytest.MonkeyPatch.context() as patch:
        # It looks no more than one buffer ahead for a segment's end, and takes a longer segment for the end of the file.
        patch.setattr("pyx12.rawx12file.DEFAULT_BUFSIZE", len(raw))
        return _said_by(reader_of, raw)


def _said_by(reader_of: Callable[..., Any], raw: bytes) -> list[str]:
    # It knows the versions of its own maps alone; the envelope's rules are the same.
    reader = reader_of(io.StringIO(raw.decode("ascii").replace("*00602*", "*00501*", 1)))
    found = []
    for _ in reader:
        found += reader.pop_errors()
    reader.cleanup()
    return [str(one) for one in (*found, *reader.pop_errors())]
