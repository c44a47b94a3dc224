"""Character sets that a message switches between: ISO-2022-JP, and the escapes that HL7 has for it. Source: HL7 2.5.1 2.7.2, 2.7.3.

A message is decoded whole before it is cut: the bytes of a kanji may be those of any delimiter. RFC 1468; JIS X 0201, 0208,
0212.
"""

from __future__ import annotations

import re

# ESC $ B and its relatives: no other set has them, so that a message which declares nothing gives itself away.
SWITCHED = re.compile(rb"\x1b(?:\$[@B]|\$\(D|\(I)")
_ESCAPE = re.compile(rb"(\x1b(?:\$[@B]|\$\(D|\([BJI]))")
_LINE_END = re.compile(rb"[\r\n]")
_KANA_BYTES = re.compile(rb"[\xa1-\xdf]+")
_HL7_SWITCH = re.compile(rb"\\([CM])((?:[0-9A-Fa-f]{2}){2,3})\\")
_SINGLE_BYTE = {
    b"2842": "ascii", b"284A": "ascii", b"2D41": "latin-1", b"2D42": "iso8859-2", b"2D43": "iso8859-3",
    b"2D44": "iso8859-4", b"2D4C": "iso8859-5", b"2D47": "iso8859-6", b"2D46": "iso8859-7", b"2D48": "iso8859-8",
    b"2D4D": "iso8859-9", b"2D62": "iso8859-15", b"242943": "euc_kr", b"242941": "gb2312",
}  # fmt: skip
_JAPANESE = {b"2440": b"\x1b$@", b"2442": b"\x1b$B", b"242844": b"\x1b$(D", b"2849": b"\x1b(I"}


def decode(raw: bytes) -> str:
    """
    Return the text of ISO-2022-JP bytes, half-width katakana in eight bits and Windows' further kanji included.

    Raises: UnicodeDecodeError.
    """
    raw = _HL7_SWITCH.sub(_escape_for, raw)
    out: list[str] = []
    escape = b""
    for piece in _ESCAPE.split(raw):
        if piece.startswith(b"\x1b"):
            escape = piece
            continue
        # The end of a line ends what was switched to. Source: RFC 1468.
        end = _LINE_END.search(piece) if escape not in (b"", b"\x1b(B", b"\x1b(J") else None
        out.append(_decode_run(escape, piece[: end.start()] if end else piece))
        if end:
            out.append(_decode_run(b"", piece[end.start() :]))
            escape = b""
    return "".join(out)


def decode_switched(raw: bytes, codec: str) -> str:
    """
    Return text whose single values switch to another set by HL7's own escapes (`\\C2D42\\`, `\\M242943\\`).

    Raises: UnicodeDecodeError.
    """
    out: list[str] = []
    chosen, escape, at = codec, b"", 0
    for found in [*_HL7_SWITCH.finditer(raw), None]:
        run = raw[at : found.start() if found else len(raw)]
        out.append(_decode_run(escape, run) if escape else run.decode(chosen))
        if found is None:
            break
        name = found[2].upper()
        escape = _JAPANESE.get(name, b"")
        # Back to ASCII is back to the set that MSH-18 declares, of which it is half.
        chosen = codec if name in (b"2842", b"284A") else _SINGLE_BYTE.get(name, codec)
        at = found.end()
        if not escape and name not in _SINGLE_BYTE:
            out.append(found[0].decode("ascii"))
    return "".join(out)


def _escape_for(found: re.Match[bytes]) -> bytes:
    name = found[2].upper()
    if name in (b"2842", b"284A"):
        return b"\x1b(B"
    return _JAPANESE.get(name, found[0])


def _decode_run(escape: bytes, run: bytes) -> str:
    if not run:
        return ""
    if escape in (b"", b"\x1b(B", b"\x1b(J"):
        # JIS X 0201 has a yen sign and an overline where ASCII has backslash and tilde; in a message they are delimiters.
        return "".join(
            part.decode("shift_jis" if _KANA_BYTES.fullmatch(part) else "ascii") for part in _split_kana(run)
        )
    if escape == b"\x1b(I":
        return bytes(byte | 0x80 for byte in run).decode("shift_jis")
    try:
        return (escape + run).decode("iso2022_jp_ext")
    except UnicodeDecodeError:
        if escape == b"\x1b$(D":
            raise
        return bytes(_shifted(run)).decode("cp932")


def _split_kana(run: bytes) -> list[bytes]:
    if run.isascii():
        return [run]
    parts, at = [], 0
    for found in _KANA_BYTES.finditer(run):
        parts += [run[at : found.start()], found[0]]
        at = found.end()
    return [part for part in (*parts, run[at:]) if part]


def _shifted(run: bytes) -> list[int]:
    """Return pairs of JIS X 0208 as Shift-JIS: rows that only Windows has (13, 89 to 92) have no other codec."""
    out: list[int] = []
    if len(run) % 2 or any(not 0x21 <= byte <= 0x7E for byte in run):
        raise UnicodeDecodeError("iso2022_jp", run, 0, len(run), "not pairs of JIS X 0208")
    for first, second in zip(run[::2], run[1::2], strict=True):
        out.append((first + 1) // 2 + (0x70 if first < 0x5F else 0xB0))
        out.append(second + (0x7E if first % 2 == 0 else 0x1F if second < 0x60 else 0x20))
    return out
