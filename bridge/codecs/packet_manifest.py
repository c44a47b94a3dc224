"""A packet's manifest for machines: the same facts as its pages, as JSON. Source: RFC 8259."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from bridge.domain.packet import Packet

_FORMAT = "imaging-bridge-packet"
_FORMAT_VERSION = 1


def write_packet_manifest(packet: Packet, files: Sequence[tuple[str, str, int]], left_out: Sequence[str]) -> bytes:
    """
    Return the manifest of *packet*: the same bytes for the same packet. Reports stand by title alone.

    files: kind, SHA-256 and size of each file beside it. left_out: what it does not hold, and why.
    """
    said: dict[str, Any] = asdict(packet)
    for report in (*said["reports"], *said["prior_reports"], *said["notes"]):
        del report["sections"]
    said |= {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "evidence_digest": packet.digest(),
        "files": [{"kind": kind, "sha256": digest, "bytes": size} for kind, digest, size in files],
        "left_out": list(left_out),
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
