"""Why a device shows a step, or does not: what is known of the step and of the device's queries, in sentences.

Pure: `judge` weighs what others have looked up. Nothing here matches a query; whether one finds the step is asked of the
search that answers devices, so that an explanation cannot disagree with the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from bridge.domain.worklist_query import KeptQuery, QueryOutcome

# A query with one of these is about somebody in particular.
OF_SOMEBODY = frozenset(
    {"PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber"}
    | {"StudyInstanceUID", "RequestedProcedureID", "ScheduledProcedureStepID", "AdmissionID"}
)
# What a key asks for, and how this step answers it.
_LABELS = {
    "ScheduledStationAETitle": ("the station", "this step is for"),
    "Modality": ("Modality", "this step is"),
    "ScheduledProcedureStepStartDate": ("the date", "this step is on"),
    "ScheduledProcedureStepStartTime": ("the time", "this step starts at"),
    "ScheduledProcedureStepStatus": ("the state", "this step is"),
    "PatientName": ("the patient name", "this patient is"),
    "PatientID": ("the patient id", "this patient's is"),
    "IssuerOfPatientID": ("the issuer of the patient id", "this one's is"),
    "AccessionNumber": ("the accession number", "this order's is"),
}
_REFUSALS = {
    "calling_ae_title": "no device of that title is in the settings",
    "address": "the settings have it at another address",
    "called_ae_title": "it called for another AE title than ours",
    "role": "its role in the settings does not include the worklist",
    "context": "it proposed the worklist in no transfer syntax that is spoken here",
    "too_many_associations": "as many associations as are allowed were open",
    "application_context": "its association request is not of DICOM's application context",
    "maximum_length": "it takes no message as long as one needs to be",
}
_FAILURES = {
    "bad_date": "a date in it is none",
    "bad_time": "a time in it is none",
    "required_key_missing": "it asks for none of the keys that its settings require",
    "too_many_matches": "more match than this device takes",
    "no_identifier": "it came without an identifier",
    "no_keys": "it asks for nothing",
    "bad_sequence": "its scheduled procedure step is not a sequence",
    "too_many_keys": "it holds more keys than a query can need",
    "database_busy": "the database was busy",
    "database_away": "the database was away",
    "internal_error": "of a fault of ours; the log has it",
}


# What a worklist entry cannot be without, as people call it.
_NEEDED = {
    "PatientName": "the patient's name",
    "PatientID": "the patient id",
    "StudyInstanceUID": "a Study Instance UID",
    "RequestedProcedureID": "a requested procedure id",
    "RequestedProcedureDescription": "the procedure",
    "ScheduledStationAETitle": "a device",
    "ScheduledProcedureStepStartDate": "the date",
    "ScheduledProcedureStepStartTime": "the time",
    "Modality": "the modality",
    "ScheduledProcedureStepID": "a scheduled procedure step id",
    "ScheduledProcedureStepDescription": "what is to be done",
}
_SIDE_BY_SIDE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Reason:
    """
    One sentence. code: a stable slug.

    query_key, message_key, order_key: the row it speaks of, None for none.
    """

    code: str
    sentence: str
    query_key: int | None = None
    message_key: int | None = None
    order_key: int | None = None


@dataclass(frozen=True, slots=True)
class HidingKey:
    """A key of a query that the step does not meet. asked: what the key asks; stored: what the step holds, "" if nothing."""

    keyword: str
    asked: str
    stored: str
    is_legible: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """
    One query of the device held against the step as it is now.

    finds: whether it finds the step, asked today as it was asked on its day. hidden_by: the keys that each hide it.
    was_sent: the step was in the answer then. seems_meant: what it asks of somebody is nearly this step's patient or number.
    required: what the device's profile wants a query to ask and this one does not, () if it does.
    """

    query: KeptQuery
    finds: bool
    hidden_by: tuple[HidingKey, ...] = ()
    was_sent: bool = False
    seems_meant: bool = False
    required: tuple[str, ...] = ()

    @property
    def is_of_another(self) -> bool:
        """Whether it is about somebody else: it says nothing of what the device's list holds."""
        return any(key.keyword in OF_SOMEBODY for key in self.hidden_by)


@dataclass(frozen=True, slots=True)
class Case:
    """
    One step and one device.

    title: the device's, "" for devices in general. kept_off: what hides the step whatever is asked. is_elsewhere: it is for
    other stations than the device. stations, modality: the step's. came_at: when its order came. looks: newest first, the
    answered queries only. attempts: newest first, those that got no list. keeps: for how many days queries are kept.
    is_beyond_maximum: the device's list ends before it.
    """

    title: str
    stations: tuple[str, ...]
    modality: str
    state: str
    came_at: datetime | None
    kept_off: tuple[Reason, ...] = ()
    is_elsewhere: bool = False
    looks: tuple[Look, ...] = ()
    attempts: tuple[KeptQuery, ...] = ()
    keeps: int = 0
    is_beyond_maximum: bool = False


