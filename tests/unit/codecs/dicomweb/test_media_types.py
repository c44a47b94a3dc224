"""Which form is chosen of those that are accepted. PS3.18 8.7."""

from __future__ import annotations

import pytest

from bridge.codecs.dicomweb.media_types import accepted, frame_form, object_syntax
from bridge.errors import Malformed

PLAIN, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
JPEG, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
OBJECT = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("accept", "kept", "decodes", "leaves"),
    [
        ("", IMPLICIT, False, PLAIN),
        ("*/*", RLE, True, RLE),
        ("*/*", RLE, False, RLE),
        ("*/*", JPEG, True, JPEG),
        (f"{OBJECT}; transfer-syntax=*", IMPLICIT, False, IMPLICIT),
        (f"{OBJECT}; transfer-syntax={PLAIN}", RLE, False, ""),
        (f"{OBJECT}; transfer-syntax={PLAIN}", JPEG, True, PLAIN),
        (f"{OBJECT}; transfer-syntax={J2K}, {OBJECT}; transfer-syntax={PLAIN}; q=0.5", PLAIN, False, PLAIN),
        (f"{OBJECT}; transfer-syntax={PLAIN}; q=0", PLAIN, False, ""),
        ("image/jpeg", PLAIN, True, ""),
        ("application/dicom", RLE, False, RLE),
    ],
)
def test_an_object_leaves_in_the_first_syntax_that_can_be_made(
    accept: str, kept: str, decodes: bool, leaves: str
) -> None:
    assert object_syntax(accepted(accept), kept, decodes=decodes) == leaves


@pytest.mark.parametrize(
    ("accept", "kept", "kind"),
    [
        ("*/*", PLAIN, "application/octet-stream"),
        ("*/*", J2K, "image/jp2"),
        ("image/*", JPEG, "image/jpeg"),
        ('multipart/related; type="image/x-dicom-rle"', RLE, "image/dicom-rle"),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', J2K, "image/jp2"),
        ('multipart/related; type="application/octet-stream"', J2K, ""),
        ("image/jpeg", PLAIN, ""),
        ("image/png", JPEG, ""),
    ],
)
def test_a_frame_is_called_what_it_is(accept: str, kept: str, kind: str) -> None:
    found = frame_form(accepted(accept), kept, decodes=False)
    assert (found[1] if found else "") == kind


@pytest.mark.parametrize("syntax", ["", f"; transfer-syntax={PLAIN}"])
def test_a_packed_frame_is_unpacked_for_who_wants_bytes(syntax: str) -> None:
    found = frame_form(accepted(f"multipart/related; type=application/octet-stream{syntax}"), J2K, decodes=True)
    assert found is not None
    assert found[1:] == ("application/octet-stream", PLAIN)
    anything = frame_form(accepted("*/*"), J2K, decodes=True)
    assert anything is not None
    assert anything[1:] == ("image/jp2", J2K)


def test_a_parameter_stands_in_for_the_header_and_a_blank_for_its_plus() -> None:
    assert [one.kind for one in accepted("image/png", "application/dicom json")] == ["application/dicom+json"]
    assert [one.kind for one in accepted('a/b; x="c,d;e", f/g;q=0.1, h/i')] == ["a/b", "h/i", "f/g"]


@pytest.mark.parametrize("accept", ["nonsense", "a/b;q=x", "a/b," * 200, "a/" + "b" * 9000])
def test_a_header_that_is_no_list_of_media_types_is_refused(accept: str) -> None:
    with pytest.raises(Malformed):
        accepted(accept)
