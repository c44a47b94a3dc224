"""Parts are told apart whatever their content looks like and however the body is cut on its way. RFC 2046 5.1.1."""

from __future__ import annotations

import random

import pytest

from bridge.codecs.dicomweb.multipart_reader import Content, End, Head, MultipartReader
from bridge.errors import Malformed

CONTENTS = (
    b"",
    b"x",
    b"\r\n",
    b"--bd",
    b"\r\n--b",
    b"\r\n--bdx\r\n",
    b"\r\n--bd-",
    b"a\r\n\r\nb",
    b"\r" * 9 + b"--bd\r\n",
)


def read(body: bytes, cuts: list[int]) -> tuple[list[bytes], MultipartReader]:
    reader, parts, start = MultipartReader("bd"), [], 0
    content = b""
    for end in [*cuts, len(body)]:
        for event in reader.feed(body[start:end]):
            if isinstance(event, Content):
                content += event.data
            elif isinstance(event, End):
                parts.append(content)
            elif isinstance(event, Head):
                content = b""
        start = end
    return parts, reader


def body_of(contents: list[bytes]) -> bytes:
    return b"before\r\n" + b"".join(b"--bd\r\nA: b\r\n\r\n" + one + b"\r\n" for one in contents) + b"--bd--\r\nafter"


def test_every_part_comes_out_as_it_went_in_however_the_body_is_cut() -> None:
    dice = random.Random(7)
    for _ in range(1500):
        contents = dice.choices(CONTENTS, k=dice.randint(0, 4))
        body = body_of(contents)
        cuts = sorted(dice.randint(0, len(body)) for _ in range(dice.randint(0, 6)))
        parts, reader = read(body, cuts)
        assert (parts, reader.is_complete) == (contents, True), (body, cuts)


def test_a_body_byte_by_byte_holds_no_more_than_it_must() -> None:
    contents = [b"y" * 500, b"\r\n--bd_" * 50]
    parts, reader = read(body_of(contents), [*range(1, len(body_of(contents)))])
    assert (parts, reader.is_complete) == (contents, True)


@pytest.mark.parametrize("boundary", ["", "a" * 201, "\u00e9", "a\r\nb"])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(Malformed):
        MultipartReader(boundary)


@pytest.mark.parametrize("head", [b"A: " + b"b" * 20_000, b"no header\r\n\r\n"])
def test_a_head_that_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        list(MultipartReader("bd").feed(b"--bd\r\n" + head))


def test_a_body_without_its_last_boundary_is_not_complete() -> None:
    assert not read(b"--bd\r\n\r\nx\r\n--bd\r\n\r\ny", [])[1].is_complete
