"""A person's earlier studies of the region that a study is of, with their signed reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from bridge.codecs.fhir.elements import clean
from bridge.domain.body_parts import BodyParts
from bridge.domain.order import Order
from bridge.domain.packet import PriorStudy
from bridge.domain.report import Report
from bridge.domain.study import Study
from bridge.store import orders, overlays, patients, reports, studies
from bridge.store.db import ReadTx
from bridge.store.listings import people_images

PRIORS_MONTHS = 24


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study, in row *key*, as a packet lists it, and its signed reports."""

    key: int
    study: PriorStudy
    reports: tuple[Report, ...] = ()


def priors_of(tx: ReadTx, study: Study, parts: BodyParts) -> tuple[Prior, ...]:
    """Return the person's earlier studies of a bound study's region in two years, newest first; of its own day those begun before it."""
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    day = overlays.current(tx, study).values.get("StudyDate", study.received.study_date)
    if study.patient_key is None or not day:
        return ()
    wanted = regions(study, order, parts)
    every = _earlier(tx, study.patient_key, (day, _time(study.received.study_time)), wanted, parts)
    return tuple(prior for prior in every if prior.key != study.key)


def priors_before(tx: ReadTx, order: Order, parts: BodyParts) -> tuple[Prior, ...] | None:
    """
    Return the earlier studies of the region that an order asks for, in two years before the day it is planned for.

    None where region or day are not known.
    """
    wanted = asked_regions(order, parts)
    planned = sorted(filter(None, (step.scheduled_start_local for step in orders.steps_of(tx, order.key))))
    if not wanted or not planned:
        return None
    own = {one.key for one in studies.of_order(tx, order.key)}
    every = _earlier(tx, order.patient_key, (planned[0][:8], _time(planned[0][8:])), wanted, parts)
    return tuple(prior for prior in every if prior.key not in own)


def _earlier(
    tx: ReadTx, patient_key: int, begun: tuple[str, str], wanted: frozenset[str], parts: BodyParts
) -> list[Prior]:
    """Return a person's studies of these regions in two years before *begun* (day, time of it or ""), newest first."""
    since, found = _months_before(begun[0], PRIORS_MONTHS), []
    for one in people_images.of_person(tx, patients.survivor(tx, patient_key).key) if wanted else ():
        prior_day = overlays.current(tx, one.study).values.get("StudyDate", one.study.received.study_date)
        if not since <= prior_day <= begun[0] or not _is_before(
            (prior_day, _time(one.study.received.study_time)), begun
        ):
            continue
        asked = orders.get(tx, one.study.order_key) if one.study.order_key is not None else None
        theirs = regions(one.study, asked, parts)
        if not any(parts.may_be_same(ours, other) for ours in wanted for other in theirs):
            continue
        signed = tuple(report for report in _reports_of(tx, one.study) if report.is_signed)
        said = PriorStudy(
            prior_day,
            "/".join(one.modalities),
            _words(one.study, asked),
            parts.titles(theirs),
            one.accession_number,
            has_report=bool(signed),
        )
        found.append(Prior(one.study.key, said, signed))
    return sorted(found, key=lambda each: (each.study.study_date, each.study.accession_number), reverse=True)


def _is_before(earlier: tuple[str, str], later: tuple[str, str]) -> bool:
    """Say whether one day and time is before another: of the same day only where both times are known."""
    return earlier < later and (earlier[0] != later[0] or bool(earlier[1]))


def _time(said: str) -> str:
    """
    Return a time as it sorts, "HHMMSS" with any fraction, "" where none is said.

    >>> _time("0800"), _time("102029.5"), _time("")
    ('080000', '102029.5', '')
    """
    whole, dot, fraction = said.strip().partition(".")
    return whole.ljust(6, "0") + dot + fraction if whole else ""


def _reports_of(tx: ReadTx, study: Study) -> Iterable[Report]:
    """Return a bound study's reports of its own patient."""
    if study.order_key is not None:
        found = reports.of_orders(tx, [study.order_key])
    else:
        found = reports.of_study(tx, study.study_instance_uid)
    return (one for one in found if one.patient_key == study.patient_key)


def regions(study: Study, order: Order | None, parts: BodyParts) -> frozenset[str]:
    """Return the parts of the body that a study is of: as its images say, else its order, else its description."""
    header = study.received
    examined = parts.named_in([header.body_part_examined], [header.body_part_examined])
    if examined:
        return examined
    asked = asked_regions(order, parts) if order is not None else frozenset[str]()
    return asked or parts.named_in([header.study_description])


def asked_regions(order: Order, parts: BodyParts) -> frozenset[str]:
    """Return the parts of the body that an order asks to examine."""
    code = order.requested_procedure_code
    return parts.named_in([order.requested_procedure_description, code.code_meaning], [code.code_value])


def _words(study: Study, order: Order | None) -> str:
    asked = clean(order.requested_procedure_description) if order is not None else ""
    return asked or clean(study.received.study_description) or "Study"


def _months_before(day: str, months: int) -> str:
    """
    Return the same day so many months earlier, "YYYYMMDD".

    >>> _months_before("20260331", 13)
    '20250228'
    """
    year, month = divmod(int(day[:4]) * 12 + int(day[4:6]) - 1 - months, 12)
    for last in (int(day[6:8]), 30, 29, 28):
        try:
            return date(year, month + 1, last).strftime("%Y%m%d")
        except ValueError:
            continue
    return day
