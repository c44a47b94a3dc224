"""Whether a resource is one, by the models of fhir.resources; slow, so for a sample and for sites that want all of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from pydantic import ValidationError

Json = dict[str, Any]

# R4 and R4B write what we write alike, and there are no models of R4.
_MODELS = {"R4": "fhir.resources.R4B", "R5": "fhir.resources"}
_MOST_TOLD = 5


def faults_of(version: str, resource: Json) -> tuple[str, ...]:
    """Return where *resource* is none and why, without any of its values; () if it is sound. version: "R4" or "R5"."""
    kind = str(resource.get("resourceType", ""))
    try:
        model = import_module(_MODELS[version]).get_fhir_model_class(kind)
    except (KeyError, ValueError):
        return (f"{kind or 'resourceType'}: no kind of resource",)
    faults = [*_empty(resource, kind), *_unknown_codes(model, resource, kind)]
    try:
        model.model_validate(resource)
    except ValidationError as fault:
        found = fault.errors(include_url=False, include_context=False, include_input=False)
        faults += [f"{_where(kind, one['loc'])}: {one['type']}" for one in found]
    return tuple(faults[:_MOST_TOLD])


def _empty(value: object, where: str) -> Iterator[str]:
    """Yield where a text, a list or an object is empty, which FHIR forbids and the models pass over."""
    if value in (None, "", [], {}):
        yield f"{where}: empty"
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from _empty(held, f"{where}.{name}")
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from _empty(held, f"{where}.{number}")


def _unknown_codes(model: Any, resource: Json, kind: str) -> Iterator[str]:
    """Yield the elements of the resource itself whose code is none of those that the standard requires."""
    for name, field in model.model_fields.items():
        said = (field.json_schema_extra or {}).get("enum_values")
        value = resource.get(field.alias or name)
        # A list that ends so goes on in the standard: the models have its first codes alone.
        if said and "+" not in said and isinstance(value, str) and value not in said:
            yield f"{kind}.{field.alias or name}: not one of the codes required"


def _where(kind: str, location: tuple[int | str, ...]) -> str:
    return ".".join([kind, *(str(one) for one in location)])
