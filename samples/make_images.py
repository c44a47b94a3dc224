"""What the clinic's devices would store: DICOM objects with drawn pictures, from the worklist entry they were given.

    python -m samples.make_images FOLDER [--png]     writes today's exams (--png: also one picture of each series)

A device copies the patient and the request from its worklist answer and adds what it did. `copied` may be changed
before `objects` for the day's accidents: another patient's name typed in, no worklist entry at all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from samples import day
from samples.chart import ORDERS, PATIENTS
from samples.exams import EXAMS, PERFORMED, WRONG_PATIENT, Exam, Picture, Series, drawn
from samples.pictures.canvas import png

IMPLEMENTATION_CLASS_UID = UID("2.25.302315907317206416839361083463170410581")


def copied(item: Dataset, at: datetime) -> Dataset:
    """
    Return what a device copies from a worklist answer into every object.

    item: the answer's identifier, one scheduled step. Source: PS3.17 J.2 (attribute coupling), IHE RAD TF-2 A.1.
    """
    out = Dataset()
    out.SpecificCharacterSet = item.get("SpecificCharacterSet") or "ISO_IR 100"
    for keyword in (
        "AccessionNumber",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
    ):
        setattr(out, keyword, item.get(keyword) or "")
    out.StudyID = item.get("RequestedProcedureID") or ""
    step = item.ScheduledProcedureStepSequence[0]
    request = Dataset()
    request.RequestedProcedureID = item.get("RequestedProcedureID") or ""
    request.ScheduledProcedureStepID = step.get("ScheduledProcedureStepID") or ""
    request.ScheduledProcedureStepDescription = step.get("ScheduledProcedureStepDescription") or ""
    out.RequestAttributesSequence = Sequence([request])
    out.StudyDate, out.StudyTime = f"{at:%Y%m%d}", f"{at:%H%M%S}"
    return out


def typed(patient_id: str, name: str, birth_date: str, sex: str, at: datetime) -> Dataset:
    """Return what a technologist types in when there is no worklist entry."""
    out = Dataset()
    out.SpecificCharacterSet = "ISO_IR 100"
    out.AccessionNumber, out.ReferringPhysicianName, out.StudyID = "", "", ""
    out.PatientID, out.PatientName, out.PatientBirthDate, out.PatientSex = patient_id, name, birth_date, sex
    out.StudyInstanceUID = generate_uid(prefix=None)
    out.StudyDate, out.StudyTime = f"{at:%Y%m%d}", f"{at:%H%M%S}"
    return out


def objects(exam: Exam, header: Dataset, performed_step_uid: str = "") -> Iterator[Dataset]:
    """Yield every object of *exam*, one at a time. header: from `copied` or `typed`. performed_step_uid: its MPPS."""
    for series_number, series in enumerate(exam.series, 1):
        series_instance_uid = generate_uid(prefix=None)
        for number, picture in enumerate(drawn(series), 1):
            out = Dataset()
            out.update(header)
            _identify(out, exam, series, (series_number, number))
            out.SeriesInstanceUID = series_instance_uid
            if performed_step_uid:
                step = Dataset()
                step.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.3"
                step.ReferencedSOPInstanceUID = performed_step_uid
                out.ReferencedPerformedProcedureStepSequence = Sequence([step])
            for keyword, value in series.extra:
                setattr(out, keyword, value)
            _picture(out, picture)
            yield out


def _identify(out: Dataset, exam: Exam, series: Series, numbers: tuple[int, int]) -> None:
    out.file_meta = FileMetaDataset()
    out.SOPClassUID = exam.sop_class_uid
    out.SOPInstanceUID = generate_uid(prefix=None)
    out.file_meta.MediaStorageSOPClassUID = out.SOPClassUID
    out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    out.Modality = exam.modality
    out.StationName = exam.station
    out.Manufacturer = "Imaging Bridge samples"
    out.ManufacturerModelName = "Drawn pictures"
    out.InstitutionName = "Riverside Imaging"
    out.StudyDescription = exam.description
    out.SeriesDescription = series.description
    out.SeriesNumber, out.InstanceNumber = numbers
    out.SeriesDate = out.AcquisitionDate = out.ContentDate = out.StudyDate
    out.SeriesTime = out.AcquisitionTime = out.ContentTime = out.StudyTime
    out.BodyPartExamined = series.body_part
    out.PatientOrientation = ""


def _picture(out: Dataset, picture: Picture) -> None:
    out.Columns, out.Rows = picture.columns, picture.rows
    out.SamplesPerPixel = 3 if picture.colour else 1
    out.PhotometricInterpretation = "RGB" if picture.colour else "MONOCHROME2"
    if picture.colour:
        out.PlanarConfiguration = 0
    out.BitsAllocated = 16 if picture.bits > 8 else 8
    out.BitsStored, out.HighBit = picture.bits, picture.bits - 1
    out.PixelRepresentation = int(picture.signed)
    if picture.window is not None:
        out.WindowCenter, out.WindowWidth = picture.window
    for keyword, value in picture.extra:
        setattr(out, keyword, value)
    out.PixelData = picture.samples
    out["PixelData"].VR = "OW" if out.BitsAllocated == 16 else "OB"


def preview(picture: Picture) -> bytes:
    """Return *picture* as a PNG file, through its window."""
    if picture.colour or picture.bits == 8:
        return png(picture.columns, picture.rows, picture.samples, colour=picture.colour)
    centre, width = picture.window or (0, 1)
    values = memoryview(picture.samples).cast("h" if picture.signed else "H")
    low = centre - width / 2
    grey = bytes(min(255, max(0, int((value - low) * 255 / width))) for value in values)
    return png(picture.columns, picture.rows, grey)


def by_hand(number: str, at: datetime) -> Dataset:
    """Return the header of order *number*'s exam as a device would have it, without asking a worklist for it."""
    patient = next(patient for order, patient, _ in ORDERS if order == number)
    if number == WRONG_PATIENT:
        patient = "00041004"
    _, family, given, born, gender = next(row for row in PATIENTS if row[0] == patient)
    out = typed(patient, f"{family}^{given}", born.replace("-", ""), gender[:1].upper(), at)
    out.AccessionNumber, out.StudyInstanceUID = day.accession(number, at), day.study_uid(number, at)
    return out


def main(arguments: list[str]) -> int:
    folders = [argument for argument in arguments if not argument.startswith("--")]
    if len(folders) != 1:
        print("usage: python -m samples.make_images FOLDER [--png]", file=sys.stderr)
        return 2
    now, written = datetime.now(), 0
    exams = [(f"{number}_{exam}", EXAMS[exam], by_hand(number, now)) for number, (_, exam, _) in PERFORMED.items()]
    walk_in = typed("00041008", "Nowak^Zofia", "20120618", "F", now)
    for name, exam, header in [*exams, ("us_walk_in", EXAMS["us_walk_in"], walk_in)]:
        folder = Path(folders[0]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, found in enumerate(objects(exam, header), 1):
            dcmwrite(folder / f"{number:03}.dcm", found, enforce_file_format=True)
            written += 1
        if "--png" in arguments:
            for number, series in enumerate(exam.series, 1):
                pictures = drawn(series)
                (folder / f"series_{number}.png").write_bytes(preview(pictures[len(pictures) // 2]))
    print(f"{written} objects of {len(exams) + 1} studies in {folders[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