@dataclass(frozen=True, slots=True)
class Saying:
    """How instants are written. now: an instant; zone: the hospital's."""

    now: datetime
    zone: tzinfo

    def at(self, instant: datetime) -> str:
        """Return "09:12", with the day where it is not today."""
        local, today = instant.astimezone(self.zone), self.now.astimezone(self.zone)
        return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%H:%M} on {local.day} {local:%b}"


def judge(case: Case, say: Saying) -> tuple[bool, tuple[Reason, ...]]:
    """Return whether the device shows the step when it asks, and why, the weightiest reason first."""
    blocked = tuple(_blocked(case, say))
    sent = tuple(_sent(case, say))
    if case.kept_off:
        return False, (*case.kept_off, *sent, *blocked)
    if not case.title:
        return True, (_shown(case),)
    shown, why = _by_queries(case, say)
    return shown and not blocked, (*blocked, *why)


def refusal_words(query: KeptQuery) -> str:
    """Return why somebody got no list, as the end of a sentence; "" for an answered query."""
    asked = query.asked
    if asked.outcome in (QueryOutcome.REJECTED, QueryOutcome.REFUSED):
        return _REFUSALS.get(asked.reason, asked.reason.replace("_", " "))
    if asked.outcome == QueryOutcome.FAILED:
        return _FAILURES.get(asked.reason, asked.reason.replace("_", " "))
    return {
        QueryOutcome.CANCELLED: "the device took its question back",
        QueryOutcome.BROKEN_OFF: "the connection ended amid the answer",
        QueryOutcome.UNKEPT: "too many different ones came at once to keep each",
    }.get(asked.outcome, "")


def _by_queries(case: Case, say: Saying) -> tuple[bool, tuple[Reason, ...]]:
    """Judge by what the device asks: its own station's steps where nothing is known."""
    telling = [look for look in case.looks if not look.is_of_another]
    finding = next((look for look in telling if look.finds), None)
    if finding is not None and case.is_beyond_maximum:
        what = f"{case.title}'s list ends before it: as many steps as it is sent start earlier."
        return False, (Reason("cut", what, finding.query.key),)
    if finding is not None and finding is telling[0]:
        return True, tuple(_found(case, finding, say))
    if finding is not None:
        # Two lists side by side, today's and tomorrow's, are both on the device; what it asked long before is not.
        is_recent = telling[0].query.last_asked_at - finding.query.last_asked_at <= _SIDE_BY_SIDE
        hidden = tuple(_hidden(case, telling[0], say))
        return is_recent, (*_found(case, finding, say), *hidden) if is_recent else (*hidden, *_sent(case, say))
    if telling:
        return False, (*_elsewhere(case), *_hidden(case, telling[0], say), *_meant(case, say))
    if case.is_elsewhere:
        return False, (*_elsewhere(case), *_unasked(case, say), *_meant(case, say))
    return True, (_shown(case), *_unasked(case, say), *_meant(case, say))


def _found(case: Case, look: Look, say: Saying) -> Iterator[Reason]:
    title, query = case.title, look.query
    sent = tuple(_sent(case, say))
    if sent:
        yield from sent
        return
    yield _shown(case)
    asked_at = say.at(query.last_asked_at)
    if case.came_at is not None and query.last_asked_at < case.came_at:
        came = say.at(case.came_at)
        yield Reason("not_asked_since", f"{title} last asked at {asked_at}; the order came at {came}.", query.key)
    elif query.asked.was_cut:
        yield Reason(
            "cut", f"{title}'s list of {asked_at} was cut off before it: more matched than are sent.", query.key
        )
    else:
        what = f"When {title} asked at {asked_at} it did not find it yet; asked the same again, it does."
        yield Reason("changed_since", what, query.key)


def _sent(case: Case, say: Saying) -> Iterator[Reason]:
    sent = next((look.query for look in case.looks if look.was_sent), None)
    if sent is not None:
        last = say.at(sent.last_asked_at)
        what = f"{case.title} was sent it at {last} (query {sent.key}): look on the device, in the list of then."
        yield Reason("sent", what, sent.key)


