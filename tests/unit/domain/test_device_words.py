"""A profile in words."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.domain.device_profile import DeviceProfile, Leaves, Sees, Window
from bridge.domain.device_words import charset_words, profile_lines


def words(**said: object) -> dict[str, str]:
    return {line.title: line.sentence for line in profile_lines(DeviceProfile("CT1", **said))}  # type: ignore[arg-type]


def test_the_defaults_say_that_nothing_is_kept_back() -> None:
    said = words()
    assert said["Whose steps"] == "Everybody's, as it asks."
    assert said["When"] == "Whatever day they are scheduled for."
    assert said["Answers"] == "At most 500, the earliest of them."


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        (Window(days_back=0, days_ahead=0), "Today's."),
        (Window(hours_back=4, hours_ahead=12), "Scheduled from 4 hours ago until 12 hours ahead."),
        (Window(days_back=1), "Scheduled from 1 day ago."),
        (Window(hours_ahead=0), "Scheduled until now."),
        (Window(days_ahead=2), "Scheduled until 2 days ahead."),
    ],
)
def test_a_window_is_said_in_hours_or_days(window: Window, sentence: str) -> None:
    assert words(window=window)["When"] == sentence


def test_each_choice_is_said() -> None:
    said = words(
        sees=(Sees.STATION, Sees.UNASSIGNED),
        aliases=("CT1B",),
        modality="DX",
        modality_aliases=("CR",),
        leaves=Leaves.END_OF_DAY,
        day_ends="0430",
        charset="ISO_IR 100",
        name_length=32,
        patient_id_length=16,
        over_max="refuse",
        required_keys=("AccessionNumber", "PatientID"),
        hides_confidential=True,
    )
    assert said == {
        "Whose steps": "Only steps that name it, or steps that name no device. It also goes by CT1B.",
        "Modality": "DX. CR counts as the same.",
        "When": "Whatever day they are scheduled for.",
        "Leaves the list": "A step stays on the list, also when it is finished, until the day it was scheduled for is over (at 04:30).",
        "Reads": "Western European letters (ISO_IR 100). What does not fit is written with what it has.",
        "Lengths": "Names are cut to 32 characters; patient IDs beyond 16 characters are sent whole and reported.",
        "Answers": "At most 500, an error (A700) if there are more.",
        "Must ask for": "AccessionNumber or PatientID; without, it gets an error (C001).",
        "Protected patients": "Are not shown on it.",
    }


def test_a_set_with_extensions_says_each_of_them() -> None:
    assert charset_words("ISO 2022 IR 13\\ISO 2022 IR 87") == "katakana and Japanese"
    assert charset_words("\\ISO 2022 IR 149") == "Korean"


def test_every_choice_of_a_profile_stands_in_some_line() -> None:
    said = {key for line in profile_lines(DeviceProfile("CT1")) for key in line.keys}
    assert said == {field.name for field in dataclasses.fields(DeviceProfile)} - {"ae_title", "aliases", "preset"}
