"""The benchmark of identities says so when something is wrong: a judge that finds nothing has looked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.reconcile import febrl, hospital, judge
from bench.reconcile.doors import _scored, _Story
from bench.reconcile.febrl import Figures
from bench.reconcile.hospital import Event
from bench.reconcile.judge import Wanted

Line = dict[str, Any]
Change = Callable[[list[Line]], object]


def _truth(number: int, **other: Any) -> Line:
    return {
        "study": f"S{number}",
        "mode": "plain",
        "accept": ["BIND"],
        "auto_expected": True,
        "undetectable": False,
        "signal_seq": None,
        "ids_ok": [f"P{number}"],
        "final_mrn": f"P{number}",
        "accessions_ok": [f"A{number}"],
        "orders_ok": [f"O{number}"],
        "order_expect": "bind",
        "rank": "top1",
        "known": True,
        "canonical": {"PatientID": [f"P{number}"]},
    } | other


# Two plain ones, one whose number is typed wrong, one that must be held, one of a record that was merged.
TRUTH = (
    _truth(1),
    _truth(2),
    _truth(3),
    _truth(4, accept=["REVIEW"], auto_expected=False, order_expect="none"),
    _truth(5, ids_ok=["P5", "OLD5"]),
)
RIGHT: tuple[Line, ...] = tuple(
    {
        "study": one["study"],
        "seq": 10,
        "outcome": "BIND",
        "patient": one["final_mrn"],
        "order": one["orders_ok"][0],
        "corrections": {},
        "candidates": [],
        "reasons": ["B01"],
    }
    for one in TRUTH
)


def right() -> list[Line]:
    """Return the decisions that an oracle takes."""
    made: list[Line] = json.loads(json.dumps(RIGHT))
    made[2] |= {"outcome": "BIND_WITH_CORRECTION", "corrections": {"PatientID": "P3"}}
    made[3] |= {"outcome": "REVIEW", "patient": None, "order": None, "candidates": [{"patient": "P4", "order": None}]}
    return made


def missed(folder: Path, decisions: list[Line], truth: tuple[Line, ...] = TRUTH, profile: str = "stress") -> list[str]:
    """Return what the judge says of *decisions*."""
    if not hospital.SCORER.is_file():
        pytest.skip("the scorer is not beside this checkout")
    (folder / "truth").mkdir(exist_ok=True)
    heads = [{"study": one["study"], "header": {"PatientID": one["final_mrn"]}} for one in TRUTH]
    heads[2]["header"] = {"PatientID": "3P"}
    for name, lines in (("studies", heads), ("decisions", decisions), ("truth/truth", truth)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return judge.judge(folder, profile)


def test_an_oracle_misses_nothing(tmp_path: Path) -> None:
    assert missed(tmp_path, right()) == []


def _put(number: int, **values: Any) -> Change:
    return lambda made: made[number].update(values)


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        (_put(0, patient="P2"), {"wrong_binds", "auto_resolve_rate"}),
        (lambda made: made.insert(0, made[0] | {"patient": "P2", "seq": 5}), {"wrong_binds", "auto_at_arrival"}),
        (_put(3, outcome="BIND", patient="P4"), {"unsupported_binds"}),
        (_put(0, order="O2"), {"wrong_order_binds", "order_bound_rate"}),
        (_put(0, order=None), {"order_bound_rate"}),
        (_put(4, patient="OLD5"), {"stale_patient", "auto_resolve_rate"}),
        (lambda made: made.pop(0), {"undecided", "auto_resolve_rate"}),
        (lambda made: made.append(made[0] | {"study": "S99"}), {"unknown_studies"}),
        (_put(0, outcome="REVIEW", patient=None), {"auto_resolve_rate", "review_top1"}),
        (lambda made: made.insert(0, made[0] | {"outcome": "REVIEW", "seq": 5}), {"auto_at_arrival"}),
        (_put(3, candidates=[{"patient": "P1"}, {"patient": "P4"}]), {"review_top1"}),
        (_put(3, candidates=[]), {"review_top1", "review_top3"}),
        (_put(2, corrections={"PatientID": "P1"}), {"correction_precision", "correction_recall"}),
        (_put(2, corrections={}), {"correction_recall"}),
        (_put(0, reasons=[]), {"explained"}),
    ],
)
def test_each_fault_is_found(tmp_path: Path, change: Change, figures: set[str]) -> None:
    made = right()
    change(made)
    assert figures <= set(missed(tmp_path, made))


def test_a_wrong_bind_that_was_taken_back_counts(tmp_path: Path) -> None:
    made = right()
    made.insert(0, made[3] | {"outcome": "BIND", "patient": "P1", "seq": 5})
    assert missed(tmp_path, made) == ["wrong_binds"]


def test_a_bind_that_stands_after_the_signal_against_it_is_wrong_and_one_before_is_not(tmp_path: Path) -> None:
    truth = (*TRUTH[:3], TRUTH[3] | {"undetectable": "until_signal", "signal_seq": 20}, TRUTH[4])
    made = right()
    made.insert(0, made[3] | {"outcome": "BIND", "patient": "P1", "seq": 5})
    made[4]["seq"] = 21
    assert missed(tmp_path, made, truth) == []
    made[4] |= {"outcome": "BIND", "patient": "P1"}
    assert "wrong_binds" in missed(tmp_path, made, truth)


def test_asking_too_often_is_a_miss_on_the_published_profile(tmp_path: Path) -> None:
    assert "asked_per_1000" in missed(tmp_path, right(), profile="published")


def test_studies_that_nobody_scored_are_no_success(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="5 studies came, and 4"):
        missed(tmp_path, right(), TRUTH[:4])


def test_no_decision_at_all_is_no_success(tmp_path: Path) -> None:
    assert {"undecided", "auto_resolve_rate"} <= set(missed(tmp_path, []))


def test_an_earlier_score_is_not_taken_for_this_one_s(tmp_path: Path) -> None:
    assert missed(tmp_path, right()) == []
    with pytest.raises(RuntimeError, match="the scorer failed"):
        missed(tmp_path, [{"not": "a decision"}])


def test_a_figure_that_has_to_be_counted_holds_only_if_it_was() -> None:
    assert not Wanted("wrong_binds", 0).holds(None)
    assert Wanted("review_top1", 0.97, least=True, may_be_absent=True).holds(None)
    names = {one.figure for one in judge.wanted("stress") if one.may_be_absent}
    assert not names & {"wrong_binds", "stale_patient", "unsupported_binds", "auto_resolve_rate", "auto_at_arrival"}


def test_the_table_says_which_figure_does_not_hold() -> None:
    figures: Mapping[str, Any] = {one.figure: one.limit for one in judge.wanted("stress")} | {"wrong_binds": 2}
    lines = judge.table(figures, "stress").splitlines()
    assert [line.split()[0] for line in lines if line.endswith("NO")] == ["wrong_binds"]


@pytest.mark.parametrize(
    ("faults", "holds"),
    [
        ({}, True),
        ({"wrong": 1}, False),
        ({"look_alikes_bound": 1}, False),
        ({"listed": 10}, False),
        ({"right": 60}, False),
    ],
)
def test_febrl_s_figures_hold_only_without_a_wrong_one(faults: dict[str, int], holds: bool) -> None:
    figures = Figures(**({"headers": 100, "right": 75, "held": 25, "listed": 25, "look_alikes": 10} | faults))
    assert febrl.together([figures, Figures()]).holds is holds


def test_a_decision_is_counted_under_the_last_event_that_was_said_before_it() -> None:
    story = object.__new__(_Story)
    story._said = [("2026-03-02T08:00:00.000+00:00", 1), ("2026-03-02T08:00:01.000+00:00", 7)]
    assert [story._seen(f"2026-03-02T08:00:0{at}+00:00") for at in ("0.500", "1.000", "2.000")] == [1, 7, 7]


@pytest.mark.parametrize(("waited", "said"), [([], ()), ([0.4, 2.0], ()), ([0.1, 2.1], ("withdrawn_in_time",))])
def test_a_binding_that_outlives_its_signal_is_a_miss(waited: list[float], said: tuple[str, ...]) -> None:
    story = object.__new__(_Story)
    story._withdrawn = waited
    assert story.missed() == said


def test_only_what_was_applied_counts_as_corrected() -> None:
    decision = {
        "outcome": "review",
        "patient": None,
        "accession_number": None,
        "differences": [
            {"keyword": "PatientID", "record": "P1", "applied": True},
            {"keyword": "PatientSex", "record": "F", "applied": False},
        ],
        "candidates": [{"patient": {"patient_id": "P1"}}],
        "rule": "V06",
        "sentence": "…",
    }
    scored = _scored(decision)
    assert (scored["outcome"], scored["patient"], scored["corrections"]) == ("REVIEW", None, {"PatientID": "P1"})


def test_the_streams_are_told_in_the_order_they_came(tmp_path: Path) -> None:
    for name, numbers in (("adt", (1, 4)), ("orders", (3,)), ("studies", (2,)), ("signals", (5,))):
        (tmp_path / f"{name}.jsonl").write_text("".join(f'{{"seq": {one}}}\n' for one in numbers), "utf-8")
    kinds = [event.kind for event in hospital.events_of(tmp_path)]
    assert kinds == ["adt", "study", "order", "adt", "signal"]
    assert [event.seq for event in hospital.events_of(tmp_path)] == [1, 2, 3, 4, 5]
    assert isinstance(hospital.events_of(tmp_path)[0], Event)
