"""What a site may change in reconciliation. Every value has a default; vetoes cannot be switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bridge.domain.authorization_rules import AuthorizationRules
from bridge.domain.checklist_rules import ChecklistRules
from bridge.domain.oncology import OncologyRules
from bridge.domain.order import Order

BIND_RULES = ("B01", "B02", "B03", "B04", "B05")
VETOES = ("V01", "V02", "V03", "V04", "V05", "V06", "V07", "V08", "V09", "V10")


@dataclass(frozen=True, slots=True)
class Scores:
    """How candidates are ranked for a coordinator. They never bind."""

    name: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(
            {"EQUAL": 10, "CLOSE": 7, "GIVEN": 2, "FAMILY": 1, "NA": 0, "NONE": -8}
        )
    )
    birth_date: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"EQUAL": 9, "SWAP": 6, "NEAR": 4, "PARTIAL": 4, "NA": 0, "DIFF": -6})
    )
    sex: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"EQUAL": 1, "NA": 0, "DIFF": -3}))
    exact_id: int = 9
    exact_id_with_equal_name: int = 3
    cross_reference: int = 8
    normalised_id: int = 6
    order_key: int = 9


@dataclass(frozen=True, slots=True)
class ReconcileRules:
    """
    A site's data for reconciliation.

    authority: what an identifier without an issuer means here. own_authorities: further issuers that are ours.
    authority_aliases: an OID or another spelling → the authority's name. institutions: InstitutionName → authority.
    nicknames: folded given name → the numbers of the rows it stands in. placeholder_*: values that say nothing.
    import_procedures: texts or codes that make an order an import order. disable: bind rules that are off.
    two_person: vetoes whose review needs two people. oncology: which exams follow a tumour. checklist: what a
    study is compared with its order by. authorizations: what exams are compared with theirs by. version: changes whenever any value does that decides.
    """

    authority: str = ""
    own_authorities: frozenset[str] = frozenset()
    authority_aliases: Mapping[str, str] = field(default_factory=dict)
    mrn_pattern: str = ""
    id_prefixes: tuple[str, ...] = ()
    id_suffixes: tuple[str, ...] = ()
    placeholder_ids: frozenset[str] = frozenset({"0", "UNKNOWN"})
    placeholder_words: frozenset[str] = frozenset({"DOE", "UNKNOWN", "TRAUMA"})
    test_words: frozenset[str] = frozenset({"PHANTOM", "ZZTEST"})
    nicknames: Mapping[str, frozenset[int]] = field(default_factory=dict)
    charsets: tuple[str, ...] = ("utf_8", "gb18030", "iso2022_jp", "euc_kr", "iso8859_5", "iso8859_1")
    placeholder_birth_dates: frozenset[str] = frozenset({"19000101"})
    import_ae_titles: frozenset[str] = frozenset({"CDIMPORT"})
    institutions: Mapping[str, str] = field(default_factory=dict)
    import_procedures: frozenset[str] = frozenset({"IMPORT OUTSIDE STUDY"})
    accession_stale_days: int = 60
    order_window_hours: int = 24
    disable: frozenset[str] = frozenset()
    two_person: frozenset[str] = frozenset()
    scores: Scores = field(default_factory=Scores)
    oncology: OncologyRules = field(default_factory=OncologyRules)
    checklist: ChecklistRules = field(default_factory=ChecklistRules)
    authorizations: AuthorizationRules = field(default_factory=AuthorizationRules)
    lookup_limit: int = 2000
    version: str = "default"

    def authority_of(self, issuer: str) -> str:
        """Return the authority that *issuer* spells, or *issuer* itself without padding."""
        text = issuer.strip()
        if text in self.authority_aliases:
            return self.authority_aliases[text]
        for name in (self.authority, *self.own_authorities, *self.authority_aliases.values()):
            if name.casefold() == text.casefold():
                return name
        return text

    def is_ours(self, issuer: str) -> bool:
        """Say whether *issuer* is this site's own authority, or one of them."""
        authority = self.authority_of(issuer)
        return bool(authority) and (authority == self.authority or authority in self.own_authorities)

    def makes_import(self, order: Order) -> bool:
        """Say whether *order* is for filing another hospital's study."""
        code = order.requested_procedure_code
        texts = (order.requested_procedure_description, code.code_meaning, code.code_value)
        return any(" ".join(text.upper().split()) in self.import_procedures for text in texts if text)
