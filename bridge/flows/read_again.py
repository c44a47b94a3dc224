"""A study that waits is read again as a site's rules read its device by now: nobody need send it a second time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bridge.clock import Clock
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header, Study
from bridge.domain.verdict import Verdict
from bridge.domain.waking import study_keys
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_by_rule, may_free
from bridge.flows.gather_evidence import evidence_of
from bridge.flows.image_sources import ImageSources
from bridge.flows.question_part import question_part
from bridge.flows.receive_instance import named_by
from bridge.flows.standing_repairs import repairs_for
from bridge.store import audit, bulk_jobs, patients, studies
from bridge.store.blobs import Blobs
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import Store, WriteTx, lock
from bridge.store.registry import StoredRegistry

Note = Callable[[WriteTx, Study, Study], None]
Then = Callable[[WriteTx, Study, list[Header]], Study]


@dataclass(frozen=True, slots=True)
class StudyRereader:
    """Reads the kept objects of undecided studies again. Thread-safe."""

    store: Store
    blobs: Blobs
    clock: Clock
    rules: ReconcileRules
    destinations: Destinations
    sources: ImageSources

    def waiting(self, ae_title: str = "") -> list[str]:
        """Return the Study Instance UIDs of what waits for evidence or a person, of one sender or of all."""
        with self.store.read() as tx:
            found = studies.undecided(tx)
        return [one.study_instance_uid for one in found if ae_title in ("", one.source_ae_title)]

    def read_again(self, study_instance_uid: str, actor: str, note: Note | None = None) -> Study:
        """
        Read a waiting study again and decide it anew, one study in one transaction.

        note: is told what the study was and is, in the same transaction.
        Raises: LookupError, if nothing of it was received; Conflict, if it is bound or closed, or images came meanwhile;
        Unavailable, if an object is out of reach.
        """

        def decide_anew(tx: WriteTx, study: Study, headers: list[Header]) -> Study:
            _check(study)
            self.take(tx, study, headers)
            audit.add(
                tx,
                at=self.clock.now(),
                action="study_read_again",
                actor=actor,
                study_key=study.key,
                detail={"rules": sorted({one.rule for header in headers for one in header.repairs})},
            )
            how = Deciding(self.rules, self.destinations, self.clock.now(), cause=actor)
            after = decide_by_rule(tx, studies.get(tx, study.key), how)
            if note is not None:
                note(tx, study, after)
            return after

        with self.store.read() as tx:
            study = studies.by_uid(tx, study_instance_uid)
        if study is not None:
            _check(study)
        return self.reread(study_instance_uid, decide_anew)

    def reread(self, study_instance_uid: str, then: Then) -> Study:
        """Read a study's objects and hand them to *then* with its row locked. Raises: as `read_again`."""
        with self.store.read() as tx:
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            standing = bulk_jobs.standing(tx)
        headers = self.headers(study, standing)
        with self.store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = studies.get(tx, study.key)
            if studies.count_instances(tx, study.key) != len(headers):
                raise Conflict("images came meanwhile: read it again once it is quiet", code="not_quiet")
            return then(tx, study, headers)

    def foresee(self, study_key: int, job: BulkJob) -> Verdict | None:
        """
        Return what a rule would say of a waiting study if *job*'s repair stood, None if it stays as it is; stores nothing.

        Raises: as `read_again`.
        """
        with self.store.read() as tx:
            study = studies.get(tx, study_key)
            _check(study)
            standing = bulk_jobs.standing(tx)
        headers = self.headers(study, [job, *standing])
        with self.store.read() as tx:
            anew = replace(studies.get(tx, study_key), received=headers[0])
            verdict = decide(evidence_of(tx, anew, _unlike(headers)), StoredRegistry(tx), self.rules)
            held_from = study.held_from_patient_key
            if held_from is not None and not may_free(study, patients.survivor(tx, held_from).key, verdict):
                return None
            return question_part(tx, anew, verdict)

    def headers(self, study: Study, standing: Sequence[BulkJob]) -> list[Header]:
        """Return what each object of *study* says, the first received first."""
        with self.store.read() as tx:
            kept = studies.kept_objects(tx, study.key)
        found = []
        for blob, received_from in kept:
            device = received_from.rpartition("@")[0]
            first = repairs_for(standing, device, study.first_instance_at)
            with self.blobs.at_hand(blob) as path:
                found.append(self.sources.read_header(path, device, first=first))
        return found

    def take(self, tx: WriteTx, study: Study, headers: list[Header]) -> None:
        """Put what was read in the place of what was read before."""
        studies.put_reading(tx, study, headers[0], _unlike(headers))
        studies.set_keys(tx, study.key, {key for header in headers for key in study_keys(header, self.rules)})


def _unlike(headers: Sequence[Header]) -> list[dict[str, Any]]:
    """Return what others than the first name otherwise, each once."""
    first, *others = headers
    named = [one for header in others if (one := named_by(header)) != named_by(first)]
    return [one for place, one in enumerate(named) if one not in named[:place]]


def _check(study: Study) -> None:
    if study.is_bound:
        raise Conflict("the study is bound; take the binding back first", code="bound")
    if study.closed_reason:
        raise Conflict("a person closed the study", code="closed")
