"""What the strict EHR accepts: the models of `fhir.resources`, required bindings, no empty values, references that lead somewhere."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

_MODELS = {"R4": "fhir.resources.R4B", "R5": "fhir.resources"}
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]+)?")
_MOST_ISSUES = 20
# Codes that the models leave out: those below others, and those behind the first few. Source: value sets diagnostic-report-status, task-status.
_DEEPER = {
    "Task.status": (
        "rejected",
        "ready",
        "cancelled",
        "in-progress",
        "on-hold",
        "failed",
        "completed",
        "entered-in-error",
    ),
    "DiagnosticReport.status": (
        "modified",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
        "unknown",
    ),
}


class Rules:
    """The rules of one version of FHIR. exists: says whether a resource of a type has an id."""

    def __init__(self, version: str, exists: Callable[[str, str], bool]) -> None:
        self._models = importlib.import_module(_MODELS[version])
        self._exists = exists

    def faults(self, resource: Json, kind: str) -> list[tuple[str, str, str]]:
        """Return (code, expression, sentence) of each fault, none if the resource is accepted."""
        if resource.get("resourceType") != kind:
            return [("invalid", "resourceType", f"a {kind} belongs here")]
        try:
            model = self._models.get_fhir_model_class(kind)
        except (LookupError, ValueError):
            return [("not-supported", kind, "no such resource type")]
        try:
            model.model_validate(resource)
        except ValidationError as refusal:
            return [
                ("structure", _expression(kind, error["loc"]), error["msg"])
                for error in refusal.errors(include_input=False, include_url=False)
            ][:_MOST_ISSUES]
        except RecursionError:
            return [("too-long", kind, "nested too deeply")]
        found = [*_bindings(model, resource, kind), *_empty(resource, kind), *self._references(resource, kind)]
        if kind == "ImagingStudy":
            found += _study_faults(resource)
        return found[:_MOST_ISSUES]

    def _references(self, value: Any, where: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(value, list):
            for at, one in enumerate(value):
                yield from self._references(one, f"{where}[{at}]")
        elif isinstance(value, dict):
            said = value.get("reference")
            local = _LOCAL.fullmatch(said) if isinstance(said, str) else None
            if isinstance(said, str) and not local and not said.startswith(("#", "http:", "https:", "urn:")):
                yield ("invalid", f"{where}.reference", "not a reference")
            if local and not self._exists(local[1], local[2]):
                yield ("not-found", f"{where}.reference", "it leads nowhere")
            for name, one in value.items():
                yield from self._references(one, f"{where}.{name}")


def _bindings(model: type[BaseModel], value: Json, where: str) -> Iterator[tuple[str, str, str]]:
    """Yield each code outside its required value set, which the models name but do not hold to."""
    for name, field in model.model_fields.items():
        said = value.get(field.alias or name)
        if said is None:
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        allowed = extra.get("enum_values")
        place = f"{where}.{field.alias or name}"
        for one in said if isinstance(said, list) else [said]:
            known = [*allowed, *_DEEPER.get(place, ())] if isinstance(allowed, list) else None
            if isinstance(one, str) and known is not None and one not in known:
                yield ("code-invalid", place, "not in its value set")
            inner = _model_in(field.annotation)
            if isinstance(one, dict) and inner is not None:
                yield from _bindings(inner, one, place)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    name = getattr(annotation, "__resource_type__", None) or getattr(annotation, "__fhir_type_name__", None)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and name:
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _empty(value: Any, where: str) -> Iterator[tuple[str, str, str]]:
    if value in ("", [], {}) or value is None:
        yield ("invalid", where, "no value: leave the element out")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _empty(one, f"{where}[{at}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _empty(one, f"{where}.{name}")


def _study_faults(study: Json) -> Iterator[tuple[str, str, str]]:
    """Yield what an ImagingStudy says against itself. Source: FHIR R4 ImagingStudy, notes."""
    uids = [one.get("value", "") for one in study.get("identifier", []) if one.get("system") == "urn:dicom:uid"]
    if len(uids) != 1 or not re.fullmatch(r"urn:oid:[0-9]+(\.[0-9]+)*", uids[0]):
        yield ("business-rule", "ImagingStudy.identifier", "exactly one study UID, as urn:oid:")
    series = study.get("series", [])
    if len({one["uid"] for one in series}) != len(series):
        yield ("duplicate", "ImagingStudy.series.uid", "a series twice")
    if "numberOfSeries" in study and series and study["numberOfSeries"] != len(series):
        yield ("business-rule", "ImagingStudy.numberOfSeries", "not the number of series")
    if series and "numberOfInstances" in study:
        counted = sum(one.get("numberOfInstances", 0) for one in series)
        if study["numberOfInstances"] != counted:
            yield ("business-rule", "ImagingStudy.numberOfInstances", "not the sum of its series")
    for at, one in enumerate(series):
        if one.get("instance") and one.get("numberOfInstances") != len(one["instance"]):
            yield ("business-rule", f"ImagingStudy.series[{at}].numberOfInstances", "not the number of instances")


def _expression(kind: str, place: tuple[int | str, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in place]
    return kind + "".join(steps)
