"""The engine alone: every message in order against a registry in dictionaries, no sockets, no database.

A study is decided when it comes, and again when a message shares one of its keys, is about whom it is bound to, or signals it.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.reconcile import hospital
from bench.reconcile.hospital import Event, Line, Played
from bench.reconcile.world import Touched, World, time_of
from bridge.domain.corrections import published_identifier
from bridge.domain.evidence import IdentityKey, NamedIdentity, StudyEvidence
from bridge.domain.reconcile import decide
from bridge.domain.reconsider import Binding, Step, reconsider
from bridge.domain.study import Header, RequestAttributes
from bridge.domain.verdict import Outcome, Verdict
from bridge.domain.waking import fact_keys, study_keys

_PLAIN_CHARSETS = frozenset({"", "ISO_IR 100"})


@dataclass(slots=True)
class Standing:
    """A study as it stands. said: its last verdict. held_from: whom it was bound to when it was held."""

    name: str
    evidence: StudyEvidence
    said: Verdict
    binding: Binding | None = None
    held_from: int | None = None


class Desk:
    """Decides studies as the product's flow does, and writes down every decision."""

    def __init__(self, world: World) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.rules: Counter[str] = Counter()
        self.millis: list[float] = []
        self._world = world
        self._studies: dict[str, Standing] = {}
        self._waiting: dict[IdentityKey, dict[str, None]] = defaultdict(dict)
        self._of_patient: dict[int, dict[str, None]] = defaultdict(dict)

    def receive(self, event: Event) -> None:
        """Decide a study that has come."""
        evidence = evidence_of(event)
        standing = Standing(event.line["study"], evidence, self._decide(evidence))
        self._studies[evidence.header.study_instance_uid] = standing
        for key in study_keys(evidence.header, self._world.rules):
            self._waiting[key][evidence.header.study_instance_uid] = None
        self._record(standing, standing.said, event)

    def follow(self, touched: Touched, event: Event) -> None:
        """Decide again whatever a message may be about."""
        if touched.doubted is not None:
            for uid in tuple(self._of_patient[touched.doubted]):
                self._hold(
                    self._studies[uid], "A08", "The record's name and birth date became another person's.", event
                )
        for uid in self._answering(touched):
            self._decide_again(self._studies[uid], event)

    def _answering(self, touched: Touched) -> list[str]:
        found = dict.fromkeys(uid for uid in (touched.study_instance_uid,) if uid in self._studies)
        for key in fact_keys(touched.patients, touched.orders):
            found |= self._waiting.get(key, {})
        for record in touched.patients:
            for row in (record.key, *(one.key for one in record.merged)):
                found |= self._of_patient[row]
        return list(found)

    def _decide(self, evidence: StudyEvidence) -> Verdict:
        before = time.perf_counter()
        verdict = decide(evidence, self._world.registry, self._world.rules)
        self.millis.append((time.perf_counter() - before) * 1000)
        return verdict

    def _decide_again(self, standing: Standing, event: Event) -> None:
        if standing.binding is not None:
            self._reconsider(standing, standing.binding, event)
            return
        verdict = self._decide(standing.evidence)
        if standing.held_from is not None and not self._may_free(standing.held_from, verdict):
            return
        said = standing.said
        if not verdict.binds and (said.rule, said.outcome, said.candidates) == (
            verdict.rule,
            verdict.outcome,
            verdict.candidates,
        ):
            return
        self._record(standing, verdict, event)

    def _may_free(self, held_from: int, verdict: Verdict) -> bool:
        """A rule ends a hold only by finding somebody else than the study was bound to."""
        before = self._world.registry.survivor(held_from)
        return verdict.binds and (before is None or verdict.patient_key != before.key)

    def _reconsider(self, standing: Standing, binding: Binding, event: Event) -> None:
        found = reconsider(binding, standing.evidence, self._world.registry, self._world.rules)
        if found.step == Step.HOLD:
            self._hold(standing, found.verdict.rule, found.verdict.sentence, event)
        elif found.step != Step.KEEP:
            self._record(standing, found.verdict, event)

    def _hold(self, standing: Standing, rule: str, sentence: str, event: Event) -> None:
        candidates = self._decide(standing.evidence)
        held = replace(
            candidates, outcome=Outcome.REVIEW, rule=rule, sentence=sentence, patient_key=None, order_key=None
        )
        self._record(standing, held, event)

    def _record(self, standing: Standing, verdict: Verdict, event: Event) -> None:
        uid = standing.evidence.header.study_instance_uid
        before = standing.binding
        if before is not None:
            self._of_patient[before.patient_key].pop(uid, None)
            if before.order_key is not None:
                self._world.registry.free_order(before.order_key, uid)
        standing.said = verdict
        if verdict.binds and verdict.patient_key is not None:
            standing.binding = Binding(
                verdict.patient_key,
                verdict.order_key,
                verdict.linked_order_keys,
                verdict.rule,
                decided_at=time_of(event),
                accepted=verdict.concerns,
                differences=verdict.differences,
            )
            standing.held_from = None
            self._of_patient[verdict.patient_key][uid] = None
            if verdict.order_key is not None:
                self._world.registry.use_order(verdict.order_key, uid)
        else:
            standing.held_from = before.patient_key if before is not None else standing.held_from
            standing.binding = None
        self.rules[verdict.rule] += 1
        self.decisions.append(self._line(standing, verdict, event))

    def _line(self, standing: Standing, verdict: Verdict, event: Event) -> dict[str, Any]:
        names = self._world.order_names
        return {
            "study": standing.name,
            "seq": event.seq,
            "outcome": verdict.outcome.value,
            "patient": None if verdict.patient_key is None else self._number(verdict.patient_key),
            "order": None if verdict.order_key is None else names[verdict.order_key],
            "corrections": {one.keyword: one.record for one in verdict.differences},
            "candidates": [
                {"patient": self._number(one.patient_key), "order": names.get(one.order_key or 0)}
                for one in verdict.candidates
            ],
            "reasons": [verdict.rule, verdict.sentence],
        }

    def _number(self, patient_key: int) -> str:
        record = self._world.registry.survivor(patient_key)
        assert record is not None
        return published_identifier(record, self._world.rules).patient_id


