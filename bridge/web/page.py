"""What every template may use: names, dates and states in the words of people, and who is looking."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, request, url_for
from markupsafe import Markup

from bridge.domain.accounts import Permission
from bridge.domain.attachment import WAY_WORDS
from bridge.store.listings import counts
from bridge.web import access, picture_answers
from bridge.web.action_words import ACTIONS

_STATIC = Path(__file__).parent / "static"

# The desks in the bar: title, endpoint, permission, which number of open work stands beside it.
DESKS = (
    ("Today", "board.today", Permission.READ_EXAMS, ""),
    ("Worklist", "worklist.show", Permission.READ_WORKLIST, ""),
    ("New exam", "entry.new", Permission.ENTER_ORDERS, ""),
    ("Mismatches", "intake.mismatches", Permission.DECIDE, "mismatches"),
    ("Questions", "questions.listed", Permission.ANSWER_QUESTIONS, "questions"),
    ("Figures", "figures.figures", Permission.READ_FIGURES, ""),
    ("Authorizations", "billing.authorizations", Permission.BILL, "to_release"),
    ("Messages", "messages.listed", Permission.READ_MESSAGES, "failed_messages"),
    ("Deliveries", "it.deliveries", Permission.READ_DELIVERIES, "dead"),
    ("Storage", "shelf.show", Permission.READ_DELIVERIES, ""),
    ("Devices & servers", "devices.listed", Permission.READ_PEERS, ""),
    ("Rules", "rules.tried", Permission.TRY_RULES, ""),
    ("Audit", "admin.audit", Permission.READ_AUDIT, ""),
    ("People & tokens", "admin.users", Permission.ADMINISTER, ""),
)

# Pages of a desk that do not lie below its address, by their blueprint.
_ALSO_OF = {
    "billing.authorizations": ("claims", "payer_files", "proof"),
    "intake.mismatches": ("intake", "incidents"),
    "it.deliveries": ("charts",),
}

AUTHORIZATION_WORDS = {
    "authorization-unconfirmed": ("waiting", "number only"),
    "authorization-draft": ("waiting", "not sent yet"),
    "authorization-submitted": ("active", "not answered yet"),
    "authorization-pended": ("person", "pended"),
    "authorization-approved": ("done", "approved"),
    "authorization-partial": ("person", "approved in part"),
    "authorization-modified": ("person", "approved with changes"),
    "authorization-denied": ("failed", "denied"),
    "authorization-contact-payer": ("person", "call the payer"),
    "authorization-not-required": ("done", "not required"),
    "authorization-cancelled": ("off", "cancelled"),
    "authorization-error": ("failed", "not readable to the payer"),
    "authorization-expired": ("failed", "expired"),
    "authorization-superseded": ("off", "replaced"),
}
STATE_WORDS = {
    "bound": ("done", "bound"),
    "bound_with_correction": ("done", "bound, corrected"),
    "review": ("person", "needs a decision"),
    "quarantine": ("person", "set aside"),
    "SCHEDULED": ("waiting", "scheduled"),
    "ARRIVED": ("waiting", "arrived"),
    "READY": ("waiting", "ready"),
    "STARTED": ("active", "in progress"),
    "COMPLETED": ("done", "completed"),
    "DISCONTINUED": ("failed", "stopped"),
    "CANCELED": ("off", "cancelled"),
    "HELD": ("person", "on hold"),
    "IN PROGRESS": ("active", "in progress"),
    "applied": ("done", "applied"),
    "refused": ("failed", "refused"),
    "failed": ("failed", "failed"),
    "pending": ("waiting", "waiting"),
    "sending": ("active", "sending"),
    "held": ("person", "held"),
    "sent": ("done", "sent"),
    "dead": ("failed", "given up"),
    "dropped": ("off", "dropped"),
    "draft": ("person", "waits for release"),
    "released": ("waiting", "on its way"),
    "registered": ("waiting", "announced"),
    "available": ("done", "in the chart"),
    "partial": ("active", "not verified yet"),
    "preliminary": ("active", "preliminary"),
    "final": ("done", "final"),
    "amended": ("done", "amended"),
    "corrected": ("done", "corrected"),
    "completed": ("done", "completed"),
    "current": ("done", "current"),
    "in-progress": ("active", "in progress"),
    "not-done": ("waiting", "not done"),
    "active": ("active", "active"),
    "appended": ("done", "final, with an addendum"),
    "cancelled": ("off", "cancelled"),
    "entered-in-error": ("failed", "withdrawn, sent in error"),
    "unknown": ("person", "status not said"),
    "unbound": ("person", "no patient yet"),
    "open": ("person", "open"),
    "new": ("done", "new"),
    "changed": ("active", "changed"),
    "unchanged": ("off", "as it was"),
    "looked-at": ("waiting", "not applied"),
    "waiting": ("waiting", "waiting"),
    "running": ("active", "being applied"),
    "done": ("done", "done"),
    "stopped": ("failed", "stopped"),
    "closed": ("off", "closed"),
}
TOPICS = {
    "imaging_study": "Chart entry",
    "provenance": "Origin of a chart entry",
    "chart_part": "Chart entry beside the images",
    "chart_order": "Order's status in the chart",
    "chart_way": "Way to the images in the chart",
    "imaging-study": "Chart entry",
    "announcement": "Chart announcement",
    "ImagingStudy": "Chart entry",
    "archive": "Images to archive",
    "order_status": "Order status",
    "performed_step": "Performed step (MPPS)",
    "availability": "Availability note",
    "commitment": "Storage commitment",
    "commitment_report": "Commitment report",
    "rejection": "Rejection note",
    "adt": "Patient news (ADT)",
    "claim": "Claim attachment",
    "Claim": "Claim attachment",
    "packet": "Packet for a payer",
    "payer_request": "Request to a payer",
    "evidence_request": "Answer to a payer's task",
    "cdex": "Attachment to a payer (CDex)",
    "pas": "Attachment to a payer (PAS)",
    "x12": "File for a clearinghouse",
    "subscription": "Subscription's notification",
    "webhook": "Webhook",
}
# What frees a held delivery, by what it waits for.
HELD_WORDS = {
    "identity": "It goes out by itself once that is settled.",
    "receiver": "Its identity is not in doubt. Mend the receiver or its settings, then send it now; what is new of the study tries it again too.",
    "objects": "A person must look at these objects; then send it now. What is new of the study tries it again too.",
    "restore": "Send it now if it has not gone out already.",
    "destination": "It goes out by itself once the settings name its destination again.",
}
STATIONS = {
    "order": "Ordered",
    "scheduled": "On the worklist",
    "performed": "Performed",
    "images": "Images in",
    "reconciled": "Patient confirmed",
    "chart": "In the chart",
    "authorization": "On the authorization",
}


def readable_json(value: object) -> str:
    """Return JSON as people read it, characters as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def register(app: Flask) -> None:
    """Give the templates of *app* their words."""
    app.jinja_env.filters.update(
        name=human_name,
        born=human_date,
        local=human_local,
        when=when,
        ago=ago,
        actor=human_actor,
        action=human_action,
        unlike=unlike,
        readable_json=readable_json,
    )
    app.jinja_env.globals.update(
        asset=asset,
        state_words=STATE_WORDS | AUTHORIZATION_WORDS,
        topics=TOPICS,
        held_words=HELD_WORDS,
        stations=STATIONS,
        attachment_ways=WAY_WORDS,
        csrf_token=access.csrf_token,
        picture_url=picture_answers.picture_url,
        set_aside_url=picture_answers.set_aside_url,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_context)


