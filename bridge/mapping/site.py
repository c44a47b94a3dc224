"""What is known of one sender: who it is, its authority and clock, its choices between known behaviours, its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bridge.domain.order_control import OrderControl
from bridge.mapping.grammar import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Where one target's value comes from: the first path that has one.

    converter: a name in `converters.CONVERTERS`. table: a name in the site's tables, "" for none. source: the file that
    says so, as the trace shows it ("base/order", "sites/mercy_west").
    """

    target: str
    paths: tuple[Path, ...]
    converter: str
    table: str = ""
    required: bool = False
    default: str = ""
    source: str = ""

    @property
    def where(self) -> str:
        """The place to name where the value is missing."""
        return self.paths[0].where


@dataclass(frozen=True, slots=True)
class Match:
    """How a sender is known: MSH-3.1 and MSH-4.1; "" for one that does not matter."""

    sending_application: str = ""
    sending_facility: str = ""


@dataclass(frozen=True, slots=True)
class Receiving:
    """What MSH-5 and MSH-6 must say, "" for what is not checked."""

    application: str = ""
    facility: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Choices between known behaviours.

    missing_study_uid: "from_accession" (the same one every time), "mint" (left empty: whoever creates the order makes
    one), "reject". missing_accession: which order number stands in, "accept" (an order without one), or "reject".
    report_without_order: "wait_if_imaging" (a report that shows that it is about an exam is kept until its order comes;
    a laboratory's stays in the journal alone), "wait" (all are kept), "journal" (none is).
    acknowledgment: "as_asked" (MSH-15, MSH-16), or "original": one AA, AE or AR whatever they say, for a sender that
    fills them out of habit.
    date_format: how a sender writes days that are not as HL7 has them; HL7's own form is read in any case.
    sender_is: "filler" (whoever performs the orders), "placer", or "by_number": the filler, if the filler number's issuer
    is the sending application.
    appointment_order: how an appointment finds its order, by its "numbers", or else by "visit_and_service".
    appointment_without_order: "wait" for it, or "make_order". cancelled_appointment: "keep_order" (off the worklist until
    there is another appointment), or "cancel_order".
    arrival: the events that say the patient has come for the exams. cancelled_visit: what becomes of exams that wait when
    their visit is cancelled (A11): "keep_exams", with a warning, or "cancel_exams".
    """

    missing_study_uid: str = "from_accession"
    missing_accession: str = "filler_order_number"
    report_without_order: str = "wait_if_imaging"
    acknowledgment: str = "as_asked"
    date_format: str = "hl7"
    sender_is: str = "by_number"
    appointment_order: str = "numbers"
    appointment_without_order: str = "wait"
    cancelled_appointment: str = "keep_order"
    arrival: str = "A10"
    cancelled_visit: str = "keep_exams"


POLICY_CHOICES: Mapping[str, tuple[str, ...]] = {
    "missing_study_uid": ("from_accession", "mint", "reject"),
    "missing_accession": ("filler_order_number", "placer_order_number", "accept", "reject"),
    "report_without_order": ("wait_if_imaging", "wait", "journal"),
    "acknowledgment": ("as_asked", "original"),
    "date_format": ("hl7", "iso", "month_first", "day_first"),
    "sender_is": ("by_number", "filler", "placer"),
    "appointment_order": ("numbers", "visit_and_service"),
    "appointment_without_order": ("wait", "make_order"),
    "cancelled_appointment": ("keep_order", "cancel_order"),
    "arrival": ("A10", "A10_and_A04", "never"),
    "cancelled_visit": ("keep_exams", "cancel_exams"),
}


@dataclass(frozen=True)
class SiteMapping:
    """
    One sender and its rules, a preset that sites extend (it matches nobody), or the base rules (name "").

    authority, time_zone: "" falls back to the settings'. charset: what its bytes are when MSH-18 does not say, None for
    a guess. processing_ids: the MSH-11 values that pass, () for all. accepts: "ORM^O01" and the like. order_control: by
    ORC-1. about: one sentence.
    """

    name: str
    authority: str = ""
    time_zone: str = ""
    charset: str | None = None
    processing_ids: tuple[str, ...] = ("P",)
    receiving: Receiving = field(default_factory=Receiving)
    policy: Policy = field(default_factory=Policy)
    matches: tuple[Match, ...] = ()
    accepts: frozenset[str] = frozenset()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    order_control: Mapping[str, OrderControl] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    about: str = ""

    @cached_property
    def worked_out(self) -> dict[str, Any]:
        """What was made of the rules once, to apply them faster; no part of what the site says."""
        return {}


@dataclass(frozen=True, slots=True)
class Defaults:
    """
    What the settings say where a site is silent.

    authority: of identifiers that name none. time_zone: IANA name. authority_names: by OID, so that an identifier with
    a universal id alone finds its authority. oids: the same the other way round.
    """

    authority: str
    time_zone: str
    authority_names: Mapping[str, str] = field(default_factory=dict)
    oids: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "oids", {name: oid for oid, name in self.authority_names.items()})
