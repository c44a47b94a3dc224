"""Two validators of FHIR that know nothing of this product, asked about many resources at once.

npm's @medplum/core (structure, types, invariants) and fhir (structure, required codes, targets of references), with HL7's
definitions hl7.fhir.r4b.core 4.3.0 and hl7.fhir.r5.core 5.0.0; `tests/peers.sh fhir-judges` installs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from tests.conftest import missing_peer

Json = dict[str, Any]

_PROGRAM = Path(__file__).parent.parent / "peer" / "fhir_judges.mjs"
_LIMIT_SECS = 120


def folder() -> Path:
    """Return where the validators are installed; skips, or fails where peers are required."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    found = Path(os.environ.get("BRIDGE_NODE_PEERS") or f"{cache}/imaging-bridge-peers/node")
    if shutil.which("node") is None or not (found / "installed").is_file():
        missing_peer("the independent validator of FHIR", "sh tests/peers.sh fhir-judges")
    return found


def complaints(resources: Iterable[tuple[str, Json]]) -> list[tuple[int, str]]:
    """Return what the validators find wrong: which resource, and a sentence. resources: ("R4" or "R5", resource)."""
    listed = list(resources)
    asked = b"\n".join(orjson.dumps({"version": version, "resource": one}) for version, one in listed)
    done = subprocess.run(
        ["node", str(_PROGRAM), str(folder())], input=asked, capture_output=True, check=False, timeout=_LIMIT_SECS
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    *said, last = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert last == {"judged": len(listed)}
    return [(one["line"], _sentence(listed[one["line"]], one)) for one in said]


def _sentence(judged: tuple[str, Json], said: Json) -> str:
    version, resource = judged
    return f"{version} {resource.get('resourceType')}: {said['text']} [{said['judge']}]"
