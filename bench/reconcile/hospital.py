"""One synthetic hospital: made by the generator beside this repository, read as the bridge's own values."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.domain.reconcile_rules import ReconcileRules
from bridge.mapping.reconcile_rules import FILE_NAME, load_rules

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT.parent / "shared" / "bench" / "reconcile"
GENERATOR, SCORER = _FOLDER / "generate.py", _FOLDER / "score.py"
_STREAMS = {"adt": "adt", "orders": "order", "studies": "study", "signals": "signal"}

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a stream. kind: adt, order, study or signal."""

    kind: str
    line: Line

    @property
    def seq(self) -> int:
        return int(self.line["seq"])


@dataclass(frozen=True, slots=True)
class Played:
    """What was seen beside the decisions. missed: what is wanted and does not hold."""

    notes: list[str]
    missed: tuple[str, ...] = ()


def is_there() -> bool:
    """Say whether generator and scorer are where they are looked for."""
    return GENERATOR.is_file() and SCORER.is_file()


def generate(folder: Path, seed: str, profile: str, studies: int, options: Sequence[str] = ()) -> str:
    """Make a hospital in *folder* and return what the generator says of it."""
    command = [sys.executable, str(GENERATOR), "--seed", seed, "--profile", profile, "--studies", str(studies)]
    done = subprocess.run([*command, "--out", str(folder), *options], capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"the generator failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def site_of(folder: Path) -> Line:
    """Return what the hospital would configure."""
    site: Line = json.loads((folder / "site.json").read_text("utf-8"))
    return site


def patients_of(folder: Path) -> Iterator[Line]:
    """Return the patients known at the start."""
    return _lines(folder / "patients.jsonl")


def events_of(folder: Path) -> list[Event]:
    """Return every message, study and signal in the order in which they came."""
    events = [Event(kind, line) for name, kind in _STREAMS.items() for line in _lines(folder / f"{name}.jsonl")]
    return sorted(events, key=lambda event: event.seq)


def write_site(folder: Path, site: Mapping[str, Any]) -> Path:
    """Write *site* as the reconcile.toml that its analyst would lay over the shipped one, and return its folder."""
    overlay = folder / "mappings"
    overlay.mkdir(exist_ok=True)
    institutions = {**site["institution_issuers"], site["institution"]: site["issuer"]}
    sections: dict[str, dict[str, Any]] = {
        "ids": {
            "mrn_pattern": site["mrn_regex"],
            "prefixes": site["known_id_prefixes"],
            "suffixes": site["known_id_suffixes"],
            "placeholders": site["placeholder_ids"],
        },
        "names": {
            "placeholder_words": site["placeholder_name_words"],
            "test_words": site["test_name_words"],
            "placeholder_dobs": site["placeholder_dobs"],
        },
        "sources": {"import_aes": site["import_aes"], "institutions": institutions},
    }
    text = "schema = 1\n"
    for section, values in sections.items():
        text += f"\n[{section}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
    (overlay / FILE_NAME).write_text(text, "utf-8")
    return overlay


def rules_of(folder: Path) -> ReconcileRules:
    """Return the shipped rules with the hospital's own laid over them."""
    site = site_of(folder)
    return load_rules(ROOT / "mappings", write_site(folder, site), authority=site["issuer"])


def write_decisions(path: Path, decisions: Sequence[Mapping[str, Any]]) -> None:
    """Write decisions as the scorer reads them, a line each."""
    with path.open("w", encoding="utf-8") as file:
        for decision in decisions:
            file.write(json.dumps(decision, ensure_ascii=False) + "\n")


def _lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _toml(value: Any) -> str:
    """JSON's strings and lists are TOML's too; a table is written inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {json.dumps(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
