"""Devices: what each is shown, how a name reads on it, and a change of what it is shown."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.codecs.dicom.device_preview import Shown
from bridge.domain.accounts import Permission
from bridge.domain.device_losses import LOSS_WORDS
from bridge.errors import Malformed
from bridge.flows.device_desk import DeviceRow
from bridge.web import reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes
from bridge.web.bodies import json_object, only

blueprint = Blueprint("api_devices", __name__, url_prefix="/api/devices")


@blueprint.get("")
@needs(Permission.READ_PEERS)
def devices() -> Response:
    """Return every device that reads the worklist."""
    return jsonify(devices=[_row(row) for row in services().flows.devices.rows()], next=None)


@blueprint.get("/<path:ae_title>")
@needs(Permission.READ_PEERS)
def read_device(ae_title: str) -> Response:
    """Return one device: its profile in words, what was chosen for it, and what of today's steps it does not get whole."""
    sheet = services().flows.devices.sheet(ae_title)
    reads.note_patients("device_viewed", [one.patient_key for one in sheet.losses])
    chosen = sheet.chosen
    lines = [{"title": line.title, "sentence": line.sentence, "keys": line.keys} for line in sheet.lines]
    losses = [
        {"order": f"order-{one.order_key}", "accession_number": one.accession_number, "texts": _texts(one.texts)}
        for one in sheet.losses
    ]
    choices = {"choices": chosen.choices if chosen else {}, "version": chosen.version if chosen else 0}
    return jsonify(_row(sheet.row) | choices | {"profile": lines, "losses": losses})


@blueprint.post("/<path:ae_title>/preview")
@needs(Permission.READ_PEERS)
def preview_name(ae_title: str) -> Response:
    """Say how a person name reads on a device; nothing is stored."""
    body = only(json_object(), "name", "charset")
    name, asked = body.get("name", ""), body.get("charset", "")
    if not isinstance(name, str) or not isinstance(asked, str):
        raise Malformed("texts are wanted", where="name")
    found = services().flows.devices.preview(ae_title, name, asked)
    reads.note("name_previewed", detail={"device": ae_title})
    return jsonify(charset=found.character_set, texts=_texts(found.texts))


@blueprint.post("/<path:ae_title>/choices")
@needs(Permission.READ_PEERS)
def choose(ae_title: str) -> Response:
    """Lay choices over a device's settings, from its next query on; {} takes earlier ones back. version: of those, 0 for none."""
    body = only(json_object(), "choices", "version")
    choices, version = body.get("choices"), body.get("version", 0)
    if not isinstance(choices, dict) or not isinstance(version, int) or isinstance(version, bool):
        raise Malformed("choices, and their version as a number, are wanted", where="choices")
    services().flows.devices.choose(ae_title, choices, version, caller().name)
    return read_device(ae_title)


def _row(row: DeviceRow) -> dict[str, Any]:
    profile, contact = row.profile, row.contact
    return {
        "id": profile.ae_title,
        "ae_title": profile.ae_title,
        "titles": profile.titles,
        "preset": profile.preset,
        "modality": profile.modality,
        "charset": profile.charset,
        "last_query_at": shapes.instant(contact.query_at),
        "last_performed_at": shapes.instant(contact.performed_at),
        "last_images_at": shapes.instant(contact.images_at),
        "shown_today": row.shown,
        "not_whole_today": row.lossy,
    }


def _texts(texts: tuple[Shown, ...]) -> list[dict[str, Any]]:
    return [
        {
            "keyword": one.keyword,
            "stored": one.stored,
            "shown": one.shown,
            "losses": [{"code": loss.value, "words": LOSS_WORDS[loss]} for loss in one.losses],
        }
        for one in texts
    ]
