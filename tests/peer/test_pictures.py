"""Pictures beside those of another hand: every real file by dcmtk, and our own in every encoding; and broken codestreams."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from bridge.errors import BridgeError, Incomplete, Unsupported
from bridge.pictures.drawing import draw
from bridge.pictures.pool import DecoderPool
from bridge.pictures.wish import Picture, Window, Wish
from tests.conftest import dcmtk_tool, run_tool
from tests.fakes.drawn import MAX_PIXELS, drawn, image, part10, shades

pytestmark = pytest.mark.peer

JPEG, JPEG_LS = ("50", "51", "57", "70"), ("80", "81")
# dcmtk has no decoder for JPEG 2000; those are looked at beside their uncompressed twins below.
WAVELETS = ("90", "91")
# Drawn with square pixels here, as stored there.
NOT_SQUARE = {"pydicom-data/color-px.dcm"}
# Written as big endian words of 32 bits, which the other takes for pairs of 16.
ANOTHER_READING = {"pydicom/rtdose_expb.dcm"}
# Many small ones of the same encoding and kind as others.
MOST_OF_A_KIND = 2
ALIKE = ("charset/", "dicomdirtests/")
DAMAGED = {
    "dicomdirtests/DICOMDIR-nooffset": "damaged_header",
    "pydicom/ExplVR_BigEndNoMeta.dcm": "damaged_header",
    "pydicom/ExplVR_LitEndNoMeta.dcm": "damaged_header",
    "pydicom/JPEG2000-embedded-sequence-delimiter.dcm": "damaged_pixels",
    "pydicom/MR_truncated.dcm": "damaged_header",
    "pydicom/meta_missing_tsyntax.dcm": "damaged_header",
    "pydicom/nested_priv_SQ.dcm": "damaged_pixels",
    "pydicom/no_meta.dcm": "damaged_header",
    "pydicom/rtplan_truncated.dcm": "damaged_header",
    "pydicom/rtstruct.dcm": "damaged_header",
}
TWINS = (
    ("pydicom/MR_small.dcm", "pydicom/MR_small_jp2klossless.dcm"),
    ("pydicom/MR_small.dcm", "pydicom/MR_small_jpeg_ls_lossless.dcm"),
    ("pydicom/MR_small.dcm", "pydicom/MR_small_RLE.dcm"),
    ("pydicom-data/emri_small.dcm", "pydicom-data/emri_small_jpeg_2k_lossless.dcm"),
    ("pydicom/rtdose.dcm", "pydicom/rtdose_expb.dcm"),
)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(1)
    yield made
    made.close()


def objects(corpus: Path) -> list[Path]:
    folder = corpus / "dicom"
    return sorted(one for one in folder.rglob("*") if one.is_file())


def named(path: Path, corpus: Path) -> str:
    return path.relative_to(corpus / "dicom").as_posix()


@lru_cache
def tool_at(name: str) -> Path:
    return dcmtk_tool(name)


def by_dcmtk(path: Path, picture: Picture, window: Window | None, out: Path) -> NDArray[np.uint8]:
    """Return the same frame with the same window, drawn by dcmtk."""
    syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID).rpartition(".")[2]
    tool = "dcmj2pnm" if syntax in JPEG else "dcml2pnm" if syntax in JPEG_LS else "dcm2pnm"
    wanted = ["+Ww", repr(window.center), repr(window.width)] if window is not None else []
    done = run_tool(tool_at(tool), "+F", str(picture.frame), "+opb", *wanted, str(path), str(out))
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(out))


def kind_of(path: Path) -> tuple[str, ...]:
    """Return what a decoder and a window are chosen by."""
    header = dcmread(path, stop_before_pixels=True)
    keywords = (
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "PixelRepresentation",
        "PlanarConfiguration",
    )
    return str(header.file_meta.get("TransferSyntaxUID", "")), *(str(header.get(keyword)) for keyword in keywords)


def difference(mine: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the mean difference in shades, and the one that 99 of 100 samples stay within."""
    if mine.ndim > theirs.ndim:
        theirs = np.repeat(theirs[..., None], 3, axis=2)
    if theirs.ndim > mine.ndim:
        theirs = theirs[..., 0]
    assert mine.shape == theirs.shape
    apart = np.abs(mine.astype(int) - theirs.astype(int))
    return float(apart.mean()), float(np.percentile(apart, 99))


