"""Two patients in one study: a person parts it, and what was split off is a study of its own from then on.

The originals stay as they were received, and leave for nobody; what stands for them is a copy under UIDs of ours, the
same ones every time. Joined again, the originals count and the copies rest. Source: PS3.4 B.4.1.3, IHE RAD TF-3 4.66.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom.original_attributes import Modification
from bridge.codecs.dicom.renamed import renamed_copy
from bridge.domain.identifiers import derive_uid
from bridge.domain.reason import require_reason
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header, Instance, Series, Study
from bridge.domain.waking import study_keys
from bridge.errors import Conflict, Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, close, decide_by_rule, decide_part, free_by_rule, withdraw
from bridge.flows.gather_evidence import evidence_of
from bridge.flows.image_sources import ImageSources
from bridge.flows.receive_instance import named_by
from bridge.flows.record_incident import Found, record_split
from bridge.flows.second_person import Because, admit, audit_confirmed, lapse
from bridge.flows.show_again import show_as_now
from bridge.flows.standing_repairs import repairs_for
from bridge.leaving.objects import MODIFYING_SYSTEM
from bridge.store import audit, bulk_jobs, case_proposals, events, exam_checks, splits, studies
from bridge.store.blobs import Blobs
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.registry import StoredRegistry
from bridge.store.splits import Split

MOST_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class _Made:
    """One instance of the new study: what it was, what it says now, and its blob, "" where it is known from before."""

    old: Instance
    series: Series
    received_from: str
    header: Header
    blob: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be split off, with the UIDs that it gets. shown: what the study showed when it was looked at."""

    study: Study
    number: int
    uids: Mapping[str, str]
    chosen: Sequence[tuple[Instance, Series, str]]
    shown: list[tuple[str, str]]

    @property
    def rest(self) -> list[tuple[str, str]]:
        """What stays, as `splits.shown` has it."""
        going = {one.blob for one, _, _ in self.chosen}
        return [one for one in self.shown if one[0] not in going]


