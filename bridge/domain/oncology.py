"""Whether an exam follows a tumour, by the codes and words that a site names. It decides nothing but a warning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.domain.code import Code
from bridge.domain.order import Order

_ICD_10 = frozenset({"", "I10", "I10C", "I10P", "ICD10", "ICD10CM"})


@dataclass(frozen=True, slots=True)
class OncologyRules:
    """codes: ICD-10 codes and ranges ("C00-D49"); words: beginnings of words in reason, procedure and diagnoses."""

    codes: tuple[str, ...] = ("C00-D49", "Z08", "Z51.0", "Z51.1", "Z85")
    words: tuple[str, ...] = ("staging", "restaging", "RECIST", "metasta", "oncolog", "carcinoma", "lymphoma", "tumor")

    def says_so(self, order: Order, study_description: str = "") -> bool:
        """Say whether *order*, or what the device calls the study, speaks of a tumour."""
        details = order.details
        codes = (
            *details.get("diagnoses_code", ()),
            *details.get("admitting_diagnoses_code", ()),
            *details.get("reason_for_requested_procedure_code", ()),
        )
        texts = (
            study_description,
            order.requested_procedure_description,
            order.requested_procedure_code.code_meaning,
            order.reason_for_the_requested_procedure,
            *details.get("diagnoses_description", ()),
            *details.get("admitting_diagnoses_description", ()),
            *(one.code_meaning for one in codes),
        )
        return any(self._has_code(one) for one in codes) or self._has_word(texts)

    def _has_code(self, code: Code) -> bool:
        scheme = code.coding_scheme_designator.upper().replace("-", "").replace(" ", "")
        value = code.code_value.strip().upper()
        return scheme in _ICD_10 and bool(value) and any(_lies_in(value, one.upper()) for one in self.codes)

    def _has_word(self, texts: Iterable[str]) -> bool:
        starts = tuple(word.casefold() for word in self.words)
        return any(word.strip("()[],;:.\"'").startswith(starts) for text in texts for word in _words(text))


def _lies_in(value: str, wanted: str) -> bool:
    low, _, high = wanted.partition("-")
    return low <= value[: len(low)] and value[: len(high or low)] <= (high or low)


def _words(text: str) -> list[str]:
    return text.casefold().replace("/", " ").replace("-", " ").split()
