"""What messages would do, and why, without doing it: no database, nothing kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import SystemOf
from bridge.codecs.hl7 import charset, er7
from bridge.codecs.hl7.ack import verdict_of
from bridge.codecs.hl7.envelope import Envelope, body_of, read_envelope
from bridge.codecs.hl7.field_names import field_name, segment_name
from bridge.codecs.hl7.lint import lint
from bridge.codecs.hl7.pasted import messages_in
from bridge.errors import BridgeError
from bridge.flows.preview_items import StationsFor, entries, resources, worklist_items
from bridge.mapping.apply import Mapped, apply
from bridge.mapping.coverage import MOST_ASKED, Coverage, cover
from bridge.mapping.resolve import MappingSet
from bridge.mapping.show import show
from bridge.mapping.site import Defaults, SiteMapping

Preview = dict[str, Any]

_KEYS = ("requested_procedure.accession", "requested_procedure.study_instance_uid", "scheduled_step.start")
_SUGGESTED_MAX = 3
# The structure check takes tens of milliseconds a message.
_LINTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Ground:
    """What a preview stands on. stations_for: the devices of a modality. system_of: an authority's FHIR system."""

    mappings: MappingSet
    defaults: Defaults
    stations_for: StationsFor
    system_of: SystemOf


def preview_messages(raw: bytes, ground: Ground, site_name: str = "", *, is_text: bool = False) -> list[Preview]:
    """
    Return a preview of every message in *raw*: one, several, a batch, or frames out of a log.

    is_text: it comes out of a clipboard, in UTF-8; its sender's bytes are made of it again.
    """
    found = messages_in(raw)
    linted = len(found) <= _LINTED_MAX
    return [preview_message(message, ground, site_name, is_text=is_text, linted=linted) for message in found]


def preview_message(
    raw: bytes, ground: Ground, site_name: str = "", *, is_text: bool = False, linted: bool = True
) -> Preview:
    """
    Return what *raw* would do: site, drafts, worklist items, FHIR resources, the trace of every value, what was looked for
    in vain, what was ignored, notices, lint; for an unknown sender the presets that read it best.

    site_name: read it by this site's or preset's rules rather than its sender's. A message that would be refused says so
    under "error", with the answer's code and place.
    """
    envelope = read_envelope(raw)
    site, why = _site(envelope, ground.mappings, site_name)
    preview = _blank(envelope, site, why)
    preview["known_sender"] = site is not None
    if is_text:
        raw = charset.encode(body_of(raw).decode("utf-8"), envelope.declared_charsets, site.charset if site else None)
    try:
        if envelope.fault is not None:
            raise envelope.fault
        message = er7.parse(raw, (site or ground.mappings.base).charset)
    except BridgeError as fault:
        preview["error"] = _error(fault)
        return preview
    preview["charset"] = message.codec
    preview["lint"] = lint(message) if linted else ["not checked: too many messages at once"]
    mapped = _map(message, site or ground.mappings.base, ground.defaults, preview)
    covered = cover(message, site or ground.mappings.base, mapped.trace if mapped else ())
    preview["missing"] = [asdict(one) for one in covered.missing]
    # Of a refused message nothing was taken, and no place came second.
    preview["not_needed"] = [asdict(one) for one in covered.not_needed if mapped is not None]
    preview["ignored"] = [asdict(one) for one in covered.ignored]
    preview["segments"] = _segments(message, preview)
    preview["asked"] = _asked(mapped, covered)
    if site is None:
        preview["presets"] = suggest_presets(raw, ground)
    if mapped is None:
        return preview
    found = entries(mapped, ground.stations_for)
    preview["drafts"] = show(mapped)
    preview["trace"] = [line._asdict() for line in mapped.trace]
    preview["notices"] = [asdict(notice) for notice in mapped.notices]
    preview["worklist"] = worklist_items(found)
    preview["fhir"] = resources(mapped, found, _house(site or ground.mappings.base, ground))
    return preview


def _house(site: SiteMapping, ground: Ground) -> House:
    return House(ZoneInfo(site.time_zone or ground.defaults.time_zone or "UTC"), ground.system_of)


