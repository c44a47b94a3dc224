"""Scopes of SMART on FHIR: what a program may do with which resources. Source: SMART App Launch 2.2 (v2), 1.0 (v1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_SCOPE = re.compile(r"(system|user|patient)/([A-Za-z]{1,40}|\*)\.([a-z*]{1,6})(\?[^\s]{0,200})?")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_ACTIONS = "cruds"


def actions(scope: str) -> tuple[str, str, str] | None:
    """
    Return whose ("system", "user", "patient"), the resource ("*" for any) and the actions of "cruds"; None for none of ours.

    A scope that is narrowed by a query grants nothing: what it would leave out is not looked at.

    >>> actions("system/ImagingStudy.rs"), actions("user/*.read"), actions("fhir")
    (('system', 'ImagingStudy', 'rs'), ('user', '*', 'rs'), None)
    """
    found = _SCOPE.fullmatch(scope)
    if found is None or found[4]:
        return None
    said = _V1.get(found[3], found[3])
    if list(said) != [one for one in _ACTIONS if one in said]:
        return None
    return found[1], found[2], said


def is_smart(scope: str) -> bool:
    """Say whether a scope speaks of resources, whatever it grants."""
    return _SCOPE.fullmatch(scope) is not None


def grant(scopes: Iterable[str], resource_type: str, action: str) -> bool:
    """Say whether any of *scopes* lets its holder do *action* ("r", "s" …) with resources of a type."""
    found = (actions(one) for one in scopes)
    return any(one is not None and one[1] in ("*", resource_type) and action in one[2] for one in found)


def grant_any(scopes: Iterable[str], resource_type: str, action: str) -> bool:
    """Say whether any of *scopes* grants *action* with a type; "" for whatever type."""
    if resource_type:
        return grant(scopes, resource_type, action)
    return any(one is not None and action in one[2] for one in map(actions, scopes))


def narrowed(asked: Iterable[str], held: Collection[str]) -> list[str]:
    """
    Return what of the scopes that are *asked* for those that are *held* include, each at most once.

    >>> narrowed(["system/*.cruds", "dicomweb", "hl7"], ["system/ImagingStudy.rs", "dicomweb"])
    ['system/ImagingStudy.rs', 'dicomweb']
    """
    given = [one for scope in asked for one in ([scope] if scope in held else _within(scope, held))]
    return list(dict.fromkeys(given))


def _within(scope: str, held: Collection[str]) -> list[str]:
    found = actions(scope)
    if found is None or found[0] != "system":
        return []
    kinds = [found[1]] if found[1] != "*" else ["*", *(one[1] for one in map(actions, held) if one is not None)]
    given = {}
    for kind in dict.fromkeys(kinds):
        given[kind] = "".join(one for one in found[2] if grant(held, kind, one))
    if given[found[1]] == found[2]:
        return [scope]
    return [f"system/{kind}.{may}" for kind, may in given.items() if may and (kind == "*" or may != given.get("*"))]


def is_for_reading(scope: str, whose: str) -> bool:
    """
    Say whether a scope lets its holder read or search resources of *whose* ("patient"), and do nothing else.

    >>> is_for_reading("patient/*.rs", "patient"), is_for_reading("patient/*.cruds", "patient")
    (True, False)
    """
    found = actions(scope)
    return found is not None and found[0] == whose and bool(found[2]) and set(found[2]) <= {"r", "s"}


def is_for_programs(scope: str) -> bool:
    """Say whether a scope grants a program something with resources."""
    found = actions(scope)
    return found is not None and found[0] == "system"