def test_every_real_file_has_a_picture_or_says_why_not(corpus: Path, pool: DecoderPool) -> None:
    found, drawn_files = {}, 0
    for path in objects(corpus):
        try:
            drawn_files += pool.draw(path, Wish(width=64, height=64)).width > 0
        except Unsupported as fault:
            if fault.code != "no_pixels":
                found[named(path, corpus)] = fault.code
    assert found == DAMAGED
    assert drawn_files > 120


def test_real_files_look_as_dcmtk_draws_them(corpus: Path, pool: DecoderPool, tmp_path: Path) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    apart = []
    for path in objects(corpus):
        name = named(path, corpus)
        if name.startswith(ALIKE) or name.endswith(tuple(NOT_SQUARE | ANOTHER_READING)):
            continue
        try:
            kind = kind_of(path)
            if kind[0].endswith(WAVELETS) or seen[kind] == MOST_OF_A_KIND:
                continue
            own = pool.draw(path, Wish())
        except (BridgeError, InvalidDicomError):
            continue
        seen[kind] += 1
        window = Window(own.window.center, own.window.width) if own.window is not None else None
        mine = pool.draw(path, Wish(window=window))
        mean, most = difference(shades(mine), by_dcmtk(path, mine, window, tmp_path / "theirs.pnm"))
        if mean > 1 or most > 3:
            apart.append(f"{name}: {mean:.1f}, {most:.0f}")
    assert not apart, "\n".join(apart)
    assert len(seen) > 25


@pytest.mark.parametrize(("plain", "packed"), TWINS)
def test_what_was_packed_without_loss_looks_as_it_did(corpus: Path, pool: DecoderPool, plain: str, packed: str) -> None:
    pictures = [pool.draw(corpus / "dicom" / one, Wish()) for one in (plain, packed)]
    assert shades(pictures[0]).tolist() == shades(pictures[1]).tolist()


def gradient() -> NDArray[np.float64]:
    """Return a smooth 64 by 96 field from 0 to 1 with a disc in it."""
    rows, columns = np.mgrid[0:64, 0:96]
    field = (rows / 63 + columns / 95) / 2
    return np.where((rows - 30) ** 2 + (columns - 40) ** 2 < 300, 0.9 - field / 2, field)


