"""Which studies prove what an authorization pays for: those of its own orders first, then by code and day, and why.

It ranks what a person chooses from; it chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.authorization import Authorization, number_key
from bridge.domain.authorization_exam import Exam, is_inside, line_of, period_of


@dataclass(frozen=True, slots=True)
class Fit:
    """
    How one study stands to one authorization of the same patient.

    is_ordered: its order is under the authorization; has_code: what was done is on a line; is_inside: on a day that is
    covered. code: what was done, "" where nobody says, or the authorization names no procedure to compare it with.
    """

    is_ordered: bool
    has_code: bool
    is_inside: bool
    code: str = ""

    @property
    def rank(self) -> int:
        """From 0, which fits best: the order outweighs the code, and the code the day."""
        return 7 - (self.is_ordered << 2 | self.has_code << 1 | self.is_inside)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it fits, and what speaks against it, in words."""
        said = ["its order is under this authorization"] if self.is_ordered else []
        if self.has_code:
            said.append(f"{self.code} is authorized")
        elif self.code:
            said.append(f"{self.code} is not on it")
        said.append("done on a day that it covers" if self.is_inside else "its day is not covered, or not known")
        return tuple(said)


def fit_of(
    authorization: Authorization, exam: Exam | None, study_date: str, *, is_ordered: bool, line: str = ""
) -> Fit:
    """
    Return how a study fits.

    exam: its order's, None without one. study_date: "YYYYMMDD" as the device said, "" if unknown. line: what the order's
    link names.
    """
    found = line_of(authorization, exam, line) if exam is not None else None
    codes = exam.codes if exam is not None else ()
    period = period_of(authorization, found)
    day = study_date or next(iter(exam.days if exam is not None else ()), "")
    named = [number_key(one.code) for one in authorization.lines]
    code = next((one for one in codes if one in named), next(iter(codes if named else ()), ""))
    return Fit(is_ordered, found is not None, bool(day) and any(period) and is_inside(day, period), code)
