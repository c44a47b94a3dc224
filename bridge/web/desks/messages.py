"""The message desk: find a message by anything it says, see what came of it and why, process it again."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.message import MessageFilter
from bridge.flows.sign_in import remember_search
from bridge.store import messages as journal_store
from bridge.store.listings import journal
from bridge.store.listings.message_search import COUNTED_MAX, Facet, MessageSearch
from bridge.web import message_filters, message_views, paging, reads
from bridge.web.access import caller, needs, services, session

blueprint = Blueprint("messages", __name__)


@blueprint.get("/messages")
@needs(Permission.READ_MESSAGES)
def listed() -> str:
    """Show the message journal, newest first, as the chips in the address narrow it."""
    return _list("", None)


@blueprint.post("/messages/search")
@needs(Permission.READ_MESSAGES)
def search() -> Response:
    """Keep what was typed with the session: the address never holds it."""
    chips = message_filters.in_address(request.form)
    text = request.form.get("q", "").strip()
    if not text:
        return redirect(_address(None, chips), 303)
    return redirect(_address(remember_search(services().store, session(), text), chips), 303)


@blueprint.get("/messages/search/<int:number>")
@needs(Permission.READ_MESSAGES)
def found(number: int) -> Response | str:
    """Show the messages that a search found."""
    searches = session().searches
    if not 1 <= number <= len(searches):
        return make_response(render_template("exams/search_gone.html"), 410)
    return _list(searches[number - 1], number)


@blueprint.get("/messages/<int:message_key>")
@needs(Permission.READ_MESSAGES)
def message(message_key: int) -> str:
    """Show one message: raw and parsed side by side, the answer, and where each value came from."""
    with services().store.read() as tx:
        one = journal_store.get(tx, message_key)
        exams, patient_keys = journal.subjects(tx, message_key)
    reads.note_keys("message_viewed", patient_keys, message_key)
    segments, fault = message_views.parsed(one.raw, one.charset)
    return render_template(
        "messages/message.html",
        message=one,
        raw=message_views.raw_text(one.raw, one.charset),
        answer=message_views.raw_text(one.answer, one.charset),
        segments=segments,
        fault=fault,
        exams=exams,
    )


@blueprint.post("/messages/<int:message_key>/replay")
@needs(Permission.READ_MESSAGES)
def replay(message_key: int) -> Response:
    """Process a message again."""
    services().flows.replay_message(message_key=message_key, actor=caller().name)
    return redirect(url_for("messages.message", message_key=message_key), 303)


def _list(text: str, number: int | None) -> str:
    chips = message_filters.in_address(request.args)
    wanted = message_filters.of_query(chips | {"q": text})
    with services().store.read() as tx:
        lookup = MessageSearch(tx, wanted)
        keys = lookup.page(after=paging.before(), limit=paging.LIMIT + 1)
        keys, more = paging.cut(keys, paging.LIMIT)
        rows = journal.by_keys(tx, keys)
        tally = lookup.tally()
        choices = _choices(lookup.facets)
    if text:
        reads.note("messages_listed", detail={"count": len(rows)})
    return render_template(
        "messages/list.html",
        rows=rows,
        text=text,
        number=number,
        chips=chips,
        is_narrowed=wanted != MessageFilter(),
        tally=tally,
        counted_max=COUNTED_MAX,
        choices=choices,
        following=paging.next_url(keys[-1] if more else None, (), **chips),
    )


def _address(number: int | None, chips: dict[str, str]) -> str:
    """Return the list's address: the number of the search that the session keeps, and what names no patient."""
    path = url_for("messages.listed") if number is None else url_for("messages.found", number=number)
    return f"{path}?{urlencode(chips)}" if chips else path


def _choices(facets: list[Facet]) -> dict[str, list[str]]:
    """Return what there is to choose from: types with each whole code before its triggers, sites, errors."""
    kinds = {facet.message_type for facet in facets if facet.message_type}
    codes = {kind.partition("^")[0] for kind in kinds}
    return {
        "type": sorted(kinds | codes),
        "site": sorted({facet.site for facet in facets if facet.site}),
        "error": sorted({facet.error_code for facet in facets if facet.error_code}),
    }
