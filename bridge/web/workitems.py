"""UPS-RS: workitems created, found, claimed, updated, ended. Source: PS3.18 11, PS3.4 CC.

Event reports are not sent: nothing here holds a connection open to a subscriber, so nobody is subscribed in vain.
"""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.dicomweb.workitem_query import to_query
from bridge.domain.accounts import Permission
from bridge.domain.device_profile import DeviceProfile
from bridge.domain.identifiers import check_uid
from bridge.domain.workitem import Attributes
from bridge.errors import BridgeError, Malformed, Refused
from bridge.flows.answer_workitems import Answer, Page
from bridge.flows.create_workitem import SUBSCRIPTIONS
from bridge.flows.perform_workitem import Performer
from bridge.web import reads
from bridge.web import workitem_answers as answers
from bridge.web.access import caller, needs, origin, services
from bridge.web.services import WorkitemServices

blueprint = Blueprint("workitems", __name__, url_prefix="/dicom-web/workitems")
blueprint.register_error_handler(BridgeError, answers.fault)

_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset"})
_LIMIT, _LIMIT_MAX, _OFFSET_MAX, _FILTERS_MAX = 100, 1000, 4000, 30
_CREATED = ("workitem", "AffectedSOPInstanceUID")
_LOCKS = ("transaction-uid", "transaction", "TransactionUID")
_FILTERED = "1.2.840.10008.5.1.4.34.5.1"


@blueprint.get("")
@needs(Permission.READ_WORKITEMS)
def search() -> Response:
    """Find workitems: steps of the worklist, and tasks."""
    filters = [(name, value) for name, value in request.args.items(multi=True) if name not in _CONTROLS]
    if len(filters) > _FILTERS_MAX:
        raise Malformed(f"more than {_FILTERS_MAX} attributes", code="too_many")
    included = [name for value in request.args.getlist("includefield") for name in value.split(",") if name]
    query = to_query(filters, included[:_FILTERS_MAX])
    limit, offset = _number("limit", _LIMIT, _LIMIT_MAX), _number("offset", 0, _OFFSET_MAX)
    found = _here().search.find(query, Page(offset, limit), _device())
    _note("workitems_searched", found)
    # Who names a limit gets as many; who names none, or too high a one, is told that there is more.
    is_cut = found.has_more and request.args.get("limit") != str(limit)
    response = answers.several(found.items, 206 if is_cut else 200) if found.items else Response(status=204)
    warning = "There are additional results that can be requested" if is_cut else ""
    if request.args.get("fuzzymatching", "").lower() == "true":
        warning = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
    return answers.warned(response, warning)


@blueprint.post("")
@needs(Permission.PERFORM_WORKITEMS)
def create() -> Response:
    """Create a workitem; its UID is the query, or stands in the data set, or is made."""
    return _create(_uid_in_query(*_CREATED), answers.data_set())


@blueprint.get("/<workitem>")
@needs(Permission.READ_WORKITEMS)
def retrieve(workitem: str) -> Response:
    """Return one workitem, without the lock."""
    found = _here().search.get(_uid(workitem), _device())
    _note("workitem_viewed", found)
    response = answers.one(found.items[0])
    response.headers["Content-Location"] = answers.address_of(workitem)
    return response


@blueprint.post("/<workitem>")
@needs(Permission.PERFORM_WORKITEMS)
def update(workitem: str) -> Response:
    """Say more of a workitem, with the lock once it is claimed; a data set with a state creates it."""
    said = answers.data_set()
    # An update never holds a state, a creation always does. Source: PS3.4 Table CC.2.5-3.
    if said.get("00741000", {}).get("Value"):
        return _create(_uid(workitem), said)
    _named(workitem)
    if _here().performer.update(_uid(workitem), said, _uid_in_query(*_LOCKS), _who()):
        return answers.done(200, location="")
    return answers.done(200, "Requested optional Attributes are not supported.")


@blueprint.put("/<workitem>/state")
@needs(Permission.PERFORM_WORKITEMS)
def change_state(workitem: str) -> Response:
    """Claim a workitem, complete it, or give it up."""
    said = answers.data_set()
    _named(workitem)
    if _here().performer.change_state(_uid(workitem), said, _who()):
        return answers.done(200)
    state = str((said["00741000"].get("Value") or [""])[0])
    return answers.done(200, f"The UPS is already in the requested state of {state}.")


@blueprint.post("/<workitem>/cancelrequest")
@needs(Permission.PERFORM_WORKITEMS)
def request_cancel(workitem: str) -> Response:
    """Ask that a workitem be cancelled by whoever does not hold it."""
    said: Attributes = answers.data_set() if request.content_length else {}
    _named(workitem)
    if _here().performer.request_cancel(_uid(workitem), said, _who()):
        return answers.done(202)
    return answers.done(202, "The UPS is already in the requested state of CANCELED.")


@blueprint.post("/<workitem>/subscribers/<aetitle>")
@needs(Permission.PERFORM_WORKITEMS)
def subscribe(workitem: str, aetitle: str) -> Response:
    """Refuse a subscription: no event reports are sent, and a promise of them would be worse than none."""
    if workitem not in SUBSCRIPTIONS:
        _here().search.get(_uid(workitem), _device())
    code = "filtered_subscription" if workitem == _FILTERED else "subscription"
    raise Refused("event reports are not sent: ask again instead", code=code, source="PS3.18 11.10.3.1")


@blueprint.delete("/<workitem>/subscribers/<aetitle>")
@blueprint.post("/<workitem>/subscribers/<aetitle>/suspend")
@needs(Permission.PERFORM_WORKITEMS)
def unsubscribe(workitem: str, aetitle: str) -> Response:
    """Say that nobody is subscribed. Source: PS3.18 11.11.3, 11.12.3."""
    raise NotFound


def _create(uid: str, said: Attributes) -> Response:
    created, is_filled = _here().creator.create(uid, said, _who())
    return answers.done(201, "The Workitem was created with modifications." if is_filled else "", created)


def _named(workitem: str) -> None:
    """Refuse what the caller's device is not shown. Raises: LookupError, Conflict."""
    device = _device()
    if device is not None:
        _here().search.get(_uid(workitem), device)


def _uid(text: str) -> str:
    return check_uid(text, "workitem", tolerate_leading_zeros=True)


def _uid_in_query(*names: str) -> str:
    """Return the UID that is the query itself, or one of its parameters; "" if there is none. Source: PS3.18 11.4.1, 11.6.1."""
    bare = request.query_string.decode("ascii", "replace")
    found = (
        bare if bare and "=" not in bare else next((request.args[name] for name in names if name in request.args), "")
    )
    return _uid(found) if found else ""


def _number(name: str, default: int, most: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise Malformed("a number is wanted", where=name, source="PS3.18 8.3.4.4")
    return min(int(text), most)


def _who() -> Performer:
    asking = caller()
    return Performer(asking.name, asking.ae_title or asking.display_name, asking.ae_title, origin())


def _device() -> DeviceProfile | None:
    title = caller().ae_title
    return _here().device(title) if title else None


def _note(action: str, found: Answer) -> None:
    """Write who looked, one row for each patient shown."""
    reads.note_patients(action, found.patient_keys)


def _here() -> WorkitemServices:
    here = services().workitems
    if here is None:
        raise NotFound
    return here
