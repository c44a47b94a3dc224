"""Corrections on the way out: a copy that carries the record's identity and says what it replaced.

The original is never touched. Only the ranges that change are rewritten, so pixels and everything not named stay byte for
byte as acquired, in the same transfer syntax. Source: PS3.3 C.12.1.1.9, C.12.1.1.2.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from bridge.codecs.dicom.edits import Edit, apply_edits
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, syntax_of
from bridge.codecs.dicom.original_attributes import Modification
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.replacements import DoesNotFit, Replacer, changes_of, stands_already, survey

# Keyword to new value. The two issuer sequences take the issuer itself: an OID or a namespace, "" for none.
Correction = Mapping[str, str]

_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def corrected_copy(
    source: Path,
    target: Path,
    corrections: Correction,
    *,
    at: datetime,
    modifying_system: str,
    reason: str = "COERCE",
) -> None:
    """
    Write *source* to *target* with *corrections* made, at the root and wherever the old identity is repeated.

    A value that stands already is none; where all do, *target* is *source* byte for byte, and no second copy on one disk:
    it is to be read and removed, never written to.
    at: the instant of the modification, aware. reason: COERCE (brought into line) or CORRECT (was wrong).
    Raises: Malformed, if *source* cannot be read; Unsupported, for a keyword that is never corrected, or a value that
    the file cannot take. *target* is then not there. Source: PS3.3 C.12.1.1.9.
    """
    modification = Modification(at, modifying_system, reason)
    # An earlier copy may be the original itself under this name.
    target.unlink(missing_ok=True)
    with open_buffer(source) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        if stands_already(dataset, corrections):
            _same(source, target)
            return
        edits = plan_edits(dataset, corrections, modification)
        with _written(target) as write:
            write(data[: meta.dataset_at])
            if dataset.syntax.deflated:
                write(_deflated(dataset, edits))
            else:
                apply_edits(dataset.data, (dataset.start, dataset.end), edits, write)


def corrected_dataset(
    dataset: Dataset, corrections: Correction, *, at: datetime, modifying_system: str, reason: str = "COERCE"
) -> Dataset:
    """
    Return a copy of *dataset* with *corrections* made, as `corrected_copy` makes them; pixels are taken over as they are.

    Raises: as `corrected_copy`.
    """
    header = Dataset()
    header.update({element.tag: element for element in dataset if element.tag not in _PIXELS})
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, False
    write_dataset(encoded, header)
    data = encoded.getvalue()
    span = DataSetBytes(data, 0, len(data), syntax_of(EXPLICIT_LITTLE))
    out = BytesIO()
    apply_edits(
        data, (0, len(data)), plan_edits(span, corrections, Modification(at, modifying_system, reason)), out.write
    )
    corrected = read_dataset(BytesIO(out.getvalue()), is_implicit_VR=False, is_little_endian=True)
    corrected.update({element.tag: element for element in dataset if element.tag in _PIXELS})
    return corrected


def plan_edits(dataset: DataSetBytes, corrections: Correction, modification: Modification) -> list[Edit]:
    """Return the edits that make *corrections*; the whole data set becomes UTF-8 if a new value fits no other way."""
    stands = survey(dataset)
    changes = changes_of(corrections, stands)
    if not changes:
        return []
    try:
        return Replacer(dataset, stands, changes, to_utf8=False).plan(modification)
    except DoesNotFit:
        return Replacer(dataset, stands, changes, to_utf8=True).plan(modification)


def _same(source: Path, target: Path) -> None:
    """Give *source* the name *target* too, or copy it where the file systems differ or know no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _deflated(dataset: DataSetBytes, edits: list[Edit]) -> bytes:
    """Return the edited data set deflated again, padded to an even length. Source: PS3.5 A.5."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    out: list[bytes] = []
    apply_edits(dataset.data, (dataset.start, dataset.end), edits, lambda chunk: out.append(deflater.compress(chunk)))
    deflated = b"".join(out) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


@contextmanager
def _written(target: Path) -> Iterator[Callable[[bytes], object]]:
    """Open *target* for writing; what fails leaves no half file."""
    try:
        with target.open("wb") as file:
            yield file.write
    except BaseException:
        target.unlink(missing_ok=True)
        raise
