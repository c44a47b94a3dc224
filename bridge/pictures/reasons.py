"""Why an object has no picture, in words that people understand."""

from __future__ import annotations

from bridge.errors import Unsupported

VIDEO_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
# By the beginning of the SOP class; the longest that fits decides.
_CLASSES = (
    ("1.2.840.10008.5.1.4.1.1.88.59", "a key object selection: it points at images of the study"),
    ("1.2.840.10008.5.1.4.1.1.88.67", "a dose report"),
    ("1.2.840.10008.5.1.4.1.1.88", "a structured report"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "a PDF document"),
    ("1.2.840.10008.5.1.4.1.1.104.2", "a CDA document"),
    ("1.2.840.10008.5.1.4.1.1.104", "a three-dimensional model"),
    ("1.2.840.10008.5.1.4.1.1.11", "a presentation state: it says how other images are shown"),
    ("1.2.840.10008.5.1.4.1.1.9", "a waveform, such as an ECG or sound"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "a structure set: outlines drawn over other images"),
    ("1.2.840.10008.5.1.4.1.1.481.4", "a treatment record"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "a treatment plan"),
    ("1.2.840.10008.5.1.4.1.1.481.8", "a treatment plan"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "a registration of images to each other"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "a registration of images to each other"),
    ("1.2.840.10008.5.1.4.1.1.66.5", "a surface model"),
    ("1.2.840.10008.5.1.4.1.1.66.6", "tracks through other images"),
    ("1.2.840.10008.5.1.4.1.1.66", "raw data of the device"),
    ("1.2.840.10008.5.1.4.1.1.67", "a table of real-world values"),
    ("1.2.840.10008.5.1.4.1.1.91", "annotations of other images"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "spectroscopy data"),
)


def no_pixels(sop_class_uid: str) -> Unsupported:
    """Return the error for an object of a class that has no pixels, or that lacks those it should have."""
    fitting = [(start, words) for start, words in _CLASSES if _starts(sop_class_uid, start)]
    if not fitting:
        return Unsupported("no picture: the object holds no pixels", code="no_pixels", source="PS3.3 C.7.6.3")
    return Unsupported(f"no picture: {max(fitting)[1]}", code="no_pixels", source="PS3.3 C.7.6.3")


def video() -> Unsupported:
    """Return the error for a video, of which no still is drawn."""
    return Unsupported("video: no still picture", code="video", source="PS3.5 8.2.5")


def unknown_syntax() -> Unsupported:
    """Return the error for pixels in an encoding that no decoder here reads."""
    return Unsupported(
        "cannot be displayed: no decoder for its transfer syntax", code="unsupported_syntax", source="PS3.5 10"
    )


def too_large() -> Unsupported:
    """Return the error for a frame beyond the ceiling."""
    return Unsupported("cannot be displayed: one frame is larger than the ceiling for pictures", code="too_large")


def damaged(what: str = "its pixels are damaged or cut short") -> Unsupported:
    """Return the error for pixels that no decoder makes sense of."""
    return Unsupported(f"cannot be displayed: {what}", code="damaged_pixels")


def damaged_header() -> Unsupported:
    """Return the error for an object whose header cannot be read."""
    return Unsupported("cannot be displayed: its header is damaged", code="damaged_header")


def ended_decoder() -> Unsupported:
    """Return the error for pixels that took their decoder down, or held it for too long."""
    return Unsupported("cannot be displayed: its pixels stop the decoder or take it too long", code="decoder_ended")


def _starts(uid: str, start: str) -> bool:
    return uid == start or uid.startswith(start if start.endswith(".") else start + ".")