def human_name(pn: str) -> str:
    """
    Return a DICOM PN for the eye: "JONES, MARY A", other writings in brackets.

    >>> human_name("JONES^MARY^A"), human_name("Yamada^Tarou=山田^太郎"), human_name("")
    ('JONES, MARY A', 'Yamada, Tarou (山田 太郎)', 'no name')
    """
    groups = [group for group in (pn or "").split("=") if group.strip("^ ")]
    if not groups:
        return "no name"
    family, *rest = [part.strip() for part in groups[0].split("^")]
    text = ", ".join(filter(None, (family, " ".join(filter(None, rest)))))
    others = [" ".join(filter(None, group.split("^"))) for group in groups[1:]]
    return f"{text} ({', '.join(others)})" if others else text


def human_date(dicom: str) -> str:
    """
    Return "YYYYMMDD" as people write it.

    >>> human_date("19610312"), human_date(""), human_date("1961")
    ('12 Mar 1961', '', '1961')
    """
    try:
        return f"{datetime.strptime(dicom, '%Y%m%d'):%-d %b %Y}"
    except (ValueError, TypeError):
        return dicom or ""


def human_local(dicom: str) -> str:
    """
    Return "YYYYMMDDHHMMSS" by the hospital's clock as people write it.

    >>> human_local("20261121093000"), human_local("20261121")
    ('21 Nov 2026, 09:30', '21 Nov 2026')
    """
    day = human_date((dicom or "")[:8])
    return f"{day}, {dicom[8:10]}:{dicom[10:12]}" if len(dicom or "") >= 12 else day


