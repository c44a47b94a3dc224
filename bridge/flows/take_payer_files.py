"""X12 files that a clearinghouse puts into a folder: each taken once, kept as it came, set aside with the reason if it cannot be.

A file stays where it is until all that it says is written down: broken off in between, it is read again, and what was said
twice counts once. Then it goes to "taken", or to "refused" beside a text that says why. Nothing is deleted or overwritten.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import structlog

from bridge.clock import Clock
from bridge.codecs.x12 import claim_status, envelope, prior_authorization
from bridge.codecs.x12.envelope import Transaction
from bridge.codecs.x12.news import news_of, news_of_request_for_documents
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.identifiers import digest_of
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError, Malformed, Unavailable
from bridge.flows.lookout import Lookout
from bridge.flows.take_authorization_news import Taking, take_authorization_news
from bridge.store import leases
from bridge.store.db import Store, lock

_log = structlog.get_logger(__name__)

TAKEN, REFUSED = "taken", "refused"
# A file that was written to so lately may be incomplete.
SETTLED_AFTER = timedelta(seconds=5)
MAX_BYTES = 64 << 20
_LEASE = timedelta(seconds=120)
# What programs call a file that they are still writing.
_UNFINISHED = (".tmp", ".part", ".filepart", ".crdownload")


@dataclass(frozen=True, slots=True)
class PayerFolder:
    """A clearinghouse's folder. name: of the clearinghouse; zone: in which its files tell the time."""

    name: str
    inbox: Path
    zone: tzinfo


class PayerFiles(Lookout):
    """Looks into each folder in its turn. owner: this process, unlike any other."""

    name = "payer-files"
    look_secs = 2.0

    def __init__(
        self, store: Store, clock: Clock, rules: ReconcileRules, folders: Sequence[PayerFolder], *, owner: str
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._rules = rules
        self._folders = folders
        self._owner = owner
        self._closed: set[str] = set()

    def work(self) -> int:
        """Take every file that is whole; return how many were set in their places. Raises: Unavailable, without a database."""
        return sum(self._look_into(folder) for folder in self._folders)

    def _look_into(self, folder: PayerFolder) -> int:
        found = list(self._ready(folder))
        if not found or not self._hold(folder):
            return 0
        done = 0
        for path in found:
            if self._stopping.is_set() or not self._hold(folder):
                break
            done += self._take(folder, path)
        return done

    def _hold(self, folder: PayerFolder) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"payer-files:{folder.name}", self._owner, self._clock.now(), _LEASE)

    def _ready(self, folder: PayerFolder) -> Iterator[Path]:
        """Return the files that nobody writes to any more, by name. A link is no file: it could lead anywhere."""
        try:
            names = sorted(os.listdir(folder.inbox))
        except OSError as fault:
            if folder.name not in self._closed:
                _log.warning("payer_folder_unreadable", clearinghouse=folder.name, fault=type(fault).__name__)
            self._closed.add(folder.name)
            return
        self._closed.discard(folder.name)
        latest = self._clock.now() - SETTLED_AFTER
        for name in names:
            path = folder.inbox / name
            if name.startswith(".") or name.lower().endswith(_UNFINISHED):
                continue
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and datetime.fromtimestamp(found.st_mtime, UTC) <= latest:
                yield path

    def _take(self, folder: PayerFolder, path: Path) -> int:
        try:
            content = _bytes_of(path)
            reasons = list(self._said_by(folder, content, f"{folder.name}:{digest_of(content)[:16]}"))
        except Unavailable:
            raise
        except OSError as fault:
            _log.warning("payer_file_unreadable", clearinghouse=folder.name, fault=type(fault).__name__)
            return 0
        except BridgeError as fault:
            reasons = [_sentence(fault)]
        except Exception:  # noqa: BLE001 - one odd file must neither stop the others nor be read for ever
            _log.exception("payer_file_failed", clearinghouse=folder.name)
            reasons = ["something went wrong on our side"]
        return self._set_aside(folder, path, reasons)

    def _said_by(self, folder: PayerFolder, content: bytes, source_id: str) -> Iterator[str]:
        """Take in what a file says; yield why something of it was not taken."""
        for interchange in envelope.read(content):
            if not interchange.groups:
                yield from (f"{fault.where}: {fault.detail}" for fault in interchange.faults)
            for number, transaction in enumerate(interchange.transactions(), start=1):
                if reason := self._why_not_taken(folder, transaction, source_id):
                    yield f"transaction {number} ({transaction.name}): {reason}"

    def _why_not_taken(self, folder: PayerFolder, transaction: Transaction, source_id: str) -> str:
        """Take in what a transaction says, each item in its own database transaction; return why not, "" if it was."""
        try:
            for news in _news_in(transaction, f"x12:{folder.name}", folder.zone):
                self._write_down(news, folder, source_id)
        except Unavailable:
            raise
        except BridgeError as fault:
            return _sentence(fault)
        return ""

    def _write_down(self, news: AuthorizationNews, folder: PayerFolder, source_id: str) -> None:
        with self._store.write() as tx:
            lock(tx, "identity")
            by = f"x12:{folder.name}"
            taking = Taking(self._rules, self._clock.now(), by, source_kind="x12", source_id=source_id)
            take_authorization_news(tx, news, taking)

    def _set_aside(self, folder: PayerFolder, path: Path, reasons: list[str]) -> int:
        place = folder.inbox / (REFUSED if reasons else TAKEN)
        try:
            place.mkdir(exist_ok=True)
            target = _unused(place, f"{self._clock.now():%Y%m%dT%H%M%S}-{path.name}")
            if reasons:
                target.with_name(f"{target.name}.why.txt").write_text("\n".join((*reasons, "")), "utf-8")
            path.rename(target)
        except OSError as fault:
            _log.warning("payer_file_stays", clearinghouse=folder.name, fault=type(fault).__name__)
            return 0
        _log.info("payer_file_set_aside", clearinghouse=folder.name, where=place.name, reasons=len(reasons))
        return 1


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Malformed(f"it has more than {MAX_BYTES >> 20} MiB", code="too_large")
    return content


def _news_in(transaction: Transaction, source: str, zone: tzinfo) -> Iterator[AuthorizationNews]:
    """Return what a transaction says of authorizations: a 278, and a 277 that asks for documents; others say nothing."""
    transaction.require_whole()
    if transaction.name in ("278", "277") and transaction.is_test:
        raise Malformed("it is a test file", code="test_file", where="ISA15")
    if transaction.name == "278":
        yield from (news_of(one, source, zone) for one in prior_authorization.read(transaction))
    elif transaction.name == "277":
        for outcome in claim_status.outcomes(claim_status.read(transaction)):
            yield from news_of_request_for_documents(outcome, source, zone)


def _unused(place: Path, name: str) -> Path:
    """Return a path in *place* at which nothing lies; whoever calls holds the folder's lease."""
    target, number = place / name, 1
    while target.exists() or target.with_name(f"{target.name}.why.txt").exists():
        number += 1
        target = place / f"{name}.{number}"
    return target


def _sentence(fault: BridgeError) -> str:
    return f"{fault.where}: {fault.detail}" if fault.where else fault.detail
