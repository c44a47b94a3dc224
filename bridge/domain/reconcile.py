"""Whose study is this? Vetoes first, then the bind rules; scores rank candidates and never bind.

The same evidence, registry and rules give the same verdict.
"""

from __future__ import annotations

from bridge.domain.evidence import Registry, StudyEvidence
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.verdict import Outcome, Verdict


def decide(evidence: StudyEvidence, registry: Registry, rules: ReconcileRules) -> Verdict:
    """Decide whose study *evidence* is, or who must be asked."""
    return Verdict(Outcome.QUARANTINE, "V04", "No patient fits.", rules_version=rules.version)
