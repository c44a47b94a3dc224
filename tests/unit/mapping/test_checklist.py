"""A checklist's file says everything that is wrong with it at once."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from bridge.errors import Misconfigured
from bridge.mapping.checklist import load_checklist
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("schema = 2\n", "schema: must be 1"),
        ("[sights]\n", "did you mean 'sides'?"),
        ("sides = 1\n", "sides: must be a table"),
        ("[date]\nday = 1\n", "did you mean 'days'?"),
        ("[date]\ndays = -1\n", "must be a whole number from 0 to 366"),
        ("[date]\ndays = true\n", "must be a whole number"),
        ('[modalities]\nalike = "CT"\n', "must be a list of lists"),
        ("[modalities]\nalike = [[1]]\n", "must be a list of texts"),
        ('[sides]\nleft = ["left side"]\n', "each must be one word"),
        ('[body_parts.knee]\nwords = "knee"\n', "must be a list of texts"),
        ('[body_parts.knee]\nword = ["knee"]\n', "did you mean 'words'?"),
        ('[body_parts.knee]\nwithin = "lower_limbs"\n', "did you mean 'lower_limb'?"),
        ('[body_parts.knee]\npaired = "yes"\n', "paired true or false"),
        ("[body_parts]\nknee = 1\n", "must be a table"),
        ('[together]\nHEADNECK = ["head", "nek"]\n', "did you mean 'neck'?"),
    ],
)
def test_a_fault_is_named_with_the_nearest_right_word(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "checklist.toml").write_text(text, "utf-8")
    with pytest.raises(Misconfigured) as refused:
        load_checklist(ROOT / "mappings", tmp_path, UTC)
    assert any(fault in one for one in refused.value.faults), refused.value.faults


def test_no_word_stands_for_two_parts_and_every_larger_part_is_one() -> None:
    parts = load_checklist(ROOT / "mappings", None, UTC).body_parts.parts
    words = [word for part in parts.values() for word in (*part.words, *part.codes)]
    assert sorted(word for word in set(words) if words.count(word) > 1) == []
