"""Order, step and authorization drafts from ORC groups. Source: HL7 2.5.1 4.4, 4.5; IHE RAD TF-2 4.4, 4.13."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.details import OrderDetails, StepDetails
from bridge.domain.identifiers import EntityIdentifier, check_ae_title, check_uid
from bridge.domain.order import AuthorizationDraft, OrderAction, OrderDraft, StepDraft
from bridge.domain.order_control import look_up
from bridge.domain.records import replace
from bridge.errors import BridgeError, Incomplete, Malformed
from bridge.mapping.authorizations import read_authorizations
from bridge.mapping.convert import Moment
from bridge.mapping.dates import minutes_between
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope
from bridge.mapping.laterality import with_side
from bridge.mapping.numbers import fill_numbers
from bridge.mapping.patients import universal_ids

# What stands before the first ORC speaks of patient and visit; these speak of an order and hold for their own group only.
_OF_THE_GROUP = frozenset({"ORC", "OBR", "IPC", "TQ1", "TQ2", "NTE", "OBX", "DG1", "ZDS", "AUT"})
_SECTIONS = ("order", "requested_procedure", "scheduled_step", "authorization")
_COMMENTED = frozenset({"ORC", "OBR", "TQ1"})
# These speak of what is to be done; the others of an order's numbers and state, and need not repeat the rest.
_DESCRIBING = frozenset({OrderAction.CREATE, OrderAction.CHANGE, OrderAction.REPLACEMENT, OrderAction.CHILD})
_DESCRIBING_IF_THEY_CAN = frozenset({OrderAction.NUMBER_OR_CREATE, OrderAction.PARENT})


@dataclass(slots=True)
class OrderGroup:
    """One ORC and what belongs to it. ipcs: its IPC segments, each a step."""

    number: int
    scope: dict[str, list[Segment]] = field(default_factory=dict)

    @property
    def ipcs(self) -> list[Segment]:
        return self.scope.get("IPC", [])

    def place(self, where: str) -> str:
        """Return *where* with the number of its segment, for a group that is not the first."""
        name, dash, rest = where.partition("-")
        segments = self.scope.get(name, ())
        number = segments[0].number if segments else self.number
        return f"{name}[{number}]{dash}{rest}" if number > 1 and name in _OF_THE_GROUP else where


def read_orders(
    evaluator: Evaluator, segments: Sequence[Segment], message_at: datetime | None
) -> tuple[OrderDraft, ...]:
    """
    Return an order for each requested procedure, in order; groups that are steps of the same one are joined.

    message_at: stands in for a missing ORC-9. Raises: Incomplete, Malformed, each naming its segment.
    """
    groups, head = _groups(segments)
    if not groups:
        raise Incomplete("no order group", code="missing", where="ORC-1", source="HL7 2.5.1 4.4")
    _share_last_zds(groups)
    orders = []
    for group in groups:
        evaluator.numbers = dict.fromkeys(_SECTIONS, group.number) if len(groups) > 1 else {}
        try:
            orders.append(_read_order(evaluator, group, head, message_at))
        except BridgeError as error:
            error.where = group.place(error.where)
            raise
    return tuple(_join_steps(orders))


def _groups(segments: Sequence[Segment]) -> tuple[list[OrderGroup], dict[str, list[Segment]]]:
    groups: list[OrderGroup] = []
    head: dict[str, list[Segment]] = {}
    commented = ""
    for segment in segments:
        if segment.name == "ORC":
            groups.append(OrderGroup(len(groups) + 1, {n: s for n, s in head.items() if n not in _OF_THE_GROUP}))
        elif segment.name == "OBR" and (not groups or "OBR" in groups[-1].scope):
            raise Malformed(
                "OBR without its own ORC", code="segment_sequence", where=segment.where, source="HL7 2.5.1 4.4"
            )
        if segment.name != "NTE":
            commented = segment.name
        elif commented not in _COMMENTED:
            continue
        scope = groups[-1].scope if groups else head
        scope.setdefault(segment.name, []).append(segment)
    return groups, head


def _share_last_zds(groups: list[OrderGroup]) -> None:
    """
    Give every group the one ZDS at the end, if all are of one accession number.

    Before OMI, a procedure of several steps is several ORC groups with a single ZDS. Source: IHE RAD TF-2 4.4.4.1.
    """
    with_zds = [group for group in groups if "ZDS" in group.scope]
    if len(groups) < 2 or with_zds != [groups[-1]] or len(groups[-1].scope["ZDS"]) != 1:
        return
    accessions = {segment.value(18) for group in groups for segment in group.scope.get("OBR", ())}
    if len(accessions) == 1 and accessions != {""}:
        for group in groups[:-1]:
            group.scope["ZDS"] = groups[-1].scope["ZDS"]


def _read_order(
    evaluator: Evaluator, group: OrderGroup, head: dict[str, list[Segment]], message_at: datetime | None
) -> OrderDraft:
    scope: Scope = group.scope
    draft = _read_control(evaluator, group)
    if draft.action == OrderAction.NOTE:
        return draft
    draft = _read_numbers(evaluator, draft, scope, message_at)
    describes = draft.action in _DESCRIBING_IF_THEY_CAN and evaluator.has(
        "requested_procedure.universal_service", scope
    )
    if draft.action not in _DESCRIBING and not describes:
        return draft
    _check_same_procedure(group)
    evaluator.get("requested_procedure.universal_service", scope)
    draft = replace(
        draft,
        requested_procedure_description=evaluator.get("requested_procedure.description", scope),
        requested_procedure_code=evaluator.get("requested_procedure.code", scope),
        requested_procedure_priority=evaluator.get("requested_procedure.priority", scope),
        reason_for_the_requested_procedure=evaluator.get("requested_procedure.reason", scope),
        requested_procedure_comments=evaluator.get("requested_procedure.comments", scope),
        requesting_physician=evaluator.get("requested_procedure.requesting_physician", scope),
        referring_physician_name=evaluator.get("requested_procedure.referring_physician", scope),
        institution_name=evaluator.get("requested_procedure.institution", scope),
        details=_details(evaluator, draft, scope),
        steps=_read_steps(evaluator, group) if draft.action != OrderAction.PARENT else (),
        authorizations=_authorizations(evaluator, group, head),
    )
    draft = with_side(draft, evaluator.get("requested_procedure.side", scope) or "")
    if draft.action != OrderAction.CHANGE and any(step.modality is None for step in draft.steps):
        where = "IPC-5" if group.ipcs else "OBR-24"
        evaluator.context.warn("no modality: the step is not complete enough for a worklist", where)
    return fill_numbers(evaluator, draft, scope)


def _details(evaluator: Evaluator, draft: OrderDraft, scope: Scope) -> OrderDetails:
    return cast(OrderDetails, {**draft.details, **evaluator.details("order", scope)})


def _read_control(evaluator: Evaluator, group: OrderGroup) -> OrderDraft:
    """Return a draft with what the site's table says of the group's order control and status."""
    control = evaluator.get("order.control", group.scope) or ""
    status = evaluator.get("order.status", group.scope) or ""
    row, reported = look_up(evaluator.context.site.order_control, control, status)
    return OrderDraft(
        control,
        action=row.action,
        order_status=status,
        reported=reported,
        by_filler=row.by_filler,
        where=f"ORC[{group.number}]",
    )


def _read_numbers(evaluator: Evaluator, draft: OrderDraft, scope: Scope, message_at: datetime | None) -> OrderDraft:
    """Return *draft* with what every order control says: which order it is about, and when."""
    accession = evaluator.get("requested_procedure.accession", scope, required=False) or EntityIdentifier()
    transaction = evaluator.get("order.transaction_time", scope)
    study = evaluator.get("requested_procedure.study_instance_uid", scope, required=False) or ""
    if study:
        check_uid(study, "IPC-3" if scope.get("IPC") else "ZDS-1")
    filler = evaluator.get("order.filler_number", scope) or EntityIdentifier()
    placer = evaluator.get("order.placer_number", scope) or EntityIdentifier()
    oids = universal_ids([(one.issuer, one.issuer_universal_id) for one in (accession, filler, placer)])
    return replace(
        draft,
        by_filler=draft.by_filler or _is_filler(evaluator, filler),
        accession_number=accession.value,
        issuer_of_accession_number=accession.issuer,
        placer_order_number=placer,
        filler_order_number=filler,
        requested_procedure_id=evaluator.get("requested_procedure.id", scope, required=False) or "",
        study_instance_uid=study,
        transaction_at=transaction.at if isinstance(transaction, Moment) else message_at,
        parent_placer_number=evaluator.get("order.parent_placer_number", scope) or EntityIdentifier(),
        parent_filler_number=evaluator.get("order.parent_filler_number", scope) or EntityIdentifier(),
        details={"issuer_universal_ids": oids} if oids else {},
    )


def _is_filler(evaluator: Evaluator, filler_order_number: EntityIdentifier) -> bool:
    """Say whether whoever performs the order speaks: the site says so, or the filler number is the sender's own."""
    sender_is = evaluator.context.site.policy.sender_is
    if sender_is != "by_number":
        return sender_is == "filler"
    application = evaluator.context.message.envelope.sending_application
    return bool(application) and filler_order_number.issuer == application