class StudySplitter:
    """Parts studies and joins them again."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        sources: ImageSources,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._sources = sources

    def check(self, tx: ReadTx, study_instance_uid: str, uids: Sequence[str]) -> Study:
        """Return the study that *uids* can be split off. Raises: as `split` does."""
        return self._plan(tx, study_instance_uid, uids).study

    def split(self, study_instance_uid: str, uids: Sequence[str], reason: str, actor: str) -> Study:
        """
        Split the series and instances in *uids* off a study; return the new one, decided by rule as far as one can.

        Raises: LookupError; Incomplete without reason, for no UID or one that is not the study's; Conflict, if nothing
        would stay, images came meanwhile, or two people decide; Unavailable, if an object is out of reach.
        """
        return self.split_because(study_instance_uid, uids, Because(reason, actor))

    def split_because(self, study_instance_uid: str, uids: Sequence[str], because: Because) -> Study:
        """Split as `split` does, confirmed by a second person where *because* names one."""
        reason, actor = because.reason, because.actor
        require_reason(reason)
        now = self._clock.now()
        with self._store.read() as tx:
            plan = self._plan(tx, study_instance_uid, uids)
            standing = bulk_jobs.standing(tx)
        made = [self._copy(plan, one, standing, now) for one in plan.chosen]
        rest = [self._header(plan.study, one, standing) for one in plan.rest]
        how = Deciding(self._rules, self._destinations, now, actor, because.confirmed_by)
        new_uid = plan.uids[study_instance_uid]
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}", f"study:{new_uid}")
            study = studies.get(tx, plan.study.key)
            admit(tx, study, because, self._rules, now)
            if splits.shown(tx, study.key) != plan.shown:
                raise Conflict("images came meanwhile: look again, then split", code="not_quiet")
            new = self._store_part(tx, study, made, now)
            split = Split(0, study.key, new.key, plan.number, 0, now, actor, reason.strip())
            pairs = [(one.old.key, self._put(tx, new, one).key) for one in made]
            split = splits.add(tx, split, pairs)
            self._tell(tx, split, study, new, how, what=f"{_images(len(made))} split off into a study of their own")
            self._read_anew(tx, study, rest)
            # What stays is decided first: to whom it goes speaks against the other part.
            self._decide_rest(tx, study, reason, actor, how)
            new = decide_part(tx, studies.get(tx, new.key), how)
            record_split(tx, study, new, split, Found(None, actor, now))
            lapse(tx, study, actor, now)
            audit_confirmed(tx, study, because, now)
            return studies.get(tx, new.key)

    def join(self, split_key: int, reason: str, actor: str) -> Study:
        """
        Let what was split off stand where it was; return the study that is whole again, before a person if two are named.

        Raises: LookupError; Incomplete without reason; Conflict, if it was joined before, or two people decide.
        """
        return self.join_because(split_key, Because(reason, actor))

    def join_because(self, split_key: int, because: Because) -> Study:
        """Join as `join` does, confirmed by a second person where *because* names one."""
        reason, actor = because.reason, because.actor
        require_reason(reason)
        now = self._clock.now()
        with self._store.read() as tx:
            split = splits.get(tx, split_key)
            kept = splits.content(tx, split.study_key)
            standing, whole = bulk_jobs.standing(tx), studies.get(tx, split.study_key)
        headers = [self._header(whole, one, standing) for one in kept]
        how = Deciding(self._rules, self._destinations, now, actor, because.confirmed_by)
        with self._store.write() as tx:
            study, new = studies.get(tx, split.study_key), studies.get(tx, split.new_study_key)
            lock(tx, "identity", f"study:{study.study_instance_uid}", f"study:{new.study_instance_uid}")
            self._admit_join(tx, split, because, now)
            split = splits.get(tx, split_key)
            if split.joined_at is not None:
                raise Conflict("it was joined again before", code="joined")
            if splits.content(tx, study.key) != kept:
                raise Conflict("images came meanwhile: look again, then join", code="not_quiet")
            close(tx, studies.get(tx, new.key), f"joined again: {reason.strip()}", actor, how)
            count = splits.count(tx, split.key)
            splits.join(tx, split, actor, reason.strip(), now)
            self._tell(tx, split, study, new, how, what=f"{_images(count)} joined again")
            self._read_anew(tx, studies.get(tx, study.key), headers)
            self._decide_rest(tx, study, reason, actor, how)
            lapse(tx, study, actor, now)
            audit_confirmed(tx, study, because, now)
            return studies.get(tx, study.key)

    def _admit_join(self, tx: WriteTx, split: Split, because: Because, at: datetime) -> None:
        """Let a join pass if the decision of both parts does: it closes one and decides the other again."""
        proposed = case_proposals.get(tx, because.proposal_key) if because.proposal_key is not None else None
        parts = [proposed.study_key] if proposed is not None else [split.study_key, split.new_study_key]
        for key in parts:
            admit(tx, studies.get(tx, key), because, self._rules, at)

    def _plan(self, tx: ReadTx, study_instance_uid: str, uids: Sequence[str]) -> _Plan:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError("no such study")
        chosen = splits.chosen(tx, study.key, uids)
        named = {uid for one, series, _ in chosen for uid in (one.sop_instance_uid, series.series_instance_uid)}
        if not chosen or set(uids) - named:
            raise Incomplete("name series or instances of this study", code="not_in_table", where="instances")
        if len(chosen) > MOST_AT_ONCE:
            raise Incomplete(f"at most {MOST_AT_ONCE} at once", code="too_many", where="instances")
        shown = splits.shown(tx, study.key)
        if len(chosen) == len(shown):
            raise Conflict("nothing would stay: bind the whole study to somebody else", code="all_chosen")
        number = splits.next_number(tx, study.key)
        names = [study_instance_uid, *(name for one, series, _ in chosen for name in _names(one, series))]
        renamed = {uid: derive_uid(uid, "split", study_instance_uid, str(number)) for uid in dict.fromkeys(names)}
        return _Plan(study, number, renamed, chosen, shown)

    def _copy(self, plan: _Plan, one: tuple[Instance, Series, str], standing: Sequence[BulkJob], at: datetime) -> _Made:
        """Make the copy of one instance under its new UIDs, bytes before row."""
        old, series, received_from = one
        target = self._blobs.spool / f"split-{self._clock.new_id()}.part"
        try:
            with self._blobs.at_hand(old.blob) as source:
                renamed_copy(source, target, plan.uids, Modification(at, MODIFYING_SYSTEM, "CORRECT"))
            header = self._read(target, plan.study, received_from, standing)
            with target.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = target.stat().st_size
            return _Made(old, series, received_from, header, self._blobs.keep(target, digest), digest, size)
        finally:
            target.unlink(missing_ok=True)

    def _header(self, study: Study, kept: tuple[str, str], standing: Sequence[BulkJob]) -> Header:
        blob, received_from = kept
        with self._blobs.at_hand(blob) as path:
            return self._read(path, study, received_from, standing)

    def _read(self, path: Path, study: Study, received_from: str, standing: Sequence[BulkJob]) -> Header:
        """Return what an object of *study* says as its device is read now."""
        device = received_from.rpartition("@")[0]
        return self._sources.read_header(path, device, first=repairs_for(standing, device, study.first_instance_at))

    def _store_part(self, tx: WriteTx, study: Study, made: Sequence[_Made], at: datetime) -> Study:
        """
        Return the new study, undecided; one that was joined before is taken up again.

        Raises: Conflict, if something that was no part of *study* came under the UID that the part would have.
        """
        first = made[0].header
        new = studies.by_uid(tx, first.study_instance_uid)
        if new is None:
            new = studies.add(tx, first, study.source_ae_title, study.foreign, at)
        else:
            if all(one.study_key != study.key for one in splits.of_study(tx, new.key)):
                raise _taken()
            new = studies.save(tx, replace(new, closed_reason="", held_from_patient_key=None, held_from_order_key=None))
        self._read_anew(tx, new, [one.header for one in made])
        return studies.get(tx, new.key)

    def _put(self, tx: WriteTx, new: Study, made: _Made) -> Instance:
        """Return what stands for an instance in *new*. Raises: Conflict, if somebody else's object has its UID."""
        known = studies.instance_by_uid(tx, made.header.sop_instance_uid)
        series = studies.series_by_uid(tx, made.header.series_instance_uid)
        if any(one is not None and one.study_key != new.key for one in (known, series)):
            raise _taken()
        if known is not None:
            return known
        series = series or studies.add_series(tx, new.key, made.header)
        instance = replace(
            made.old,
            study_key=new.key,
            series_key=series.key,
            sop_instance_uid=made.header.sop_instance_uid,
            blob=made.blob,
            digest=made.digest,
            size_bytes=made.size_bytes,
            removed_at=None,
            withheld="",
        )
        return studies.add_instance(tx, instance, made.received_from)

    def _read_anew(self, tx: WriteTx, study: Study, headers: Sequence[Header]) -> None:
        """Let a study say what the objects say that are its own by now."""
        first, *others = headers
        named = [one for header in others if (one := named_by(header)) != named_by(first)]
        unlike = [one for place, one in enumerate(named) if one not in named[:place]]
        studies.put_reading(tx, study, first, unlike)
        studies.set_keys(tx, study.key, {key for header in headers for key in study_keys(header, self._rules)})

    def _decide_rest(self, tx: WriteTx, before: Study, reason: str, actor: str, how: Deciding) -> None:
        """Decide what is left of a study; one that was held is bound again to whom it was, if a rule says so now."""
        study = studies.get(tx, before.key)
        if study.held_from_patient_key is not None:
            free_by_rule(tx, study, reason, actor, how)
        decide_by_rule(tx, studies.get(tx, study.key), how)
        study = self._ask_anew(tx, studies.get(tx, study.key), reason, how)
        if study.is_bound:
            show_as_now(tx, study, reason, actor, how)
        exam_checks.watch_study(tx, study.key, how.at)

    def _ask_anew(self, tx: WriteTx, study: Study, reason: str, how: Deciding) -> Study:
        """Let a study that a rule holds say what speaks against it as it is now, not as it was when it was held."""
        if study.is_bound or study.held_from_patient_key is None or study.is_decided_by_person:
            return study
        found = decide(evidence_of(tx, study), StoredRegistry(tx), self._rules)
        if found.binds or (found.rule, found.sentence) == (study.rule, study.sentence):
            return study
        return withdraw(tx, study, found.rule, found.sentence, how, actor=found.rule, reason=reason)

    def _tell(self, tx: WriteTx, split: Split, study: Study, new: Study, how: Deciding, what: str) -> None:
        for one in (study, new):
            source = ("split", str(split.key))
            events.add(tx, Event(how.at, Station.RECONCILED, what, how.cause, *source, one.order_key, one.key))
            action = "study_split" if "split off" in what else "study_joined"
            audit.add(
                tx,
                at=how.at,
                action=action,
                actor=how.cause,
                patient_key=one.patient_key,
                study_key=one.key,
                detail={"split": split.key},
            )


def _taken() -> Conflict:
    return Conflict("objects of another origin have the UIDs that the part would get", code="uid_taken")


def _names(one: Instance, series: Series) -> tuple[str, str]:
    return series.series_instance_uid, one.sop_instance_uid


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