def _hidden(case: Case, look: Look, say: Saying) -> Iterator[Reason]:
    whose = f"{case.title}'s query of {say.at(look.query.last_asked_at)}"
    if look.required:
        wanted = " or ".join(look.required)
        yield Reason("required_key", f"{whose} does not ask for {wanted}, as its settings require.", look.query.key)
        return
    for key in look.hidden_by:
        label, _ = _LABELS.get(key.keyword, (key.keyword, ""))
        what = f"{whose} asks for {label} {key.asked}; {_answers(key)}."
        yield Reason(f"key:{key.keyword}", what, look.query.key)
        if not key.is_legible:
            what = f"What it asks there is not written in the character set that it names, so {label} could not be matched."
            yield Reason("character_set", what, look.query.key)
    if not look.hidden_by:
        yield Reason("keys", f"{whose} does not find it: its keys do not fit one step together.", look.query.key)


def _meant(case: Case, say: Saying) -> Iterator[Reason]:
    """Yield what hides the step from the newest query that seems to have looked for it by a name or number."""
    meant = next((look for look in case.looks if look.is_of_another and look.seems_meant), None)
    if meant is not None:
        yield from _hidden(case, meant, say)


def incomplete_reason(incomplete: str) -> Reason:
    """Return why a step has no entry. incomplete: "Keyword, Keyword: what is wrong with them"."""
    where, _, fault = incomplete.partition(": ")
    names = where.split(", ")
    if "lacks" in fault and all(name in _NEEDED for name in names):
        needed = " and ".join(_NEEDED[name] for name in names)
        return Reason("incomplete", f"Nobody has said {needed} ({where}), which every worklist entry must have.")
    return Reason("incomplete", f"It cannot be written as a worklist entry: {incomplete}.")


def key_reason(key: HidingKey) -> Reason:
    """Return why a key hides a step, where what it asks for stands beside the sentence."""
    label, _ = _LABELS.get(key.keyword, (key.keyword, ""))
    return Reason(f"key:{key.keyword}", f"{label[:1].upper()}{label[1:]} hides it: {_answers(key)}.")


def _answers(key: HidingKey) -> str:
    _, answers = _LABELS.get(key.keyword, ("", "this step has"))
    return f"{answers} {_value(key)}" if key.stored else "this step has none"


def _value(key: HidingKey) -> str:
    if key.keyword == "ScheduledProcedureStepStartDate" and len(key.stored) == 8:
        return f"{key.stored[:4]}-{key.stored[4:6]}-{key.stored[6:]}"
    if key.keyword == "ScheduledProcedureStepStartTime" and len(key.stored) == 6:
        return f"{key.stored[:2]}:{key.stored[2:4]}"
    return key.stored.replace("\\", ", ")


def _elsewhere(case: Case) -> Iterator[Reason]:
    if not case.is_elsewhere:
        return
    if not case.stations:
        yield Reason("other_device", f"The order names no device, so a query for {case.title} does not find it.")
        return
    yield Reason("other_device", f"It is scheduled for {', '.join(case.stations)}, not for {case.title}.")


def _unasked(case: Case, say: Saying) -> Iterator[Reason]:
    if not case.keeps:
        yield Reason("queries_not_kept", "What devices ask is not kept here (dicom.keep_queries_days is 0).")
    elif not case.looks:
        yield Reason(
            "never_asked", f"{case.title} has not asked for its worklist in the {case.keeps} days that are kept."
        )
    else:
        count = sum(look.query.times for look in case.looks)
        last = say.at(case.looks[0].query.last_asked_at)
        what = f"{case.title} has asked for other patients only ({count} times, last at {last})."
        yield Reason("asked_for_others", what, case.looks[0].query.key)


def _blocked(case: Case, say: Saying) -> Iterator[Reason]:
    """Yield why the device got no list at all when it last tried, if it has got none since."""
    if not case.attempts:
        return
    last = case.attempts[0]
    if case.looks and case.looks[0].query.last_asked_at >= last.last_asked_at:
        return
    at, asked = say.at(last.last_asked_at), last.asked
    if asked.outcome in (QueryOutcome.REJECTED, QueryOutcome.REFUSED):
        origin = f" from {asked.address}" if asked.address else ""
        what = f"{case.title} called at {at}{origin} and was turned away: {refusal_words(last)}."
        yield Reason("turned_away", what, last.key)
    elif asked.outcome == QueryOutcome.FAILED:
        status = f" ({asked.status:04X})" if asked.status is not None else ""
        what = f"{case.title}'s query of {at} failed{status}, because {refusal_words(last)}."
        yield Reason("failed", what, last.key)


def _shown(case: Case) -> Reason:
    who = case.title or "Every device that asks"
    kind = f"scheduled as {case.modality or 'any modality'}, state {case.state.lower()}"
    return Reason("shown", f"{who} is shown it: {kind}.")


def distinct(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return *reasons* without a sentence that was said before."""
    return tuple({reason.sentence: reason for reason in reasons}.values())
