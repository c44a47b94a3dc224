"""Messages out of what somebody has in a file or a clipboard: a log's frames, an editor's line ends, a batch.

For people who look at a message, never for the wire: what the wire may carry is `framing`'s and `batch`'s to say.
"""

from __future__ import annotations

import re

from bridge.codecs.hl7.envelope import body_of

MAX_MESSAGES = 200
_FRAME = re.compile(rb"\x1c\r?|\x0b")
# A log's own words may stand before a header on its line; a field's text that quotes one has a "|" before it.
_BOUNDARY = re.compile(
    rb"(?:^|[\r\n])(?:[ \t\xef\xbb\xbf]*(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\s])"
    rb"|[^\r\n|]{0,200}(?=MSH\|[^A-Za-z0-9\s|]{2,5}\|))"
)
_AROUND = (b"FHS", b"BHS", b"BTS", b"FTS")


def messages_in(raw: bytes) -> list[bytes]:
    """
    Return the messages that *raw* holds, MAX_MESSAGES at most; all of it as one where none begins with MSH.

    Frames, batch headers, byte order marks, what a log says before a header on its line, and what stands before the
    first header are left out.
    """
    text = _FRAME.sub(b"\r", body_of(raw))
    marks = list(_BOUNDARY.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    parts = (text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False))
    found = [part + b"\r" for part in parts if not part.startswith(_AROUND)]
    return found[:MAX_MESSAGES] or [raw]
