"""Everything of some kinds at once: asked for, made page by page by the worker, read as files, gone after a day. Source: Bulk Data Access 2.0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import structlog

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Permission, Role
from bridge.domain.chart import SELECTION
from bridge.errors import BridgeError, Unavailable
from bridge.flows.lookout import Lookout
from bridge.store import audit, credentials, exports, leases
from bridge.store.db import ReadTx, Store
from bridge.store.exports import DONE, FAILED, RUNNING, Export

Json = dict[str, Any]
# A page of one type of an export: its resources, and where it ended, None at the end of the type.
MakePage = Callable[[ReadTx, Export], tuple[Sequence[Json], tuple[str, int] | None]]

_EXPORTED = ("Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport", SELECTION, "Endpoint")
# What a release has not.
_NOT_OF = {"r4": frozenset({SELECTION})}
_LEASE = timedelta(seconds=30)
_KEPT_FOR = timedelta(hours=24)
_MADE_WITHIN = timedelta(days=7)
_MOST_OPEN = 3
_AGAIN_SECS = 60

_log = structlog.get_logger(__name__)


def exported(release: str) -> tuple[str, ...]:
    """Return what is exported in a release ("r4", "r5")."""
    return tuple(one for one in _EXPORTED if one not in _NOT_OF.get(release, ()))


class ExportDesk:
    """Takes requests for exports, and takes them back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def ask(self, wanted: Export, caller: Caller, origin: str) -> int:
        """Keep a request; returns its key. Raises: Unavailable, where somebody has too many under way."""
        now = self._clock.now()
        with self._store.write() as tx:
            if exports.open_of(tx, caller.credential) >= _MOST_OPEN:
                sentence = f"at most {_MOST_OPEN} exports at a time: wait for one, or take one back"
                raise Unavailable(sentence, code="too_many_exports", retry_after_secs=_AGAIN_SECS)
            mine = replace(wanted, owner=caller.credential, owner_name=caller.name, state=RUNNING, asked_at=now)
            key = exports.add(tx, mine)
            said = {"export": key, "types": list(wanted.types)}
            about = {"origin": origin, "patient_key": wanted.patient_key, "detail": said}
            audit.add(tx, at=now, action="export_asked", actor=caller.name, **about)  # type: ignore[arg-type]
        return key

    def remove(self, key: int, caller: Caller) -> None:
        """Stop an export, and forget what was made of it. Raises: LookupError."""
        with self._store.write() as tx:
            own(tx, key, caller)
            exports.remove(tx, key)
            audit.add(tx, at=self._clock.now(), action="export_removed", actor=caller.name, detail={"export": key})


class ExportQueue(Lookout):
    """Makes exports, one after the other, in one process at a time. owner: this process, unlike any other."""

    name = "exports"

    def __init__(self, store: Store, clock: Clock, make_page: MakePage, *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._make_page = make_page
        self._owner = owner

    def work(self) -> bool:
        """Make the next page; False if there is none, or another process is at it. Raises: Unavailable."""
        now = self._clock.now()
        with self._store.read() as tx:
            one = exports.next_open(tx)
            over = exports.ended(tx, now, now - _MADE_WITHIN)
        if over:
            self._forget(over)
        if one is None or one.key in over or not self._take_lease():
            return False
        try:
            self._step(one)
        except Unavailable:
            raise
        except (BridgeError, LookupError) as fault:
            code = fault.code if isinstance(fault, BridgeError) else "changed_meanwhile"
            _log.warning("export_failed", export=one.key, code=code)
            self._end(one, FAILED)
        return True

    def _step(self, one: Export) -> None:
        is_over = one.at_type >= len(one.types)
        with self._store.read() as tx:
            is_allowed = credentials.may_still(tx, one.owner, Permission.EXPORT, self._clock.now())
            found = self._make_page(tx, one) if is_allowed and not is_over else None
        if found is None:
            self._end(one, DONE if is_allowed else FAILED)
            return
        resources, after = found
        body = b"".join(orjson.dumps(resource, option=orjson.OPT_APPEND_NEWLINE) for resource in resources)
        with self._store.write() as tx:
            exports.put_page(tx, one, body, len(resources), after)

    def _end(self, one: Export, state: str) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            exports.end(tx, one.key, state, now, now + _KEPT_FOR)
            counts = {part.resource_type: 0 for part in exports.parts(tx, one.key)}
            for part in exports.parts(tx, one.key):
                counts[part.resource_type] += part.lines
            said = {"export": one.key, **counts}
            audit.add(tx, at=now, action=f"export_{state}", actor=one.owner_name, detail=said)

    def _forget(self, keys: Sequence[int]) -> None:
        with self._store.write() as tx:
            for key in keys:
                exports.remove(tx, key)

    def _take_lease(self) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, "exports", self._owner, self._clock.now(), _LEASE)


def own(tx: ReadTx, key: int, caller: Caller) -> Export:
    """Return an export of *caller*'s, anybody's to an administrator. Raises: LookupError."""
    found = exports.get(tx, key)
    if found.owner != caller.credential and caller.role != Role.ADMIN:
        raise LookupError(f"no export {key} of this caller's")
    return found
