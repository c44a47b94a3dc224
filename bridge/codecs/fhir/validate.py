"""Whether a resource is one: elements, types, cardinalities and the codes that are required. Source: FHIR R4 and R5, 2.1, 2.28."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

# R4B has R4's resources; fhir.resources has no R4 of its own.
_PACKAGES = {"R4": "fhir.resources.R4B", "R5": "fhir.resources"}
_WORDS = {
    "missing": ("required", "this element is required"),
    "model_field_validation.missing": ("required", "this element is required"),
    "extra_forbidden": ("structure", "this element is unknown here"),
}
_MOST_ISSUES = 100


def faults(resource: Mapping[str, Any], version: str) -> list[Json]:
    """
    Return what is wrong with *resource* as issues of an OperationOutcome, none if nothing is.

    version: "R4" or "R5". An issue names the element and says nothing of its value.
    """
    model = _model(str(resource.get("resourceType", "")), version)
    if model is None:
        return [_issue("not-supported", "no resource of this version has that type", "resourceType")]
    try:
        read = model.model_validate(dict(resource))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        kind = str(resource["resourceType"])
        return [_of_error(one["type"], one["loc"], kind) for one in found[:_MOST_ISSUES]]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return [_issue("structure", "this cannot be read as a resource", str(resource["resourceType"]))]
    return list(_unknown_codes(read, str(resource["resourceType"])))[:_MOST_ISSUES]


def outcome(issues: list[Json]) -> Json:
    """Return the OperationOutcome of a validation. Source: FHIR R4 2.28, Resource-operation $validate."""
    fine = {"severity": "information", "code": "informational", "diagnostics": "nothing is wrong with it"}
    return {"resourceType": "OperationOutcome", "issue": issues or [fine]}


def _model(kind: str, version: str) -> type[BaseModel] | None:
    if not (kind.isascii() and kind.isalpha()):
        return None
    try:
        found = import_module(_PACKAGES[version]).get_fhir_model_class(kind)
    except (ValueError, ImportError, LookupError):
        return None
    is_resource = isinstance(found, type) and issubclass(found, BaseModel) and "id" in found.model_fields
    return found if is_resource and "meta" in found.model_fields else None


def _of_error(kind: str, where: tuple[int | str, ...], resource_type: str) -> Json:
    code, words = _WORDS.get(kind, ("value", "this is no value of its type"))
    return _issue(code, words, _expression(resource_type, where))


def _expression(resource_type: str, where: tuple[int | str, ...]) -> str:
    text = resource_type
    for one in where[:12]:
        text += f"[{one}]" if isinstance(one, int) else f".{one[:60]}" if one.isidentifier() else ""
    return text


def _unknown_codes(read: BaseModel, where: str) -> Iterator[Json]:
    """Find the codes that are none of a required value set."""
    for name, field in type(read).model_fields.items():
        value = getattr(read, name, None)
        if value is None:
            continue
        extra = field.json_schema_extra
        known = extra.get("enum_values") if isinstance(extra, dict) else None
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            place = f"{where}.{name}[{number}]" if isinstance(value, list) else f"{where}.{name}"
            if isinstance(one, BaseModel):
                yield from _unknown_codes(one, place)
            elif isinstance(known, list) and known and one not in known:
                yield _issue("code-invalid", "this is none of the codes that are required here", place)


def _issue(code: str, diagnostics: str, expression: str) -> Json:
    return {"severity": "error", "code": code, "diagnostics": diagnostics, "expression": [expression]}
