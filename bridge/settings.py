"""Frozen settings from one TOML file and the environment over it; an unknown key stops the start with the nearest right word.

Every value has a safe default. What an unsafe start is, and why it is refused, stands in `bridge/safety.py`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError, model_validator

from bridge.errors import Misconfigured
from bridge.sections.bridge import BridgeSection
from bridge.sections.dicom import DicomSection
from bridge.sections.fhir import FhirSection
from bridge.sections.hl7 import Hl7Section
from bridge.sections.http import HttpSection
from bridge.sections.identity import IdentitySection
from bridge.sections.outside import OutsideSection
from bridge.sections.payer import Clearinghouse, Payer, calling
from bridge.sections.remote import DicomwebSection, PublishSection
from bridge.sections.section import Section, each_once
from bridge.sections.store import StoreSection
from bridge.sections.told import Webhooks

ENVIRONMENT_PREFIX = "IMAGING_BRIDGE__"


class Settings(Section):
    """Everything a node needs to know, checked as a whole."""

    bridge: BridgeSection = BridgeSection()
    store: StoreSection = StoreSection()
    hl7: Hl7Section = Hl7Section()
    dicom: DicomSection = DicomSection()
    http: HttpSection = HttpSection()
    fhir: FhirSection = FhirSection()
    dicomweb: DicomwebSection = DicomwebSection()
    payers: tuple[Payer, ...] = ()
    clearinghouses: tuple[Clearinghouse, ...] = ()
    publish: PublishSection = PublishSection()
    identity: IdentitySection = IdentitySection()
    outside: OutsideSection = OutsideSection()
    webhooks: Webhooks = ()

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        each_once(tuple(one.name for one in self.clearinghouses), str)
        takers = {one.name for one in self.clearinghouses if one.takes_files}
        if lost := [one.name for one in self.payers if one.clearinghouse and one.clearinghouse not in takers]:
            raise ValueError(f"payers: {lost[0]!r} names a clearinghouse that takes no files in [[clearinghouses]]")
        places = (*(one.ae_title for one in self.dicom.peers), *(one.name for one in self.dicomweb.servers))
        each_once(places, str)
        if unknown := [archive for _, archive in self.hl7.adt_doors if archive not in places]:
            raise ValueError(f"hl7.destinations: no archive {unknown[0]!r} in [dicom] or [dicomweb]")
        linked = [one.name for one in self.hl7.destinations if one.link] + calling(self.payers)
        linked += [one.name for one in self.fhir.servers if one.is_telling]
        if linked and not self.http.public_url:
            raise ValueError(
                f"a link for {linked[0]!r} (hl7.destinations, payers, fhir.servers) needs [http] public_url"
            )
        return self

    @property
    def corrected_by_hand(self) -> tuple[str, ...]:
        """The places that are never sent again what they have otherwise."""
        peers, servers = self.dicom.peers, self.dicomweb.servers
        sends = {one.ae_title: one.sends for one in peers} | {one.name: one.sends for one in servers}
        return tuple(name for name, how in sends.items() if how.corrected == "by_hand")

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.store.database or f"sqlite:///{(self.bridge.data / 'bridge.db').absolute()}"

    @property
    def blob_folder(self) -> Path:
        """Folder of the received objects; of what is on its way to and from a bucket, where they lie in one."""
        return Path(self.store.blobs) if self.store.blobs and not self.store.is_s3 else self.bridge.data / "blobs"

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.bridge.time_zone)


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """
    Read settings from *path* (None: defaults only) with the environment laid over them.

    environment: os.environ unless given; names are IMAGING_BRIDGE__SECTION__KEY, values TOML or plain text.
    Relative paths in the file are relative to the file's folder.
    Raises: Misconfigured, with every fault.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text("utf-8"))
        except OSError as fault:
            raise Misconfigured([f"{path}: {fault.strerror or 'cannot be read'}"]) from fault
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise Misconfigured([f"{path}: {fault}"]) from fault
    _lay_over(tree, os.environ if environment is None else environment)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as fault:
        raise Misconfigured(_sentences(fault)) from None
    return _anchored(settings, path.parent if path is not None else Path())


def _lay_over(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        steps = [step.lower() for step in name.removeprefix(ENVIRONMENT_PREFIX).split("__")]
        place: Any = tree
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) and step.isdigit() else place.setdefault(step, {})
        place[steps[-1]] = _value(environment[name])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Return *settings* with every path, however deep, taken from *folder*."""
    anchored: Settings = _anchor(settings, folder)
    blobs = anchored.store.blobs
    if not blobs or anchored.store.is_s3:
        return anchored
    store = anchored.store.model_copy(update={"blobs": str(folder / blobs)})
    return anchored.model_copy(update={"store": store})


def _anchor(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(_anchor(one, folder) for one in value)
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: _anchor(getattr(value, name), folder) for name in type(value).model_fields}
        )
    return value


def _sentences(fault: ValidationError) -> list[str]:
    """Return one sentence for each fault; values are left out, since some are secrets."""
    lines = []
    for error in fault.errors(include_input=False, include_url=False):
        place = ".".join(str(step) for step in error["loc"])
        if error["type"] == "extra_forbidden":
            near = _nearest(error["loc"])
            lines.append(f"{place}: unknown key" + (f", did you mean {near!r}?" if near else ""))
        else:
            said = error["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {said[:1].lower()}{said[1:]}")
    return lines


def _nearest(place: tuple[int | str, ...]) -> str:
    model: Any = Settings
    for step in place[:-1]:
        if isinstance(step, int):
            continue
        field = getattr(model, "model_fields", {}).get(step)
        model = _model_of(field.annotation) if field is not None else None
    names = [f.alias or name for name, f in getattr(model, "model_fields", {}).items()]
    return next(iter(difflib.get_close_matches(str(place[-1]), names, n=1, cutoff=0.6)), "")


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None
