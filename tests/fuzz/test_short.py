"""The fuzzer's short form: a few thousand inputs for each reader, every time the tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import fuzz
from tests.fuzz.targets import TARGETS

_RUNS = {"frames": 20_000, "parser": 3_000, "mapping": 3_000, "x12": 2_000}


@pytest.mark.parametrize("target", list(TARGETS))
def test_nothing_breaks_a_reader(target: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this platform")
    outcome = fuzz(target, _RUNS[target], tmp_path, seed=20260301)

    assert outcome.is_clean, outcome.log.read_text("utf-8", "replace")[-3000:]
    assert outcome.runs == _RUNS[target]
    assert outcome.coverage > 20
