"""The form in which people choose what a device is shown: an empty field leaves a choice to the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridge.errors import Malformed

_WORDS = ("preset", "modality", "leaves", "over_max", "without_required", "day_ends")
_LISTS = ("stations", "modality_aliases", "required_keys")
_NUMBERS = ("name_length", "text_length", "patient_id_length", "max_results")
WINDOW = ("hours_back", "hours_ahead", "days_back", "days_ahead")
# What a select says where the choice itself is nothing.
EVERYBODY, FOLLOW, ANY_TIME = "everybody", "follow", "any_time"
_SEPARATORS = re.compile(r"[,;\s]+")


def read_choices(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form chooses, by the names of the settings. Raises: Malformed, for a number that is none."""
    said = {name: value.strip() for name, value in form.items() if value.strip()}
    choices: dict[str, Any] = {name: said[name] for name in _WORDS if name in said}
    choices |= {name: _SEPARATORS.split(said[name]) for name in _LISTS if name in said}
    choices |= {name: _number(name, said[name]) for name in _NUMBERS if name in said}
    if "charset" in said:
        choices["charset"] = "" if said["charset"] == FOLLOW else said["charset"]
    if "sees" in said:
        choices["sees"] = [] if said["sees"] == EVERYBODY else said["sees"].split(",")
    if "hides_confidential" in said:
        choices["hides_confidential"] = said["hides_confidential"] == "yes"
    window = {name: _number(name, said[name]) for name in WINDOW if name in said}
    if window or ANY_TIME in said:
        choices["window"] = {} if ANY_TIME in said else window
    return choices


def shown_choices(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return *choices* as the form's fields show them."""
    shown = {name: str(value) for name, value in choices.items() if name in (*_WORDS, *_NUMBERS)}
    shown |= {name: ", ".join(choices[name]) for name in _LISTS if name in choices}
    if "charset" in choices:
        shown["charset"] = choices["charset"] or FOLLOW
    if "sees" in choices:
        shown["sees"] = ",".join(choices["sees"]) or EVERYBODY
    if "hides_confidential" in choices:
        shown["hides_confidential"] = "yes" if choices["hides_confidential"] else "no"
    if "window" in choices:
        shown |= {name: str(value) for name, value in choices["window"].items()} or {ANY_TIME: "yes"}
    return shown


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise Malformed(f"{name}: a whole number is wanted", code="invalid_value", where=name)
    return int(text)
