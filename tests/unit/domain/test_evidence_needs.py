"""A payer's checklist: which one counts, and what each row says of what is here and what is not."""

from __future__ import annotations

import pytest

from bridge.domain.evidence_needs import EvidenceHere, Need, NeedRule, fill, rule_for

EVERYBODY = NeedRule((Need.REPORT,))
IMAGING = NeedRule((Need.ORDER, Need.REPORT), (("70010", "79999"),))
ACME = NeedRule((Need.IMAGES,), payers=frozenset({"60054"}))
RULES = {"everybody": EVERYBODY, "imaging": IMAGING, "acme": ACME}


@pytest.mark.parametrize(
    ("payer", "codes", "wanted"),
    [
        ("1", ["72148"], IMAGING),
        ("1", ["99213"], EVERYBODY),
        ("1", [], EVERYBODY),
        ("60054", ["72148"], ACME),
    ],
)
def test_the_nearest_checklist_counts(payer: str, codes: list[str], wanted: NeedRule) -> None:
    assert rule_for(RULES, payer, codes) is wanted


def test_a_service_that_no_checklist_is_for_has_none() -> None:
    assert rule_for({"imaging": IMAGING}, "1", ["99213"]) is None


def gap(need: Need, here: EvidenceHere) -> str:
    (row,) = fill(NeedRule((need,)), here)
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
        (Need.CREATININE, EvidenceHere(), "no creatinine"),
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
        (Need.PRIOR_REPORTS, EvidenceHere()),
        (Need.PRIOR_REPORTS, EvidenceHere(priors=2)),
    ],
)
def test_what_is_here_leaves_no_gap(need: Need, here: EvidenceHere) -> None:
    assert gap(need, here) == ""
