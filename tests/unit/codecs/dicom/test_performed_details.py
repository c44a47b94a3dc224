"""Dose, consumption and billing of a performed step, in words."""

from __future__ import annotations

import json

from pydicom.dataset import Dataset

from bridge.codecs.dicom.performed import read_performed
from bridge.codecs.dicom.performed_details import details_of
from bridge.domain.performed import AttributeList
from tests.unit.codecs.dicom.objects import EXPLICIT, encoded


def item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator="X", CodeMeaning=meaning)


def said(dataset: Dataset) -> list[tuple[str, str]]:
    draft = read_performed(AttributeList(encoded(dataset, implicit=False), EXPLICIT))
    return details_of(json.loads(draft.attributes))


def test_what_was_used_and_is_billed_is_said_with_its_units() -> None:
    quantity = item(Quantity="2", MeasuringUnitsSequence=[code("{count}", "each")])
    whole = item(
        TotalTimeOfFluoroscopy=120,
        TotalNumberOfExposures=3,
        EntranceDose=40,
        ImageAndFluoroscopyAreaDoseProduct="12.5",
        DistanceSourceToDetector="1000",
        FilmConsumptionSequence=[item(NumberOfFilms="2", MediumType="BLUE FILM", FilmSizeID="8INX10IN")],
        BillingProcedureStepSequence=[code("71260", "CT chest")],
        BillingSuppliesAndDevicesSequence=[
            item(BillingItemSequence=[code("A9576", "Contrast")], QuantitySequence=[quantity])
        ],
    )
    assert said(whole) == [
        ("Total time of fluoroscopy", "120 s"),
        ("Exposures", "3"),
        ("Entrance dose", "40 dGy"),
        ("Area dose product", "12.5 dGy·cm²"),
        ("Distance source to detector", "1000 mm"),
        ("Film", "2 × 8INX10IN BLUE FILM"),
        ("Billed procedure", "CT chest (71260)"),
        ("Supply", "Contrast (A9576), 2 each ({count})"),
    ]


def test_nothing_said_is_nothing_shown() -> None:
    assert said(item(FilmConsumptionSequence=[], EntranceDose=None)) == []
