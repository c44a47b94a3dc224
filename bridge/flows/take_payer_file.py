"""A file of a payer or clearinghouse is taken in, whoever brings it: its bytes first, then each thing that it says, once.

A 278 and a 277 that asks for documents say something of authorizations, an 835 and a 277 of claims. What cannot be read
without doubt is named with its place, and no values; what stands beside it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType

import structlog

from bridge.clock import Clock
from bridge.codecs.x12 import acknowledgement, claim_status, envelope, prior_authorization, remittance
from bridge.codecs.x12.acknowledgement import GroupAnswer, InterchangeAnswer
from bridge.codecs.x12.envelope import Interchange, Transaction
from bridge.codecs.x12.news import news_of, news_of_request_for_documents
from bridge.codecs.x12.segments import Segment
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.claim_match import MatchRule
from bridge.domain.claim_outcome import ClaimOutcome
from bridge.domain.identifiers import digest_of
from bridge.domain.payer_file import PayerFile, PayerFileState
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import OUR_FAULT, BridgeError, Malformed, Unavailable
from bridge.flows.take_acknowledgement import Acknowledged, of_group, of_interchange, take_acknowledgement
from bridge.flows.take_authorization_news import NewsOutcome, Taking, take_authorization_news
from bridge.flows.take_claim import take_claim
from bridge.store import audit, payer_files
from bridge.store.blobs import Blobs
from bridge.store.db import Store, lock

_log = structlog.get_logger(__name__)

_SOURCE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Brought:
    """
    Who brings a file. zone: in which it tells the time. origin: the clearinghouse in whose folder it lay, "" for none.

    mends: the key of the refused file that it stands in for.
    """

    by: str
    zone: tzinfo
    name: str = ""
    origin: str = ""
    mends: int | None = None


@dataclass(frozen=True, slots=True)
class TakenFile:
    """
    What became of a file. taken: claims that are new, of which waiting are about nobody known; known: heard before.

    news: what it says of authorizations that was not known; answered: files of ours that it acknowledges or refuses. refused: what of it was not taken, with the place and why, in
    words without values.
    """

    taken: int = 0
    waiting: int = 0
    known: int = 0
    news: int = 0
    answered: int = 0
    refused: tuple[str, ...] = ()


class PayerFileTaker:
    """Takes files in. zones: in which each clearinghouse's files tell the time, by its name."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        rules: ReconcileRules,
        zones: Mapping[str, tzinfo] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._rules = rules
        self._zones = zones

    def zone_of(self, origin: str) -> tzinfo | None:
        """Return in which zone a clearinghouse's files tell the time, None of one that is not known."""
        return self._zones.get(origin)

    def take(self, raw: bytes, brought: Brought) -> TakenFile:
        """
        Take a file in; the same again changes nothing. Raises: Malformed, if it is no X12; Unavailable, if it cannot be kept.
        """
        interchanges = envelope.read(raw)
        file_key = self._keep(raw, brought)
        done, number = TakenFile(), 0
        for interchange in interchanges:
            file = _From(file_key, digest_of(raw), brought)
            done = replace(done, refused=(*done.refused, *_empty(interchange)))
            if not interchange.faults:
                for answer in acknowledgement.read_interchange(interchange):
                    done = self._take_answer(answer, interchange.acknowledgements, file, done)
            for transaction in interchange.transactions():
                number += 1
                done = self._one(transaction, number, file, done)
        self._settle(file_key, brought, done)
        return done

    def refuse(self, raw: bytes, brought: Brought, reasons: tuple[str, ...]) -> None:
        """Keep a file of which nothing could be taken, with the reasons. Raises: Unavailable."""
        self._settle(self._keep(raw, brought), brought, TakenFile(refused=reasons))

    def content_of(self, file: PayerFile) -> bytes:
        """Return a file's bytes as they came. Raises: Unavailable."""
        with self._blobs.at_hand(file.blob) as path:
            return path.read_bytes()

    def _keep(self, raw: bytes, brought: Brought) -> int:
        blob = self._blobs.keep_bytes(raw, digest_of(raw))
        now, how = self._clock.now(), brought
        blank = PayerFile(0, blob, len(raw), how.name, how.origin, PayerFileState.OPEN, how.by, now, mends=how.mends)
        with self._store.write() as tx:
            lock(tx, "payer-files")
            return payer_files.add(tx, blank)

    def _settle(self, file_key: int, brought: Brought, done: TakenFile) -> None:
        counts = {name: getattr(done, name) for name in ("taken", "waiting", "known", "news", "answered")}
        detail = {"payer_file": file_key, **counts, "refused": len(done.refused)}
        with self._store.write() as tx:
            payer_files.settle(tx, file_key, done.refused)
            audit.add(tx, at=self._clock.now(), action="claims_imported", actor=brought.by, detail=detail)

    def _one(self, transaction: Transaction, number: int, file: _From, done: TakenFile) -> TakenFile:
        """Take in what a transaction says, each thing in its own database transaction."""
        try:
            said = _said_in(transaction, file)
            for news in said.news:
                done = self._take_news(news, file, done)
            for claim in said.claims:
                done = self._take_claim(claim, file, done)
            for answer in said.answers:
                done = self._take_answer(answer, transaction.segments, file, done)
            return done
        except Unavailable:
            raise
        except BridgeError as fault:
            why = sentence_of(fault)
        except Exception:  # noqa: BLE001 - one odd transaction must neither stop the others nor be read for ever
            _log.exception("payer_transaction_failed", payer_file=file.key, transaction=number)
            why = OUR_FAULT
        return replace(done, refused=(*done.refused, f"transaction {number} ({transaction.name}): {why}"))

    def _take_news(self, said: AuthorizationNews, file: _From, done: TakenFile) -> TakenFile:
        how = Taking(self._rules, self._clock.now(), file.source, source_kind="x12", source_id=file.id)
        with self._store.write() as tx:
            lock(tx, "identity")
            outcome = take_authorization_news(tx, said, how).outcome
        return done if outcome == NewsOutcome.KNOWN else replace(done, news=done.news + 1)

    def _take_answer(
        self, said: GroupAnswer | InterchangeAnswer, segments: Sequence[Segment], file: _From, done: TakenFile
    ) -> TakenFile:
        origin, now = file.brought.origin, self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            found = of_group(tx, said, origin) if isinstance(said, GroupAnswer) else of_interchange(tx, said, origin)
            if found is None:
                return done
            content = "~\n".join(one.text for one in segments).encode("latin-1", "replace")
            is_new = take_acknowledgement(tx, Acknowledged(*found, content, file.brought.by), now)
        return replace(done, answered=done.answered + is_new)

    def _take_claim(self, claim: ClaimOutcome, file: _From, done: TakenFile) -> TakenFile:
        with self._store.write() as tx:
            lock(tx, "identity")
            match = take_claim(tx, claim, file.key, self._clock.now())
        if match is None:
            return replace(done, known=done.known + 1)
        return replace(done, taken=done.taken + 1, waiting=done.waiting + (match.rule == MatchRule.NONE))


