"""What lies over a study as received: the values that its objects leave with, version by version.

An overlay is data: who laid which values over it, when and why. What was received stays as it came, so any version can
be laid over it again, and taking one back is a version too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a value leaves as another: brought in line with our record, or it was wrong. Source: PS3.3 C.12.1.1.9."""

    COERCE = "COERCE"
    CORRECT = "CORRECT"


class VersionKind(StrEnum):
    """
    What made a version.

    BOUND: the study became somebody's. FOLLOWED: the record or the order of the same patient changed. HELD: the binding
    was taken away; nothing leaves. CORRECTED: a person corrected attributes. UNDONE: a person took such a version back.
    """

    BOUND = "bound"
    FOLLOWED = "followed"
    HELD = "held"
    CORRECTED = "corrected"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Layer:
    """
    The values that one version put in the place of others, DICOM keyword to value.

    at: when that version was made, aware: the same layer always leaves with the same instant, byte for byte.
    """

    at: datetime
    values: Mapping[str, str]
    reason: Reason = Reason.COERCE
    version: int = 0


@dataclass(frozen=True, slots=True)
class Overlay:
    """
    What every object of a study leaves with under one binding; no keyword stands in two layers.

    since: the binding version from which on objects have left so without a change. With an instance's digest it names
    the bytes that leave.
    """

    study_key: int
    binding_version: int
    since: int
    layers: tuple[Layer, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """Everything that objects leave with, whether or not it stands in them already."""
        return values_of(self.layers)


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that leaves otherwise than under the version before. before, after: "" for no value."""

    keyword: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class OverlayVersion:
    """
    One version, append-only. number counts from 1 in each study.

    actor: a rule code or "user:<name>". why: what the person wrote, or the rule's sentence. patient_key: whose the
    study was, None for HELD. undoes: the number of the version that this one took back.
    """

    study_key: int
    number: int
    binding_version: int
    since: int
    kind: VersionKind
    made_at: datetime
    actor: str
    why: str
    patient_key: int | None = None
    layers: tuple[Layer, ...] = ()
    changes: tuple[Change, ...] = ()
    undoes: int | None = None

    @property
    def corrections(self) -> tuple[Layer, ...]:
        """What people corrected, without what the binding brought."""
        return _by_people(self.layers)


_UNDOABLE = frozenset({VersionKind.CORRECTED, VersionKind.UNDONE})
_REBINDING = frozenset({VersionKind.BOUND, VersionKind.HELD})


def is_correction_of_this_binding(version: OverlayVersion, versions: Sequence[OverlayVersion]) -> bool:
    """Say whether *version*, one of *versions*, is what a person did since the study became whose it is."""
    is_by_person = version.kind in _UNDOABLE
    return is_by_person and not any(one.kind in _REBINDING for one in versions if one.number > version.number)


def undone_by(version: OverlayVersion, versions: Sequence[OverlayVersion]) -> int | None:
    """Return the number of the version that took *version* back, None if it stands."""
    return next((one.number for one in versions if one.undoes == version.number), None)


def values_of(layers: Sequence[Layer]) -> dict[str, str]:
    """Return everything that *layers* say, keyword to value."""
    return {keyword: value for layer in layers for keyword, value in layer.values.items()}


def with_identity(layers: tuple[Layer, ...], identity: Layer) -> tuple[Layer, ...]:
    """
    Return *layers* with *identity* as what the binding brings.

    The same identity stays the layer that it was. A person's correction gives way to what the record says.
    """
    standing = next((layer for layer in layers if layer.reason == Reason.COERCE), None)
    if standing is not None and dict(standing.values) == dict(identity.values):
        identity = standing
    corrected = without(_by_people(layers), identity.values)
    return _in_order((*((identity,) if identity.values else ()), *corrected))


def with_correction(layers: tuple[Layer, ...], correction: Layer) -> tuple[Layer, ...]:
    """Return *layers* with *correction*; an earlier correction of the same attribute gives way."""
    return _in_order((*without(layers, correction.values), correction))


def taken_back(layers: tuple[Layer, ...], version: OverlayVersion, before: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """
    Return *layers* with what *version* corrected as it was *before*.

    What a later version corrected again stays, and so does what the binding says by now.
    """
    identity = values_of(tuple(layer for layer in layers if layer.reason == Reason.COERCE))
    now, said = (values_of(_by_people(each)) for each in (layers, version.layers))
    keywords = [
        one.keyword
        for one in version.changes
        if one.keyword not in identity and now.get(one.keyword) == said.get(one.keyword)
    ]
    found = without(layers, keywords)
    for layer in _by_people(before):
        restored = {keyword: layer.values[keyword] for keyword in keywords if keyword in layer.values}
        if restored:
            found = _joined(found, Layer(layer.at, restored, layer.reason, layer.version))
    return _in_order(found)


def without(layers: tuple[Layer, ...], keywords: Mapping[str, str] | list[str]) -> tuple[Layer, ...]:
    """Return *layers* less *keywords*; one with nothing left goes."""
    kept = (
        Layer(layer.at, {word: layer.values[word] for word in layer.values if word not in keywords}, *_rest(layer))
        for layer in layers
    )
    return tuple(layer for layer in kept if layer.values)


def changes_between(before: Mapping[str, str], after: Mapping[str, str], received: Mapping[str, str]) -> list[Change]:
    """Return what leaves otherwise than before; what neither says leaves as *received*."""
    words = dict.fromkeys((*before, *after))
    pairs = (
        (word, before.get(word, received.get(word, "")), after.get(word, received.get(word, ""))) for word in words
    )
    return [Change(*pair) for pair in pairs if pair[1] != pair[2]]


def _by_people(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(layer for layer in layers if layer.reason == Reason.CORRECT)


def _joined(layers: tuple[Layer, ...], one: Layer) -> tuple[Layer, ...]:
    """Return *layers* with *one*, joined to the rest of its version where that still stands."""
    same = next((layer for layer in layers if (layer.version, layer.reason) == (one.version, one.reason)), None)
    if same is None:
        return (*layers, one)
    whole = Layer(one.at, {**same.values, **one.values}, one.reason, one.version)
    return tuple(whole if layer is same else layer for layer in layers)


def _in_order(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(sorted(layers, key=lambda layer: (layer.at, layer.version)))


def _rest(layer: Layer) -> tuple[Reason, int]:
    return layer.reason, layer.version