def _read_steps(evaluator: Evaluator, group: OrderGroup) -> tuple[StepDraft, ...]:
    if not group.ipcs:
        return (_read_step(evaluator, group.scope),)
    steps = []
    for number, ipc in enumerate(group.ipcs, 1):
        evaluator.numbers = {**evaluator.numbers, "scheduled_step": number}
        try:
            steps.append(_read_step(evaluator, {**group.scope, "IPC": [ipc]}))
        except BridgeError as error:
            if error.where.startswith("IPC-"):
                error.where = f"{ipc.where}{error.where[3:]}"
            raise
    return tuple(steps)


def _read_step(evaluator: Evaluator, scope: Scope) -> StepDraft:
    start = evaluator.get("scheduled_step.start", scope)
    modality = evaluator.get("scheduled_step.modality", scope)
    modality = modality or evaluator.get("scheduled_step.modality_of_procedure", scope) or None
    stations = evaluator.get("scheduled_step.station_ae_title", scope)
    return StepDraft(
        evaluator.get("scheduled_step.id", scope, required=False) or "",
        modality=modality,
        scheduled_station_ae_title=tuple(_ae_titles(stations)) if stations is not None else None,
        scheduled_start_local=start.local if isinstance(start, Moment) else start,
        scheduled_start_at=start.at if isinstance(start, Moment) else None,
        scheduled_procedure_step_description=evaluator.get("scheduled_step.description", scope),
        scheduled_protocol_code=evaluator.get("scheduled_step.protocol", scope),
        scheduled_performing_physician_name=evaluator.get("scheduled_step.performing_physician", scope),
        scheduled_station_name=evaluator.get("scheduled_step.station_name", scope),
        scheduled_procedure_step_location=evaluator.get("scheduled_step.location", scope),
        requested_contrast_agent=evaluator.get("scheduled_step.contrast_agent", scope),
        pre_medication=evaluator.get("scheduled_step.pre_medication", scope),
        details=_step_details(evaluator, scope, start),
    )


