"""The clinic's exams: what each stores, series by series, and how each picture is drawn."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    UltrasoundImageStorage,
    VLEndoscopicImageStorage,
)

from samples.pictures import ct, endoscopy, radiographs, ultrasound
from samples.pictures.canvas import Canvas


@dataclass(frozen=True)
class Picture:
    """Pixels and the elements that explain them. window: centre and width of a grey picture, None for colour."""

    columns: int
    rows: int
    samples: bytes
    bits: int
    signed: bool = False
    colour: bool = False
    window: tuple[int, int] | None = None
    extra: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Series:
    """One series of an exam: its words and a way to draw each picture."""

    description: str
    body_part: str
    draw: Callable[[], Iterator[Picture]]
    extra: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Exam:
    """What one kind of exam stores. station: the device's AE title."""

    station: str
    modality: str
    sop_class_uid: str
    description: str
    series: tuple[Series, ...]


def _grey(image: Canvas, window: tuple[int, int], *extra: tuple[str, object]) -> Picture:
    return Picture(image.columns, image.rows, image.pixels16(-1024, 3071), 16, signed=True, window=window, extra=extra)


def _slices(draw: Callable[[float], Canvas], count: int, window: tuple[int, int], spacing: float) -> Iterator[Picture]:
    for number in range(count):
        place = -spacing * number
        yield _grey(
            draw((number + 0.5) / count),
            window,
            ("ImagePositionPatient", [-160.0, -160.0, place]),
            ("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]),
            ("SliceLocation", place),
            ("SliceThickness", spacing),
            ("PixelSpacing", [1.25, 1.25]),
            ("RescaleIntercept", 0),
            ("RescaleSlope", 1),
            ("RescaleType", "HU"),
            ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"]),
            ("KVP", 120),
        )


def _radiograph(image: Canvas, view: str) -> Picture:
    return Picture(
        image.columns,
        image.rows,
        image.pixels16(0, radiographs.WHITE),
        12,
        window=(1600, 3000),
        extra=(
            ("ViewPosition", view),
            ("ImageType", ["DERIVED", "PRIMARY"]),
            ("PixelIntensityRelationship", "LOG"),
            ("PixelIntensityRelationshipSign", -1),
            ("RescaleIntercept", 0),
            ("RescaleSlope", 1),
            ("RescaleType", "US"),
            ("PresentationLUTShape", "IDENTITY"),
            ("ImagerPixelSpacing", [0.8, 0.8]),
            ("BurnedInAnnotation", "NO"),
        ),
    )


def _sonogram(structures: tuple[ultrasound.Structure, ...], seed: int) -> Picture:
    image = ultrasound.frame(structures, seed)
    extra = (("ImageType", ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]), ("BurnedInAnnotation", "NO"))
    return Picture(image.columns, image.rows, image.pixels8(), 8, window=(128, 256), extra=extra)


def _photograph(seed: int, *, polyp: bool = False) -> Picture:
    extra = (("ImageType", ["ORIGINAL", "PRIMARY"]), ("BurnedInAnnotation", "NO"), ("LossyImageCompression", "00"))
    side = endoscopy.SIZE
    return Picture(side, side, endoscopy.frame(seed, polyp=polyp), 8, colour=True, extra=extra)