def suggest_presets(raw: bytes, ground: Ground) -> list[Preview]:
    """Return the presets that read an order message best, the best first: what each makes of its most asked values."""
    ranked = []
    for preset in ground.mappings.presets:
        try:
            message = er7.parse(raw, preset.charset)
            mapped = apply(message, preset, ground.defaults)
        except BridgeError:
            continue
        if mapped.orders:
            # A country's preset is for its senders: of equals the one without a clock of its own comes first.
            ranked.append(((*_merit(mapped, ground), bool(preset.time_zone)), _suggestion(preset, mapped)))
    ranked.sort(key=lambda one: (one[0], one[1]["name"]))
    return [suggestion for _, suggestion in ranked[:_SUGGESTED_MAX]]


def _merit(mapped: Mapped, ground: Ground) -> tuple[int, int, int]:
    """Return what stands against a preset: items kept back, values made up for want of a field, notices."""
    kept_back = sum(bool(item["incomplete"]) for item in worklist_items(entries(mapped, ground.stations_for)))
    made = sum(len(order.derived - {"scheduled_procedure_step_id"}) for order in mapped.orders)
    return kept_back, made, len(mapped.notices)


def _suggestion(preset: SiteMapping, mapped: Mapped) -> Preview:
    sources = {line.target: line.source for line in mapped.trace if line.rule != "derived"}
    return {
        "name": f"sites/{preset.name}",
        "about": preset.about,
        "sources": {key: sources[key] for key in _KEYS if key in sources},
    }


def _site(envelope: Envelope, mappings: MappingSet, site_name: str) -> tuple[SiteMapping | None, str]:
    """Return whose rules read the message, and why they do."""
    chosen = mappings.rules_named(site_name) if site_name else None
    if chosen is not None:
        return chosen, "asked for"
    site = mappings.resolve(envelope.sending_application, envelope.sending_facility)
    sender = f"MSH-3 {envelope.sending_application or 'empty'}, MSH-4 {envelope.sending_facility or 'empty'}"
    if site is None:
        return None, f"no site's match has {sender}"
    return site, f"its match has the sender: {sender}"


def _blank(envelope: Envelope, site: SiteMapping | None, why: str) -> Preview:
    return {
        "site": site.name if site is not None else "",
        "site_because": why,
        "event": envelope.message_type,
        "control_id": envelope.control_id,
        "charset": "",
        "drafts": "",
        "worklist": [],
        "fhir": [],
        "trace": [],
        "asked": [],
        "missing": [],
        "not_needed": [],
        "ignored": [],
        "notices": [],
        "lint": [],
        "segments": [],
        "presets": [],
        "error": None,
    }


def _map(message: er7.Message, site: SiteMapping, defaults: Defaults, preview: Preview) -> Mapped | None:
    try:
        return apply(message, site, defaults)
    except BridgeError as fault:
        preview["error"] = _error(fault)
        return None


def _asked(mapped: Mapped | None, covered: Coverage) -> list[Preview]:
    """Return what is asked first of an order (patient's number, accession number, study, start, device), found or not."""
    read = {line.target: line for line in mapped.trace} if mapped else {}
    missing = {one.target: one for one in covered.missing}
    out = []
    for target in MOST_ASKED:
        line, sought = read.get(target), missing.get(target)
        if line is not None or sought is not None:
            out.append(
                {
                    "target": target,
                    "value": line.value if line else "",
                    "source": line.source if line else "",
                    "rule": line.rule if line else sought.rule if sought else "",
                    "tried": [asdict(one) for one in sought.tried] if sought else [],
                }
            )
    return out


def _segments(message: er7.Message, preview: Preview) -> list[Preview]:
    """Return the message as people read it: every field with its name, and what became of it."""
    fates = {one["where"]: fate.replace("_", " ") for fate in ("not_needed", "ignored") for one in preview[fate]}
    return [
        {
            "name": segment.where,
            "label": segment_name(segment.name),
            "fields": [
                {
                    "where": (where := f"{segment.where}-{number}"),
                    "label": field_name(segment.name, number),
                    "text": text,
                    "fate": fates.get(where, ""),
                }
                for number, text in enumerate(segment.fields)
                if number and text.strip()
            ],
        }
        for segment in message.segments
    ]


def _error(fault: BridgeError) -> dict[str, str]:
    verdict = verdict_of(fault)
    return {
        "code": verdict.acknowledgment_code,
        "error_code": verdict.error_code,
        "where": verdict.where,
        "detail": fault.to_caller,
        "source": fault.source,
    }