def when(at: datetime | None, style: str = "full") -> Markup:
    """Return an instant by the house's clock, with its zone on hover. style: "full", "time", "relative" or "waiting"."""
    if at is None:
        return Markup("")
    here = access.services()
    local = at.astimezone(here.settings.time_zone)
    full = f"{local:%-d %b %Y, %H:%M:%S %Z}"
    text = f"{local:%-d %b %Y, %H:%M}"
    if style == "time":
        now = here.clock.now().astimezone(here.settings.time_zone)
        text = f"{local:%H:%M}" if local.date() == now.date() else f"{local:%-d %b, %H:%M}"
    elif style == "relative":
        text = ago(here.clock.now() - at)
    elif style == "waiting":
        text = lasted(here.clock.now() - at)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(timespec="seconds"), full, text)


def ago(span: timedelta) -> str:
    """
    Return how long ago something was.

    >>> ago(timedelta(seconds=5)), ago(timedelta(minutes=90)), ago(timedelta(days=3))
    ('just now', '1 h ago', '3 days ago')
    >>> ago(timedelta(seconds=-90)), ago(timedelta(hours=-30)), ago(timedelta(hours=-167))
    ('in 1 min', 'in 30 h', 'in 6 days')
    """
    seconds = int(span.total_seconds())
    if seconds < 0:
        return f"in {_ahead(-seconds)}"
    if seconds < 45:
        return "just now"
    return f"{lasted(span)} ago"


def _ahead(seconds: int) -> str:
    if seconds < 2 * 3600:
        return f"{max(1, seconds // 60)} min"
    return f"{seconds // 3600} h" if seconds < 2 * 86_400 else f"{seconds // 86_400} days"


def lasted(span: timedelta) -> str:
    """
    Return how long something has lasted.

    >>> lasted(timedelta(seconds=5)), lasted(timedelta(minutes=90)), lasted(timedelta(days=1)), lasted(timedelta(days=3))
    ('under 1 min', '1 h', '1 day', '3 days')
    """
    seconds = int(span.total_seconds())
    if seconds < 45:
        return "under 1 min"
    if seconds < 3600:
        return f"{max(1, seconds // 60)} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    days = seconds // 86400
    return "1 day" if days == 1 else f"{days} days"


def unlike(text: str, other: str) -> Markup:
    """
    Return *text* with the letters marked that *other* does not have there.

    >>> str(unlike("Mercier, Élise", "Mercier, Élodie")), str(unlike("<b>", "<b>"))
    ('Mercier, Éli<mark>s</mark>e', '&lt;b&gt;')
    """
    marked = Markup("")
    for kind, _, _, start, end in difflib.SequenceMatcher(None, other or "", text or "", autojunk=False).get_opcodes():
        part = (text or "")[start:end]
        marked += Markup("<mark>{}</mark>").format(part) if kind != "equal" and part else part
    return marked


def human_actor(actor: str) -> str:
    """
    Return who did something.

    >>> human_actor("user:maria"), human_actor("token:ris"), human_actor("B01"), human_actor("ehr"), human_actor("")
    ('maria', 'ris (program)', 'rule B01', 'ehr', '')
    """
    kind, _, rest = (actor or "").partition(":")
    if not rest:
        return f"rule {actor}" if re.fullmatch(r"[A-Z]\d\d", actor or "") else actor
    if kind == "user":
        return rest
    if kind == "token":
        return f"{rest} (program)"
    if kind == "ehr":
        server, _, person = rest.partition(":")
        return f"{person} ({server})"
    if kind == "link":
        return f"{rest} (by link)"
    return rest if kind in ("peer", "sender") else actor


def human_action(action: str) -> str:
    """Return what an audit row says was done."""
    return ACTIONS.get(action, action.replace("_", " "))


@cache
def asset(name: str) -> str:
    """Return a static file's address with its digest: cached for long, yet never stale."""
    digest = hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:10]
    return url_for("static", filename=name, v=digest)


def _context() -> dict[str, Any]:
    """Return what the shell of every page shows."""
    here, caller = access.services(), access.known_caller()
    shell: dict[str, Any] = {
        "caller": caller,
        "organization": here.settings.bridge.organization,
        "is_demo": here.is_demo,
        "idle_minutes": here.settings.http.idle_minutes,
        "today": _today(),
        "zone": here.settings.bridge.time_zone,
        "desks": [],
        "may": lambda permission: caller is not None and caller.may(Permission(permission)),
        "path": request.path,
        "place": access.place(),
    }
    if caller is not None and caller.is_person:
        with here.store.read() as tx:
            work = counts.open_work(tx)
        shell["work"] = work
        shell["desks"] = [
            {
                "title": title,
                "url": url_for(endpoint),
                "count": getattr(work, number) if number else 0,
                "is_here": request.blueprint in _ALSO_OF.get(endpoint, ()),
            }
            for title, endpoint, permission, number in DESKS
            if caller.may(permission)
        ]
    return shell


def _today() -> date:
    here = access.services()
    return here.clock.now().astimezone(here.settings.time_zone).date()
