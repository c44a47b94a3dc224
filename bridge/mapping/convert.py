"""What every converter is given, and the types it may return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from bridge.codecs.hl7.er7 import Message
from bridge.codecs.hl7.escapes import STANDARD
from bridge.domain.message import Notice
from bridge.mapping.grammar import Path
from bridge.mapping.site import Defaults, SiteMapping


@dataclass(frozen=True, slots=True)
class Moment:
    """local: "YYYYMMDDHHMMSS" as the hospital's clock says; at: the same as an instant, UTC."""

    local: str
    at: datetime


@dataclass(slots=True)
class Context:
    """
    One message on its way through the rules. zone: the site's; authority: of identifiers that name none.

    is_plain: the usual delimiters separate it. warned: how often something was let through.
    """

    message: Message
    site: SiteMapping
    defaults: Defaults
    zone: tzinfo
    authority: str
    notices: list[Notice] = field(default_factory=list)
    warned: int = 0
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_plain = self.message.delimiters is STANDARD

    def warn(self, detail: str, where: str, severity: str = "W") -> None:
        """Record something that was let through, once."""
        self.warned += 1
        notice = Notice(severity, detail, where)
        if notice not in self.notices:
            self.notices.append(notice)

    def text(self, repetition: str, path: Path) -> str:
        """Return the decoded text a path means in one repetition; a path without component means the first."""
        return self.message.part(repetition, path.component or 1, path.subcomponent)


Raw = Sequence[str]
"""Raw repetitions, at least one, the first not null."""


@dataclass(frozen=True, slots=True)
class Converter:
    """
    A named conversion. empty: what an erased value (`""`) becomes.

    convert: returns None where the raw value says nothing usable. gathers: it reads every such segment, not the first.
    beside: how many fields further on stands what else it is given, each raw, "" where it is absent: a number's unit.
    """

    convert: Callable[[Context, Raw, Path], Any]
    empty: Any = ""
    gathers: bool = False
    beside: tuple[int, ...] = ()
