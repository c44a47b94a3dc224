"""A payer's checklist: which one counts, and what each row says of what is here and what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.body_parts import BodyPart, BodyParts
from bridge.domain.evidence_needs import Dated, EvidenceHere, Need, NeedRule, Service, fill, rule_for

EVERYBODY = NeedRule((Need.REPORT,))
IMAGING = NeedRule((Need.ORDER, Need.REPORT), (("70010", "79999"),))
ACME = NeedRule((Need.IMAGES,), payers=frozenset({"60054"}))
RULES = {"everybody": EVERYBODY, "imaging": IMAGING, "acme": ACME}


PARTS = BodyParts(
    {name: BodyPart(name, within=within) for name, within in (("spine", ""), ("lumbar_spine", "spine"), ("knee", ""))}
)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payer", "codes", "wanted"),
    [
        ("1", ("72148",), (Need.REPORT, Need.ORDER)),
        ("1", ("99213",), (Need.REPORT,)),
        ("1", (), (Need.REPORT,)),
        ("60054", ("72148",), (Need.IMAGES,)),
    ],
)
def test_a_payers_own_checklists_count_alone_and_all_others_together(
    payer: str, codes: tuple[str, ...], wanted: tuple[Need, ...]
) -> None:
    found = rule_for(RULES, Service(payer, codes), PARTS)
    assert found is not None
    assert found.needs == wanted


def test_a_service_that_no_checklist_is_for_has_none() -> None:
    assert rule_for({"imaging": IMAGING}, Service("1", ("99213",)), PARTS) is None


@pytest.mark.parametrize(
    ("modalities", "regions", "fits"),
    [
        ({"MR"}, {"lumbar_spine"}, True),
        ({"MR"}, {"spine"}, True),
        ({"CT"}, {"lumbar_spine"}, False),
        ({"MR"}, {"knee"}, False),
        ({"MR"}, set(), False),
        (set(), {"lumbar_spine"}, False),
    ],
)
def test_a_checklist_is_for_modalities_and_regions(modalities: set[str], regions: set[str], fits: bool) -> None:
    rule = NeedRule((Need.LABS,), modalities=frozenset({"MR"}), regions=frozenset({"lumbar_spine"}))
    asked = Service("1", (), frozenset(modalities), frozenset(regions))
    assert (rule_for({"spine": rule}, asked, PARTS) is not None) == fits


def test_of_what_several_checklists_want_the_shortest_time_counts() -> None:
    rules = {
        "a": NeedRule((Need.LABS, Need.OFFICE_NOTE), office_note_days=60, labs=("creatinine",), labs_days=30),
        "b": NeedRule((Need.LABS,), office_note_days=5, labs=("egfr",), labs_days=60),
    }
    found = rule_for(rules, Service("1"), PARTS)
    assert found is not None
    assert (found.labs, found.labs_days, found.office_note_days) == (("creatinine", "egfr"), 30, 60)


def measured(kind: str, days: int) -> Dated:
    return Dated(f"{kind} 1.1", NOW - timedelta(days=days), "2026-01-01", kind)


@pytest.mark.parametrize(
    ("labs", "is_met"),
    [
        ([measured("creatinine", 30)], True),
        ([measured("creatinine", 31)], False),
        ([measured("egfr", 2)], True),
        ([measured("sodium", 2)], False),
        ([], False),
    ],
)
def test_a_result_satisfies_while_it_is_fresh(labs: list[Dated], is_met: bool) -> None:
    (row,) = fill(NeedRule((Need.LABS,), labs_days=30), EvidenceHere(labs=tuple(labs)), NOW)
    assert row.is_met == is_met
    assert row.until == (labs[0].at + timedelta(days=30) if is_met else None)


def test_of_one_kind_the_newest_result_is_shown() -> None:
    here = EvidenceHere(labs=(measured("creatinine", 9), replace(measured("creatinine", 2), words="creatinine 1.4")))
    (row,) = fill(NeedRule((Need.LABS,)), here, NOW)
    assert row.by == ("creatinine 1.4 of 2026-01-01",)


def gap(need: Need, here: EvidenceHere) -> str:
    (row,) = fill(NeedRule((need,)), here, NOW)
    assert row.is_met == (not row.gap)
    return row.gap


@pytest.mark.parametrize(
    ("need", "here", "words"),
    [
        (Need.ORDER, EvidenceHere(), "no order is linked"),
        (Need.ORDER, EvidenceHere(order=("order A1",)), "the order gives no reason"),
        (Need.REPORT, EvidenceHere(), "no report is here"),
        (Need.REPORT, EvidenceHere(unsigned=1), "the report is not signed yet"),
        (Need.IMAGES, EvidenceHere(), "no study is attached"),
        (Need.PRIOR_REPORTS, EvidenceHere(priors=1, priors_without_report=("CT of 2025-03-02",)), "CT of 2025-03-02"),
        (Need.PRIOR_REPORTS, EvidenceHere(is_region_known=False), "link its order, or attach a study"),
        (Need.OFFICE_NOTE, EvidenceHere(), "the last 90 days"),
        (Need.LABS, EvidenceHere(), "no final creatinine or egfr of the last 90 days"),
        (Need.KEY_IMAGES, EvidenceHere(), "no study is attached"),
        (Need.KEY_IMAGES, EvidenceHere(images=("CT chest",)), "nobody chose or marked"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(need: Need, here: EvidenceHere, words: str) -> None:
    assert words in gap(need, here)


@pytest.mark.parametrize(
    ("need", "here"),
    [
        (Need.ORDER, EvidenceHere(order=("order A1",), reason=("R91.1",))),
        (Need.REPORT, EvidenceHere(reports=("CT chest",), unsigned=1)),
        (Need.IMAGES, EvidenceHere(images=("CT chest",))),
        (Need.KEY_IMAGES, EvidenceHere(key_images=1)),
        (Need.PRIOR_REPORTS, EvidenceHere()),
        (Need.PRIOR_REPORTS, EvidenceHere(priors=2)),
    ],
)
def test_what_is_here_leaves_no_gap(need: Need, here: EvidenceHere) -> None:
    assert gap(need, here) == ""