def play(folder: Path, decisions: Path) -> Played:
    """Play the hospital in *folder*, write the decisions, and return what else was seen."""
    world = World(hospital.rules_of(folder))
    for line in hospital.patients_of(folder):
        world.admit(line)
    desk = Desk(world)
    for event in hospital.events_of(folder):
        if event.kind == "study":
            desk.receive(event)
        else:
            desk.follow(world.hear(event), event)
    hospital.write_decisions(decisions, desk.decisions)
    return Played(
        [
            f"{len(desk.decisions)} decisions by rule: {json.dumps(dict(sorted(desk.rules.items())))}",
            f"a decision takes {_quantiles(desk.millis)}",
        ]
    )


def evidence_of(event: Event) -> StudyEvidence:
    """Return what a study's images say, as the receiver would have read them."""
    header = event.line["header"]
    return StudyEvidence(
        _header(header),
        tuple(_named(other) for other in header["OtherHeadersInStudy"]),
        source_ae_title=header["SendingAE"],
        received_at=time_of(event),
    )


def _header(said: Line) -> Header:
    requests = tuple(
        RequestAttributes(one["RequestedProcedureID"], one["ScheduledProcedureStepID"], one["AccessionNumber"])
        for one in said["RequestAttributes"]
    )
    uid = said["StudyInstanceUID"]
    return Header(
        "1.2.840.10008.5.1.4.1.1.2",
        f"{uid}.1.1",
        uid,
        f"{uid}.1",
        "1.2.840.10008.1.2.1",
        patient_id=said["PatientID"],
        issuer_of_patient_id=said["IssuerOfPatientID"],
        patient_name=said["PatientName"],
        patient_name_bytes=_name_bytes(said["PatientName"], said["SpecificCharacterSet"]),
        patient_birth_date=said["PatientBirthDate"],
        patient_sex=said["PatientSex"],
        accession_number=said["AccessionNumber"],
        issuer_of_accession_number=said["IssuerOfAccessionNumber"],
        request_attributes=requests,
        study_date=said["StudyDate"],
        study_time=said["StudyTime"],
        study_description=said["StudyDescription"],
        institution_name=said["InstitutionName"],
        modality=said["Modality"],
        body_part_examined=said["BodyPartExamined"],
        station_name=said["StationName"],
    )


def _name_bytes(name: str, charset: str) -> bytes:
    """Return the bytes that a device wrote, of which the name was read in Latin-1 where no other set is named."""
    if charset in _PLAIN_CHARSETS:
        try:
            return name.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return name.encode()


def _named(said: Line) -> NamedIdentity:
    return NamedIdentity(said["PatientID"], "", said["PatientName"], said["PatientBirthDate"], said["PatientSex"])


def _quantiles(millis: Iterable[float]) -> str:
    ordered = sorted(millis)
    at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)}
    return ", ".join(f"p{share * 100:g} {value:.2f} ms" for share, value in at.items())
