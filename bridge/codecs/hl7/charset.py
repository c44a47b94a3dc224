"""Character sets of a message: what MSH-18 may say, and what the bytes then are. Source: HL7 table 0211, PS3.3 C.12.1.1.2."""

from __future__ import annotations

import re

from bridge.codecs.hl7 import iso2022
from bridge.domain.message import Notice
from bridge.errors import Incomplete, Malformed

_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "ISO646": "ascii",
    "LATIN1": "latin-1",
    "ISOIR100": "latin-1",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "ISOIR14": "shift_jis",
    "SHIFTJIS": "shift_jis",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "ISO2022JP": "iso2022_jp_ext",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "BIG5": "big5",
    "UNICODEUTF8": "utf-8",
    # Such bytes begin with a mark, or nobody would find the header: `body_of` brings them to UTF-8.
    "UNICODEUTF16": "utf-8",
    "UNICODEUTF32": "utf-8",
    "UNICODE": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    **{f"8859{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    "88591": "latin-1",
}
_JAPANESE = "iso2022_jp_ext"
# What a sender on Windows means by these names: the same set, and some characters more.
_WIDER = {"shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}
# Korean and simplified Chinese as DICOM announces them: the set is in force from the first byte, the escape says nothing.
_ANNOUNCED = {"euc_kr": b"\x1b$)C", "gb18030": b"\x1b$)A"}
_PUNCTUATION = re.compile(r"[^A-Z0-9]")
_C1 = re.compile(rb"[\x80-\x9f]")
# Tab and line ends are text. C1 controls have no place in a name, and are what a message encoded twice is full of.
_ASCII_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def codec_of(name: str) -> str | None:
    """Return the Python codec for a name of table 0211, or one of its usual spellings; None if it means nothing."""
    key = _PUNCTUATION.sub("", name.upper())
    return _CODECS.get(key.removeprefix("ISO") if key.startswith("ISO8859") else key)


def decode(raw: bytes, declared: tuple[str, ...], site_default: str | None) -> tuple[str, str, list[Notice]]:
    """
    Return the text, the codec that read it, and what was let through.

    declared: the repetitions of MSH-18. site_default: the site's character set, for messages that declare none, a
    meaningless one, or one their bytes are not.
    Raises: Incomplete (AE 103) for a name that means nothing, Malformed (AE 102) for bytes that are not in the set, for
    control characters and for U+FFFD, whose character is lost already.
    """
    text, codec, notices = _read(raw, declared, site_default)
    if text.isascii() and len(raw.translate(None, _ASCII_CONTROLS)) == len(text):
        return text, codec, notices
    found = _CONTROL.search(text)
    if found:
        raise Malformed(f"control character 0x{ord(found[0]):02X} in the message", code="control_character")
    if "\ufffd" in text:
        raise Malformed("a replacement character: the sender has lost the real one", code="replacement_character")
    return text, codec, notices


def encode(text: str, declared: tuple[str, ...], site_default: str | None) -> bytes:
    """
    Return *text* as its sender would have sent it: in the declared set, else the site's, else UTF-8.

    For text out of a clipboard, which has no bytes any more. A character that the set does not have makes it UTF-8.
    """
    codec = _declared_codec(declared) if any(declared) else codec_of(site_default) if site_default else None
    try:
        return text.encode(codec or "utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def _read(raw: bytes, declared: tuple[str, ...], site_default: str | None) -> tuple[str, str, list[Notice]]:
    fallback = codec_of(site_default) if site_default else None
    if not any(declared):
        return _read_undeclared(raw, fallback)
    codec = _declared_codec(declared)
    if codec is None:
        if fallback is None:
            raise Incomplete("not a known character set", code="not_in_table", where="MSH-18", source="HL7 table 0211")
        return _strict(raw, fallback), fallback, [_notice("unknown character set, read as the site's")]
    if codec == "latin-1" and _C1.search(raw):
        return _strict(raw, "cp1252"), "cp1252", [Notice("I", "declared 8859/1, read as Windows-1252", "MSH-18")]
    try:
        return _text(raw, codec), codec, []
    except UnicodeDecodeError:
        wider = _wider(raw, codec)
        if wider is not None:
            return wider, _WIDER[codec], [Notice("I", "read as the set that Windows has under this name", "MSH-18")]
        if fallback is None or fallback == codec:
            raise _not_in_set() from None
    return _strict(raw, fallback), fallback, [_notice("bytes not in the declared set, read as the site's")]


def _read_undeclared(raw: bytes, fallback: str | None) -> tuple[str, str, list[Notice]]:
    if raw.isascii() and fallback != _JAPANESE:
        if b"\x1b" in raw and iso2022.SWITCHED.search(raw):
            return _strict(raw, _JAPANESE), _JAPANESE, [_notice("no character set declared, read as ISO-2022-JP")]
        return raw.decode("ascii"), "ascii", []
    for codec in (fallback, "utf-8"):
        if codec:
            try:
                return _text(raw, codec), codec, []
            except UnicodeDecodeError:
                continue
    wider = _wider(raw, fallback or "")
    if wider is not None:
        return wider, _WIDER[fallback or ""], []
    codec = "cp1252" if _C1.search(raw) else "latin-1"
    return _strict(raw, codec), codec, [_notice("no character set declared, read as Latin-1")]


def _declared_codec(declared: tuple[str, ...]) -> str | None:
    """Return the codec of the whole message; a Japanese second repetition is switched to by escapes inside the text."""
    codecs = [codec_of(name) if name else "ascii" for name in declared]
    if None not in codecs and _JAPANESE in codecs[1:] and codecs[0] in ("ascii", "shift_jis"):
        return _JAPANESE
    return codecs[0]


def _text(raw: bytes, codec: str) -> str:
    """Return the text of *raw*, with what stands for other sets inside it. Raises: UnicodeDecodeError."""
    if codec == _JAPANESE:
        return iso2022.decode(raw)
    announced = _ANNOUNCED.get(codec)
    if announced and announced in raw:
        raw = raw.replace(announced, b"")
    if b"\\C" in raw or b"\\M" in raw:
        return iso2022.decode_switched(raw, codec)
    return raw.decode(codec)


def _wider(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(_WIDER[codec]) if codec in _WIDER else None
    except UnicodeDecodeError:
        return None


def _strict(raw: bytes, codec: str) -> str:
    try:
        return _text(raw, codec)
    except UnicodeDecodeError:
        raise _not_in_set() from None


def _not_in_set() -> Malformed:
    return Malformed("bytes that are not in the declared character set", code="wrong_charset", where="MSH-18")


def _notice(detail: str) -> Notice:
    return Notice("W", detail, "MSH-18")
