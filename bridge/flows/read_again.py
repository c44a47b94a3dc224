"""A study that waits is read again as a site's rules read its device by now: nobody need send it a second time."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header, Study
from bridge.domain.waking import study_keys
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_by_rule
from bridge.flows.image_sources import ImageSources
from bridge.flows.receive_instance import named_by
from bridge.store import audit, studies
from bridge.store.blobs import Blobs
from bridge.store.db import Store, WriteTx, lock


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

    def read_again(self, study_instance_uid: str, actor: str) -> Study:
        """
        Read a waiting study again and decide it anew, one study in one transaction.

        Raises: LookupError, if nothing of it was received; Conflict, if it is bound or closed, or images came meanwhile;
        Unavailable, if an object is out of reach.
        """
        with self.store.read() as tx:
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            _check(study)
            kept = studies.kept_objects(tx, study.key)
        headers = [self._header(blob, received_from) for blob, received_from in kept]
        with self.store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = studies.get(tx, study.key)
            _check(study)
            if studies.count_instances(tx, study.key) != len(headers):
                raise Conflict("images came meanwhile: read it again once it is quiet", code="not_quiet")
            self._take(tx, study, headers)
            audit.add(
                tx,
                at=self.clock.now(),
                action="study_read_again",
                actor=actor,
                study_key=study.key,
                detail={"rules": sorted({one.rule for header in headers for one in header.repairs})},
            )
            how = Deciding(self.rules, self.destinations, self.clock.now(), cause=actor)
            return decide_by_rule(tx, studies.get(tx, study.key), how)

    def _header(self, blob: str, received_from: str) -> Header:
        with self.blobs.at_hand(blob) as path:
            return self.sources.read_header(path, received_from.rpartition("@")[0])

    def _take(self, tx: WriteTx, study: Study, headers: list[Header]) -> None:
        """Put what was read in the place of what was read before."""
        first, *others = headers
        named = [one for header in others if (one := named_by(header)) != named_by(first)]
        unlike = [one for place, one in enumerate(named) if one not in named[:place]]
        studies.put_reading(tx, study, first, unlike)
        studies.set_keys(tx, study.key, {key for header in headers for key in study_keys(header, self.rules)})


def _check(study: Study) -> None:
    if study.is_bound:
        raise Conflict("the study is bound; take the binding back first", code="bound")
    if study.closed_reason:
        raise Conflict("a person closed the study", code="closed")