def _step_details(evaluator: Evaluator, scope: Scope, start: Moment | str | None) -> StepDetails:
    details = cast(StepDetails, evaluator.details("scheduled_step", scope))
    end = evaluator.get("scheduled_step.end", scope)
    if end == "":
        details["scheduled_duration"] = ""
    elif isinstance(end, Moment) and isinstance(start, Moment) and end.at > start.at:
        details["scheduled_duration"] = minutes_between(start, end)
    return details


def _ae_titles(values: Iterable[str]) -> Iterable[str]:
    return (check_ae_title(value, "IPC-9") for value in values)


def _authorizations(
    evaluator: Evaluator, group: OrderGroup, head: dict[str, list[Segment]]
) -> tuple[AuthorizationDraft, ...]:
    # IN1 may stand in the order group as well; where it does, it speaks of that order's insurance.
    return read_authorizations(evaluator, group.scope, head.get("AUT", []))


def _check_same_procedure(group: OrderGroup) -> None:
    """Refuse IPC segments of one group that are not of one procedure. Source: HL7 2.5.1 4.5.6 (IPC-1 to IPC-3)."""
    for ipc in group.ipcs[1:]:
        for number in (1, 2, 3):
            if ipc.value(number) != group.ipcs[0].value(number):
                raise Malformed("the IPC segments of a group name different procedures", where=f"{ipc.where}-{number}")


def _join_steps(orders: Sequence[OrderDraft]) -> list[OrderDraft]:
    """Join groups of one study and requested procedure: each is a step of it."""
    joined: list[OrderDraft] = []
    for order in orders:
        same = next((n for n, other in enumerate(joined) if _same_procedure(order, other)), None)
        if same is None:
            joined.append(order)
        else:
            first = joined[same]
            joined[same] = replace(first, steps=(*first.steps, *order.steps), joined=(*first.joined, order.where))
    return joined


def _same_procedure(one: OrderDraft, other: OrderDraft) -> bool:
    steps = [step.scheduled_procedure_step_id for draft in (one, other) for step in draft.steps]
    return (
        bool(one.accession_number and steps)
        and "accession_number" not in one.derived
        and one.order_control == other.order_control
        and one.accession_number == other.accession_number
        and one.study_instance_uid == other.study_instance_uid
        and one.requested_procedure_id == other.requested_procedure_id
        and len(set(steps)) == len(steps)
    )