EXAMS = {
    "ct_chest": Exam(
        "CT1",
        "CT",
        CTImageStorage,
        "CT chest with contrast",
        (
            Series(
                "Lung 5.0 sharp",
                "CHEST",
                lambda: _slices(lambda at: ct.chest(at, soft_kernel=False), 12, (-500, 1500), 20.0),
                (("ConvolutionKernel", "B70"), ("ContrastBolusAgent", "Iodinated contrast")),
            ),
            Series(
                "Mediastinum 5.0 smooth",
                "CHEST",
                lambda: _slices(lambda at: ct.chest(at, soft_kernel=True), 12, (40, 400), 20.0),
                (("ConvolutionKernel", "B30"), ("ContrastBolusAgent", "Iodinated contrast")),
            ),
        ),
    ),
    "ct_head": Exam(
        "CT1",
        "CT",
        CTImageStorage,
        "CT head without contrast",
        (Series("Head 5.0", "HEAD", lambda: _slices(ct.head, 10, (40, 90), 12.0), (("ConvolutionKernel", "H30"),)),),
    ),
    "dx_chest": Exam(
        "DX1",
        "DX",
        DigitalXRayImageStorageForPresentation,
        "Chest PA and lateral",
        (
            Series("Chest PA", "CHEST", lambda: iter([_radiograph(radiographs.chest(), "PA")])),
            Series("Chest lateral", "CHEST", lambda: iter([_radiograph(radiographs.chest(lateral=True), "LL")])),
        ),
    ),
    "dx_hand": Exam(
        "DX1",
        "DX",
        DigitalXRayImageStorageForPresentation,
        "Left hand",
        (
            Series(
                "Left hand",
                "HAND",
                lambda: (_radiograph(radiographs.hand(turn), view) for turn, view in ((0.0, "PA"), (9.0, "OBL"))),
                (("Laterality", "L"),),
            ),
        ),
    ),
    "dx_knee": Exam(
        "DX1",
        "DX",
        DigitalXRayImageStorageForPresentation,
        "Right knee",
        (
            Series(
                "Right knee",
                "KNEE",
                lambda: (_radiograph(radiographs.knee(lateral=side), "LL" if side else "AP") for side in (False, True)),
                (("Laterality", "R"),),
            ),
        ),
    ),
    "us_abdomen": Exam(
        "US1",
        "US",
        UltrasoundImageStorage,
        "Abdomen, portable",
        (
            Series(
                "Right upper quadrant",
                "ABDOMEN",
                lambda: (
                    _sonogram(what, seed) for seed, what in enumerate((ultrasound.GALLBLADDER, ultrasound.KIDNEY))
                ),
            ),
        ),
    ),
    "us_walk_in": Exam(
        "US1",
        "US",
        UltrasoundImageStorage,
        "Appendix, walk-in",
        (Series("Right lower quadrant", "ABDOMEN", lambda: iter([_sonogram(ultrasound.BOWEL, 7)])),),
    ),
    "es_colonoscopy": Exam(
        "ENDO1",
        "ES",
        VLEndoscopicImageStorage,
        "Colonoscopy",
        (
            Series(
                "Photographs",
                "COLON",
                lambda: (_photograph(seed, polyp=seed == 2) for seed in (1, 2, 3)),
            ),
        ),
    ),
    "cr_chest": Exam(
        "DX1",
        "CR",
        ComputedRadiographyImageStorage,
        "Chest AP, bedside",
        (Series("Chest AP", "CHEST", lambda: iter([_radiograph(radiographs.chest(), "AP")])),),
    ),
}

# The order whose images carry another patient's name: the near twin of its own.
WRONG_PATIENT = "03"
# Order number: device, what it makes of it, and the patient number whose chart must end with it.
PERFORMED = {
    "01": ("CT1", "ct_chest", "00041001"),
    "02": ("DX1", "dx_chest", "00041004"),
    "03": ("DX1", "dx_hand", ""),
    "04": ("US1", "us_abdomen", "00041003"),
    "05": ("ENDO1", "es_colonoscopy", "00041002"),
    "06": ("CT1", "ct_head", "00032210"),
    "07": ("DX1", "dx_knee", "00041007"),
}


@functools.cache
def drawn(series: Series) -> tuple[Picture, ...]:
    """Return the pictures of a series, drawn once."""
    return tuple(series.draw())


def draw_all() -> None:
    """Draw everything ahead of time, so that a device that stores is not waited for."""
    for exam in EXAMS.values():
        for series in exam.series:
            drawn(series)
