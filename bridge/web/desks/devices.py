"""The desk of devices and servers: what each device is shown, in words; how names read on it; what people choose for it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.codecs.dicom.device_preview import Preview
from bridge.domain.accounts import Permission
from bridge.domain.device_losses import LOSS_WORDS, TEXT_WORDS
from bridge.domain.device_words import CHARSETS, charset_words
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed
from bridge.flows.device_desk import DeviceSheet
from bridge.store.listings import counts
from bridge.web import reads
from bridge.web.access import caller, needs, services
from bridge.web.device_form import FOLLOW, read_choices, shown_choices

blueprint = Blueprint("devices", __name__)

_SEES = (
    ("everybody", "everybody's"),
    ("station", "that name it"),
    ("station,unassigned", "that name it or no device"),
    ("modality", "of its modality"),
    ("station,modality", "that name it, or of its modality"),
    ("modality,unassigned", "of its modality, or that name no device"),
)


@blueprint.get("/devices")
@needs(Permission.READ_PEERS)
def listed() -> str:
    """Show every device with what it is shown, the servers and payers, and our own listeners."""
    with services().store.read() as tx:
        tally = counts.unsettled_deliveries(tx)
    waiting: dict[str, int] = {}
    for (destination, _), number in tally.items():
        waiting[destination] = waiting.get(destination, 0) + number
    return render_template(
        "devices/list.html",
        rows=services().flows.devices.rows(),
        settings=services().settings,
        waiting=waiting,
        charset_words=charset_words,
    )


@blueprint.get("/devices/<path:title>")
@needs(Permission.READ_PEERS)
def device(title: str) -> str:
    """Show one device: what it is shown, what names lose on it, and the forms."""
    return _page(title)


@blueprint.post("/devices/<path:title>/preview")
@needs(Permission.READ_PEERS)
def preview(title: str) -> Response | str:
    """Show how a name reads on a device."""
    name, asked = request.form.get("name", ""), request.form.get("asked", "")
    try:
        found = services().flows.devices.preview(title, name, asked)
    except (Incomplete, Malformed) as fault:
        return make_response(_page(title, typed=name, asked=asked, fault=fault), 422)
    reads.note("name_previewed", detail={"device": title})
    return _page(title, typed=name, asked=asked, found=found)


@blueprint.post("/devices/<path:title>")
@needs(Permission.READ_PEERS)
def choose(title: str) -> Response | str:
    """Change what a device is shown, from its next query on."""
    desk, version = services().flows.devices, request.form.get("version", "0")[:9]
    try:
        desk.choose(title, read_choices(request.form), int(version) if version.isdecimal() else 0, caller().name)
    except (Malformed, Conflict) as fault:
        status = 409 if isinstance(fault, Conflict) else 422
        return make_response(_page(title, refused=fault, fields=request.form.to_dict()), status)
    return redirect(url_for("devices.device", title=title) + "#shown", 303)


def _page(
    title: str,
    *,
    typed: str = "",
    asked: str = "",
    found: Preview | None = None,
    fault: BridgeError | None = None,
    refused: BridgeError | None = None,
    fields: dict[str, str] | None = None,
) -> str:
    sheet = services().flows.devices.sheet(title)
    reads.note_patients("device_viewed", [one.patient_key for one in sheet.losses])
    shown: dict[str, Any] = {"typed": typed, "asked": asked, "found": found, "fault": fault, "refused": refused}
    return render_template(
        "devices/device.html",
        sheet=sheet,
        profile=sheet.row.profile,
        fields=fields if fields is not None else shown_choices(sheet.chosen.choices if sheet.chosen else {}),
        said=_said(sheet),
        preset_options=[(one.name, one.title) for one in services().flows.devices.presets.values()],
        charsets=CHARSETS,
        charset_options=[(FOLLOW, "as its query asks"), *((one, f"{charset_words(one)} ({one})") for one in CHARSETS)],
        keyword_words=TEXT_WORDS,
        charset_words=charset_words,
        loss_words=LOSS_WORDS,
        sees=_SEES,
        **shown,
    )


def _said(sheet: DeviceSheet) -> dict[str, str]:
    """Return of each line of the profile where it comes from, in words."""
    words = {"settings": "as the settings say", "console": "as chosen here"}
    said = {}
    for line in sheet.lines:
        origins = [sheet.origins[key] for key in line.keys if key in sheet.origins]
        texts = [one.because or words.get(one.said_in, "") for one in origins]
        said[line.title] = " ".join(dict.fromkeys(texts)) or "the default"
    return said
