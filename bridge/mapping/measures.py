"""Weights, heights and durations: numbers that mean nothing without their unit. Source: HL7 2.5.1 7.4.2 (OBX), 10.6.4 (AIS)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bridge.domain.details import Finding
from bridge.errors import Malformed
from bridge.mapping.convert import Context, Moment, Raw
from bridge.mapping.dates import in_hl7_form, read_timestamp
from bridge.mapping.grammar import Path

_KILOGRAMS: Mapping[str, Decimal] = {
    **dict.fromkeys(("kg", "kgs", "kilo", "kilogram", "kilograms"), Decimal(1)),
    **dict.fromkeys(("g", "gm", "gr", "gram", "grams"), Decimal("0.001")),
    **dict.fromkeys(("lb", "lbs", "[lb_av]", "pound", "pounds"), Decimal("0.45359237")),
    **dict.fromkeys(("oz", "[oz_av]", "ounce", "ounces"), Decimal("0.028349523125")),
}
_METRES: Mapping[str, Decimal] = {
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), Decimal(1)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), Decimal("0.01")),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), Decimal("0.001")),
    **dict.fromkeys(("in", "[in_i]", "inch", "inches"), Decimal("0.0254")),
    **dict.fromkeys(("ft", "[ft_i]", "foot", "feet"), Decimal("0.3048")),
}
_MINUTES: Mapping[str, Decimal] = {
    **dict.fromkeys(("", "m", "min", "mins", "minute", "minutes"), Decimal(1)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Decimal(1) / 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Decimal(60)),
    **dict.fromkeys(("d", "day", "days"), Decimal(1440)),
}
# A number beyond them was written in another unit than it says. Animals are imaged, too.
_WEIGHTS = (Decimal("0.01"), Decimal(2000))
_SIZES = (Decimal("0.1"), Decimal(3))
_LONGEST_MINUTES = 10_080
_TO_THE_GRAM = Decimal("0.001")
_DIGITS_MAX = 16
_DIGITS_OF_A_DAY = 8
# An observation that its sender takes back. Source: HL7 table 0085.
_WITHDRAWN = frozenset({"D", "W", "X"})


def weight(context: Context, raw: Raw, path: Path) -> Finding | None:
    """Return a weight in kilograms, to the gram. raw: the value, its unit (OBX-6), its status (11), its time (14)."""
    return _measured(context, raw, path, _KILOGRAMS, _WEIGHTS)


def size(context: Context, raw: Raw, path: Path) -> Finding | None:
    """Return a height in metres, to the millimetre. raw: as in `weight`."""
    return _measured(context, raw, path, _METRES, _SIZES)


def minutes(context: Context, raw: Raw, path: Path) -> str | None:
    """Return a duration in whole minutes. raw: the number and its unit (AIS-7 and 8), minutes where it has none."""
    number = _number(context, raw[0])
    factor = _MINUTES.get(context.message.part(raw[1], 1).lower())
    if number is None or factor is None or not 0 < number * factor <= _LONGEST_MINUTES:
        context.warn("not a duration, left out", path.where)
        return None
    return str(int(number * factor))


def _measured(
    context: Context, raw: Raw, path: Path, units: Mapping[str, Decimal], sound: tuple[Decimal, Decimal]
) -> Finding | None:
    value, unit, status, at = raw
    if status in _WITHDRAWN:
        return None
    number, factor = _number(context, value), _factor(context, unit, units)
    if number is None:
        context.warn("not a number, left out", path.where)
        return None
    if factor is None:
        context.warn("a measurement without a unit that is known was left out", path.where)
        return None
    measured = (number * factor).quantize(_TO_THE_GRAM)
    if not sound[0] <= measured <= sound[1]:
        context.warn("a measurement that no patient has was left out", path.where)
        return None
    moment = _moment(context, at, path)
    return Finding(f"{measured.normalize():f}", moment.at if moment is not None else None)


def _number(context: Context, raw: str) -> Decimal | None:
    """Return the number of an NM, or of an SN's second component. A comma counts as the decimal point."""
    text = (context.message.part(raw, 1) or context.message.part(raw, 2)).replace(",", ".")
    digits = text.replace(".", "", 1)
    is_number = len(text) <= _DIGITS_MAX and digits.isascii() and digits.isdecimal()
    return Decimal(text) if is_number else None


def _factor(context: Context, raw: str, units: Mapping[str, Decimal]) -> Decimal | None:
    """Return what a unit (CE: code, or its name) is to be multiplied with."""
    for component in (1, 2):
        found = units.get(context.message.part(raw, component).lower())
        if found is not None:
            return found
    return None


def _moment(context: Context, raw: str, path: Path) -> Moment | None:
    value = in_hl7_form(context.message.part(raw, 1), context.site.policy)
    try:
        found = read_timestamp(value, context.zone, path.where) if value else None
    except Malformed:
        context.warn("the time of a measurement cannot be read, and the message's was taken", path.where)
        return None
    return found[0] if found is not None and found[1] >= _DIGITS_OF_A_DAY else None
