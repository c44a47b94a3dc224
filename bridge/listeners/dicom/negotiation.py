"""Which proposed contexts are accepted, in which syntax, and who may send in them. Source: PS3.8 7.1.1.13, PS3.7 D.3.3.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from bridge.codecs.dicom.elements import IMPLICIT_LITTLE
from bridge.codecs.dicom.object_syntaxes import OBJECT_SYNTAXES
from bridge.codecs.dicom.status import Service
from bridge.listeners.dicom.catalogue import TEXT_SYNTAXES, Offered
from bridge.listeners.dicom.messages import Context

_ACCEPTED: Final = 0
_USER_REJECTION: Final = 1
_ABSTRACT_SYNTAX_UNKNOWN: Final = 3
_TRANSFER_SYNTAXES_UNKNOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Negotiated:
    """contexts: the accepted ones by id. results, roles: what the A-ASSOCIATE-AC says."""

    contexts: dict[int, Context]
    results: list[PresentationContext]
    roles: list[SCP_SCU_RoleSelectionNegotiation]


@dataclass(frozen=True, slots=True)
class _Roles:
    """What the requestor wants to be in one abstract syntax; without a role item it is SCU."""

    scu: bool = True
    scp: bool = False
    asked: bool = False


def negotiate(
    proposed: Sequence[PresentationContext],
    asked_roles: Mapping[str, tuple[bool, bool]],
    services: Offered,
    rights: frozenset[Service],
) -> Negotiated:
    """
    Decide about each proposed context by itself.

    asked_roles: (SCU, SCP) that the requestor wants for an abstract syntax. services: what we know. rights: what this
    peer may ask for; a context beyond them is a user rejection, so that the peer sees it is not our lack of it.
    """
    answer = Negotiated({}, [], [])
    answered: set[str] = set()
    for context in proposed:
        abstract = str(context.abstract_syntax)
        roles = _Roles(*asked_roles[abstract], asked=True) if abstract in asked_roles else _Roles()
        accepted, result = _decide(context, services.get(abstract), roles, rights)
        answer.results.append(_result(context, accepted.transfer_syntax if accepted else "", result))
        if accepted is None:
            continue
        answer.contexts[accepted.context_id] = accepted
        if roles.asked and abstract not in answered:
            answered.add(abstract)
            answer.roles.append(_role_item(accepted))
    return answer


def _decide(
    context: PresentationContext, service: Service | None, roles: _Roles, rights: frozenset[Service]
) -> tuple[Context | None, int]:
    if service is None:
        return None, _ABSTRACT_SYNTAX_UNKNOWN
    serves = roles.scu and service in rights
    # A viewer that retrieves by C-GET receives objects in contexts in which it may not store any.
    sends = roles.scp and service == Service.STORAGE and Service.GET in rights
    # An archive that was asked to commit reports in an association of its own, as SCP. Source: PS3.4 J.3.3.
    sends = sends or (roles.scp and service == Service.COMMITMENT and Service.COMMITMENT in rights)
    if not (serves or sends):
        return None, _USER_REJECTION
    syntax = _choose([str(uid) for uid in context.transfer_syntax], service)
    if not syntax:
        return None, _TRANSFER_SYNTAXES_UNKNOWN
    number, abstract = int(context.context_id or 0), str(context.abstract_syntax)
    return Context(number, abstract, syntax, service, serves, sends), _ACCEPTED


def _choose(proposed: list[str], service: Service) -> str:
    """
    Return the transfer syntax to use, "" if none fits.

    An object comes in the first syntax of its sender's list that we keep: that is the one it has, so nothing is
    recompressed on the way here.
    """
    if service == Service.STORAGE:
        return next((uid for uid in proposed if uid in OBJECT_SYNTAXES), "")
    return next((uid for uid in TEXT_SYNTAXES if uid in proposed), "")


def _result(proposed: PresentationContext, transfer_syntax: str, result: int) -> PresentationContext:
    answer = PresentationContext()
    answer.context_id = proposed.context_id
    answer.abstract_syntax = proposed.abstract_syntax
    # Not significant in a rejection, but it must be one. Source: PS3.8 9.3.3.2.
    fallback = str(proposed.transfer_syntax[0]) if proposed.transfer_syntax else IMPLICIT_LITTLE
    answer.transfer_syntax = [UID(transfer_syntax or fallback)]
    answer.result = result
    return answer


def _role_item(context: Context) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid = UID(context.abstract_syntax)
    item.scu_role = context.serves
    item.scp_role = context.sends
    return item
