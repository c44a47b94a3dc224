"""The page of benchmarks is written by more than one of them."""

from __future__ import annotations

from bench.report import DECISIONS, with_decisions_of


def test_a_new_page_keeps_what_another_bench_wrote_at_its_end() -> None:
    before = f"# Benchmarks\n\n## Storage\n\nold\n\n{DECISIONS}\n\nsome figures\n"
    after = with_decisions_of(before, "# Benchmarks\n\n## Storage\n\nnew\n")
    assert after == f"# Benchmarks\n\n## Storage\n\nnew\n\n{DECISIONS}\n\nsome figures\n"
    assert with_decisions_of(after, "# Benchmarks\n") == f"# Benchmarks\n\n{DECISIONS}\n\nsome figures\n"


def test_a_page_without_them_is_only_what_was_measured_now() -> None:
    assert with_decisions_of("# Benchmarks\n", "# New\n") == "# New\n"