@dataclass(frozen=True, slots=True)
class _From:
    """The file that something stands in."""

    key: int
    digest: str
    brought: Brought

    @property
    def source(self) -> str:
        """Who says it: the clearinghouse, else the file."""
        return f"x12:{self.brought.origin or self.id}"

    @property
    def id(self) -> str:
        """The file, as the timeline names it."""
        digits = self.digest[:_SOURCE_DIGITS]
        return f"{self.brought.origin}:{digits}" if self.brought.origin else digits


@dataclass(frozen=True, slots=True)
class _Said:
    """What a transaction says."""

    news: tuple[AuthorizationNews, ...] = ()
    claims: tuple[ClaimOutcome, ...] = ()
    answers: tuple[GroupAnswer, ...] = ()


def _said_in(transaction: Transaction, file: _From) -> _Said:
    """Return what a transaction says of authorizations and claims; nothing, for a kind that says nothing of either."""
    transaction.require_whole()
    if transaction.name in ("997", "999"):
        return _Said(answers=(acknowledgement.read(transaction),))
    if transaction.name not in ("278", "277", "835"):
        return _Said()
    if transaction.is_test:
        raise Malformed("it is a test file", code="test_file", where="ISA15")
    zone = file.brought.zone
    if transaction.name == "278":
        return _Said(news=tuple(news_of(one, file.source, zone) for one in prior_authorization.read(transaction)))
    if transaction.name == "835":
        return _Said(claims=tuple(remittance.read(transaction).claims))
    claims = claim_status.outcomes(claim_status.read(transaction))
    asked = [one for claim in claims for one in news_of_request_for_documents(claim, file.source, zone)]
    return _Said(tuple(asked), tuple(claims))


def _empty(interchange: Interchange) -> list[str]:
    """Return what is wrong with an interchange that holds no transaction whose fault it would be."""
    return [] if interchange.groups else [f"{fault.where}: {fault.detail}" for fault in interchange.faults]


def sentence_of(fault: BridgeError) -> str:
    """Return a fault in words, with its place."""
    return f"{fault.where}: {fault.detail}" if fault.where else fault.detail
