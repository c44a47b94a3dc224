"""The strict EHR's books: every version of every resource, searches, conditional writing."""

from __future__ import annotations

import copy
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """An answer that is no resource. status: HTTP; code: of value set issue-type."""

    def __init__(self, status: int, code: str, sentence: str, expression: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.expression = expression


@dataclass
class Kept:
    """One resource. versions: oldest first; deleted: it answers 410."""

    versions: list[Json] = field(default_factory=list)
    deleted: bool = False

    @property
    def newest(self) -> Json:
        return self.versions[-1]


class Books:
    """Thread-safe; one lock, so that a conditional write is one step."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._kept: dict[str, dict[str, Kept]] = {}

    def exists(self, kind: str, resource_id: str) -> bool:
        with self.lock:
            kept = self._kept.get(kind, {}).get(resource_id)
            return kept is not None and not kept.deleted

    def was_ever(self, kind: str, resource_id: str) -> bool:
        """Say whether there is such a resource, or was before it was deleted."""
        with self.lock:
            return resource_id in self._kept.get(kind, {})

    def read(self, kind: str, resource_id: str) -> Json:
        """Return the newest version. Raises: Refusal 404, 410."""
        return copy.deepcopy(self._find(kind, resource_id).newest)

    def history(self, kind: str, resource_id: str) -> list[Json]:
        """Return every version, newest first. Raises: Refusal 404, 410."""
        return copy.deepcopy(self._find(kind, resource_id).versions[::-1])

    def search(self, kind: str, parameters: dict[str, list[str]]) -> list[Json]:
        """Return what fits every parameter. Raises: Refusal 400, for one that is not known: a strict server says so."""
        with self.lock:
            live = [kept.newest for kept in self._kept.get(kind, {}).values() if not kept.deleted]
            for name, wanted in parameters.items():
                if name.startswith("_") and name not in ("_id", "_lastUpdated"):
                    continue
                live = [one for one in live if all(_fits(one, name, said) for said in wanted)]
            return copy.deepcopy(live)

    def create(self, resource: Json, unless: dict[str, list[str]] | None = None) -> tuple[int, Json]:
        """Store a new resource, or return the one that *unless* finds. Raises: Refusal 412, if it finds several."""
        with self.lock:
            found = self.search(resource["resourceType"], unless) if unless else []
            if len(found) > 1:
                raise Refusal(412, "multiple-matches", "several resources fit If-None-Exist")
            if found:
                return 200, found[0]
            return 201, self._add(resource, uuid.uuid4().hex[:20])

    def update(self, resource: Json, resource_id: str, if_match: str = "") -> tuple[int, Json]:
        """Store a version. Raises: Refusal 412, if the newest is not the one that *if_match* names."""
        with self.lock:
            kept = self._kept.get(resource["resourceType"], {}).get(resource_id)
            if if_match and (kept is None or f'W/"{kept.newest["meta"]["versionId"]}"' != if_match):
                raise Refusal(412, "conflict", "another version stands")
            is_new = kept is None or kept.deleted
            return (201 if is_new else 200), self._add(resource, resource_id)

    def update_where(self, resource: Json, where: dict[str, list[str]], if_match: str = "") -> tuple[int, Json]:
        """Update the one that *where* finds, or create. Raises: Refusal 412, if it finds several."""
        with self.lock:
            found = self.search(resource["resourceType"], where)
            if len(found) > 1:
                raise Refusal(412, "multiple-matches", "several resources fit the condition")
            if found and resource.get("id", found[0]["id"]) != found[0]["id"]:
                raise Refusal(400, "invalid", "the condition finds another id")
            if found:
                return self.update(resource, found[0]["id"], if_match)
            return 201, self._add(resource, resource.get("id") or uuid.uuid4().hex[:20])

    def delete(self, kind: str, resource_id: str) -> None:
        """Delete; it answers 410 from now on."""
        with self.lock:
            self._find(kind, resource_id).deleted = True

    def clear(self) -> None:
        """Forget everything, as a restore from an old backup would."""
        with self.lock:
            self._kept.clear()

    def state(self) -> Json:
        """Return counts, resources, and identifiers that more than one live resource holds."""
        with self.lock:
            everything = {
                kind: {key: kept.newest for key, kept in found.items() if not kept.deleted}
                for kind, found in self._kept.items()
            }
            return {
                "counts": {kind: len(found) for kind, found in everything.items()},
                "duplicates": {kind: twice for kind, found in everything.items() if (twice := _duplicates(found))},
                "resources": copy.deepcopy(everything),
            }

    def _find(self, kind: str, resource_id: str) -> Kept:
        with self.lock:
            kept = self._kept.get(kind, {}).get(resource_id)
            if kept is None:
                raise Refusal(404, "not-found", "no such resource")
            if kept.deleted:
                raise Refusal(410, "deleted", "it was deleted")
            return kept

    def _add(self, resource: Json, resource_id: str) -> Json:
        kept = self._kept.setdefault(resource["resourceType"], {}).setdefault(resource_id, Kept())
        version = str(len(kept.versions) + 1)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        meta = {**resource.get("meta", {}), "versionId": version, "lastUpdated": now}
        kept.versions.append({**copy.deepcopy(resource), "id": resource_id, "meta": meta})
        kept.deleted = False
        return copy.deepcopy(kept.newest)


def _duplicates(found: dict[str, Json]) -> dict[str, list[str]]:
    holders: dict[str, list[str]] = {}
    for key, resource in found.items():
        if resource.get("status") != "entered-in-error":
            for one in _identifiers(resource):
                holders.setdefault(f"{one.get('system', '')}|{one.get('value', '')}", []).append(key)
    return {identifier: keys for identifier, keys in holders.items() if len(keys) > 1}


def _fits(resource: Json, name: str, said: str) -> bool:
    wanted = [one for one in said.split(",") if one]
    if name == "identifier":
        return any(_has_identifier(resource, one) for one in wanted)
    if name in ("patient", "subject"):
        target = (resource.get(name) or resource.get("subject") or resource.get("patient") or {}).get("reference", "")
        return any(target == one or target == f"Patient/{one}" for one in wanted)
    if name == "target":
        targets = [str(each.get("reference", "")).split("/_history/")[0] for each in resource.get("target", [])]
        return any(one in targets for one in wanted)
    if name == "_id":
        return resource["id"] in wanted
    if name == "_lastUpdated":
        changed = datetime.fromisoformat(resource["meta"]["lastUpdated"])
        return said.startswith("ge") and changed >= datetime.fromisoformat(said.removeprefix("ge"))
    if name in ("status", "use", "intent", "gender"):
        return resource.get(name) in wanted
    if name == "preAuthRef":
        refs = {ref for one in resource.get("insurance", []) for ref in one.get("preAuthRef", [])}
        return bool(refs & set(wanted))
    raise Refusal(400, "not-supported", f"no search parameter {name}")


def _has_identifier(resource: Json, token: str) -> bool:
    system, bar, value = token.rpartition("|")
    return any(
        one.get("value") == value and (not bar or one.get("system", "") == system) for one in _identifiers(resource)
    )


def _identifiers(resource: Json) -> list[Json]:
    said = resource.get("identifier", [])
    return said if isinstance(said, list) else [said]