def grey(bits: int, *, is_signed: bool = False) -> Dataset:
    top = (1 << bits) - 1
    values = np.rint(gradient() * top) - ((top + 1) // 2 if is_signed else 0)
    kind = ("i" if is_signed else "u") + ("1" if bits <= 8 else "2")
    made = image(values.astype(kind), BitsStored=bits, HighBit=bits - 1)
    middle = 0 if is_signed else top // 2
    made.WindowCenter, made.WindowWidth = middle, top
    return made


def colour() -> Dataset:
    field = gradient()
    return image(np.rint(np.stack([field, 1 - field, field / 2], axis=-1) * 255).astype(np.uint8), "RGB")


def packed_by_dcmtk(dataset: Dataset, folder: Path, tool: str, *options: str) -> bytes:
    (folder / "plain.dcm").write_bytes(part10(dataset))
    done = run_tool(tool_at(tool), *options, str(folder / "plain.dcm"), str(folder / "packed.dcm"))
    assert done.returncode == 0, done.stderr
    return (folder / "packed.dcm").read_bytes()


@pytest.mark.parametrize(
    ("tool", "options"),
    [("dcmcrle", ()), ("dcmcjpls", ("+el",)), ("dcmcjpeg", ("+e1",)), ("dcmcjpeg", ("+el",))],
    ids=["RLE", "JPEG-LS", "JPEG Lossless SV1", "JPEG Lossless"],
)
@pytest.mark.parametrize("what", ["8 bits", "12 bits", "16 bits", "signed", "colour"])
def test_our_own_packed_without_loss_look_the_same(
    tool: str, options: tuple[str, ...], what: str, tmp_path: Path
) -> None:
    made = {
        "8 bits": lambda: grey(8),
        "12 bits": lambda: grey(12),
        "16 bits": lambda: grey(16),
        "signed": lambda: grey(12, is_signed=True),
        "colour": colour,
    }[what]()
    packed = packed_by_dcmtk(made, tmp_path, tool, *options)
    assert shades(draw(packed, Wish(), MAX_PIXELS)).tolist() == shades(drawn(made)).tolist()


@pytest.mark.parametrize(
    ("tool", "options", "what"),
    [
        ("dcmcjpeg", ("+eb", "+q", "95"), "8 bits"),
        ("dcmcjpeg", ("+eb", "+q", "95", "+s4"), "colour"),
        ("dcmcjpeg", ("+eb", "+q", "95", "+s2"), "colour"),
        ("dcmcjpeg", ("+ee", "+q", "95", "+bt"), "12 bits"),
        ("dcmcjpls", ("+en",), "12 bits"),
    ],
    ids=["Baseline", "Baseline 444", "Baseline 422", "Extended 12", "JPEG-LS near"],
)
def test_our_own_packed_with_loss_look_nearly_the_same(
    tool: str, options: tuple[str, ...], what: str, tmp_path: Path
) -> None:
    made = {"8 bits": lambda: grey(8), "12 bits": lambda: grey(12), "colour": colour}[what]()
    packed = packed_by_dcmtk(made, tmp_path, tool, *options)
    own = draw(packed, Wish(window=Window(2047, 4095) if what == "12 bits" else None), MAX_PIXELS)
    mean, most = difference(shades(own), shades(drawn(made)))
    assert mean < 3
    assert most < 24


@pytest.mark.parametrize("syntax", ["JPEG2000Lossless", "JPEG2000"])
@pytest.mark.parametrize("what", ["8 bits", "16 bits", "signed", "colour"])
def test_our_own_as_jpeg_2000_look_the_same(syntax: str, what: str, tmp_path: Path) -> None:
    import gdcm  # after Pillow: see bridge/pictures/decoding.py

    made = {
        "8 bits": lambda: grey(8),
        "16 bits": lambda: grey(16),
        "signed": lambda: grey(16, is_signed=True),
        "colour": colour,
    }[what]()
    (tmp_path / "plain.dcm").write_bytes(part10(made))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(tmp_path / "plain.dcm"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(tmp_path / "packed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    own = shades(draw((tmp_path / "packed.dcm").read_bytes(), Wish(), MAX_PIXELS))
    mean, most = difference(own, shades(drawn(made)))
    is_lossless = syntax == "JPEG2000Lossless"
    assert mean <= (0 if is_lossless else 2)
    assert most <= (0 if is_lossless else 12)


@pytest.mark.parametrize(
    ("tool", "options"),
    [("dcmcrle", ()), ("dcmcjpls", ("+el",)), ("dcmcjpeg", ("+e1",)), ("dcmcjpeg", ("+eb",))],
)
def test_a_broken_codestream_costs_its_own_picture_at_most(
    tool: str, options: tuple[str, ...], pool: DecoderPool, tmp_path: Path
) -> None:
    whole = packed_by_dcmtk(grey(8), tmp_path, tool, *options)
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    good.write_bytes(whole)
    chance = random.Random(7)
    for _ in range(25):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 30)):
            broken[chance.randrange(len(whole) // 3, len(whole))] = chance.randrange(256)
        bad.write_bytes(broken[: chance.randint(len(whole) // 2, len(whole))] if chance.random() < 0.3 else broken)
        with suppress(Unsupported, Incomplete):
            picture = pool.draw(bad, Wish(width=64, height=64))
            assert Image.open(io.BytesIO(picture.content)).size == (picture.width, picture.height)
    assert pool.draw(good, Wish()).width == 96
