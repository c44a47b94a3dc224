"""A device's profile as people read it: one line for each thing that can be chosen, and which choices it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.device_profile import DeviceProfile, Leaves, Sees, Window

_CHARSETS = {
    "ISO_IR 6": "plain letters only",
    "ISO_IR 100": "Western European letters",
    "ISO_IR 101": "Central European letters",
    "ISO_IR 109": "South European letters",
    "ISO_IR 110": "North European letters",
    "ISO_IR 126": "Greek",
    "ISO_IR 127": "Arabic",
    "ISO_IR 138": "Hebrew",
    "ISO_IR 144": "Cyrillic",
    "ISO_IR 148": "Turkish",
    "ISO_IR 166": "Thai",
    "ISO_IR 192": "UTF-8, every script",
    "ISO_IR 203": "Western European letters with the euro sign",
    "GB18030": "Chinese, GB18030",
    "GBK": "Chinese, GBK",
    "ISO 2022 IR 13": "katakana",
    "ISO 2022 IR 58": "simplified Chinese",
    "ISO 2022 IR 87": "Japanese",
    "ISO 2022 IR 149": "Korean",
    "ISO 2022 IR 159": "further kanji",
}
_LEAVES = {
    Leaves.STARTED: "A step leaves the list when its exam has started.",
    Leaves.IMAGES: "A step leaves the list when the first image of its exam has arrived.",
    Leaves.FINISHED: "A step stays on the list, also while its exam is under way, until it is finished or cancelled.",
}
_SEES = {
    Sees.STATION: "steps that name it",
    Sees.MODALITY: "steps of its modality",
    Sees.UNASSIGNED: "steps that name no device",
}


@dataclass(frozen=True, slots=True)
class ProfileLine:
    """One line. keys: the settings that it rests on."""

    title: str
    sentence: str
    keys: tuple[str, ...]


# What a console is most often set to; each can be written by itself, the last with code extensions.
CHARSETS = (
    *(name for name in _CHARSETS if not name.startswith("ISO 2022")),
    "ISO 2022 IR 13\\ISO 2022 IR 87",
    "\\ISO 2022 IR 87",
    "\\ISO 2022 IR 149",
    "\\ISO 2022 IR 58",
)


def profile_lines(profile: DeviceProfile) -> tuple[ProfileLine, ...]:
    """Return what *profile* says, in the order in which a person would ask."""
    lines = [
        ProfileLine("Whose steps", _whose(profile), ("sees", "stations")),
        ProfileLine("Modality", _modality(profile), ("modality", "modality_aliases")),
        ProfileLine("When", _window(profile.window), ("window",)),
        ProfileLine("Leaves the list", _leaving(profile), ("leaves", "day_ends")),
        ProfileLine("Reads", _charset(profile.charset), ("charset",)),
        ProfileLine("Lengths", _lengths(profile), ("name_length", "text_length", "patient_id_length")),
        ProfileLine("Answers", _answers(profile), ("max_results", "over_max")),
        ProfileLine("Must ask for", _required(profile), ("required_keys", "without_required")),
        ProfileLine("Protected patients", _confidential(profile), ("hides_confidential",)),
    ]
    return tuple(lines)


def charset_words(said: str) -> str:
    """Return what a character set can write, in words; *said* itself where nobody has words for it."""
    known = [_CHARSETS[term] for term in said.split("\\") if term in _CHARSETS]
    return " and ".join(known) or said


def _whose(profile: DeviceProfile) -> str:
    others = profile.titles[1:]
    also = f" It also goes by {', '.join(others)}." if others else ""
    if not profile.sees:
        return f"Everybody's, as it asks.{also}"
    return f"Only {', or '.join(_SEES[one] for one in profile.sees)}.{also}"


def _modality(profile: DeviceProfile) -> str:
    if not profile.modality:
        return "Any; none is said."
    same = f" {' and '.join(profile.modality_aliases)} counts as the same." if profile.modality_aliases else ""
    return f"{profile.modality}.{same}"


def _window(window: Window) -> str:
    back = _end(window.hours_back, window.days_back, "ago", "today")
    ahead = _end(window.hours_ahead, window.days_ahead, "ahead", "today")
    if not back and not ahead:
        return "Whatever day they are scheduled for."
    if back == ahead == "today":
        return "Today's."
    return f"Scheduled {' '.join(part for part in (back and f'from {back}', ahead and f'until {ahead}') if part)}."


def _end(hours: int | None, days: int | None, word: str, today: str) -> str:
    if hours is not None:
        return f"{hours} hours {word}" if hours else "now"
    if days is not None:
        return f"{days} day{'s' if days > 1 else ''} {word}" if days else today
    return ""


def _leaving(profile: DeviceProfile) -> str:
    if profile.leaves != Leaves.END_OF_DAY:
        return _LEAVES[profile.leaves]
    at = f"{profile.day_ends[:2]}:{profile.day_ends[2:]}"
    return f"A step stays on the list, also when it is finished, until the day it was scheduled for is over (at {at})."


def _charset(said: str) -> str:
    if not said:
        return "What its query asks in, if everything fits; else UTF-8."
    return f"{charset_words(said)} ({said}). What does not fit is written with what it has."


def _lengths(profile: DeviceProfile) -> str:
    limits = []
    if profile.name_length:
        limits.append(f"names are cut to {profile.name_length} characters")
    if profile.text_length:
        limits.append(f"descriptions are cut to {profile.text_length}")
    if profile.patient_id_length:
        limits.append(f"patient IDs beyond {profile.patient_id_length} characters are sent whole and reported")
    said = "; ".join(limits)
    return f"{said[:1].upper()}{said[1:]}." if said else "As the standard has them."


def _answers(profile: DeviceProfile) -> str:
    beyond = "the earliest of them" if profile.over_max == "cut" else "an error (A700) if there are more"
    return f"At most {profile.max_results}, {beyond}."


def _required(profile: DeviceProfile) -> str:
    if not profile.required_keys:
        return "Nothing in particular."
    instead = "an error (C001)" if profile.without_required == "refuse" else "an empty list"
    return f"{' or '.join(profile.required_keys)}; without, it gets {instead}."


def _confidential(profile: DeviceProfile) -> str:
    return "Are not shown on it." if profile.hides_confidential else "Are shown like all others."
