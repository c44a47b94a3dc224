"""What a chart is told of an object beside who it is of: codes, persons, specimens, and what it is called.

Read in the same pass as the header. Nothing is decided by these, so that one which stands twice or is too long is passed
over and refuses no object. Source: FHIR R4 ImagingStudy, DICOM mapping; PS3.3 C.7.2.1, C.7.3.1, C.7.6.22.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.domain.code import Code
from bridge.domain.study import NO_DETAILS, HeaderDetails

_READING, _DEPARTMENT, _PERFORMING, _OPERATORS = 0x00081060, 0x00081040, 0x00081050, 0x00081070
_IMAGE_TYPE, _DOCUMENT_TITLE = 0x00080008, 0x00420010
_PROCEDURE_CODE, _ANATOMIC_REGION, _CONCEPT_NAME = 0x00081032, 0x00082218, 0x0040A043
_SPECIMENS, _SPECIMEN_ID, _CHARACTER_SET = 0x00400560, 0x00400551, 0x00080005
_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_MOST_NAMED = 20

Items = Mapping[int, list[dict[int, bytes]]]
Text = Callable[[int, bool], str]
NestedText = Callable[[dict[int, bytes], int], str]

WANTED = frozenset({_READING, _DEPARTMENT, _PERFORMING, _OPERATORS, _IMAGE_TYPE, _DOCUMENT_TITLE})
_CODED = frozenset({_CODE, _SCHEME, _MEANING, _CHARACTER_SET})
WANTED_SEQUENCES = {
    _PROCEDURE_CODE: _CODED,
    _ANATOMIC_REGION: _CODED,
    _CONCEPT_NAME: _CODED,
    _SPECIMENS: frozenset({_SPECIMEN_ID, _CHARACTER_SET}),
}
_OF_DETAILS = frozenset({_READING, _DEPARTMENT, _PERFORMING, _OPERATORS})


def details_of(values: Mapping[int, bytes], items: Items, text: Text, nested: NestedText) -> HeaderDetails:
    """Return the details of a header. text: decodes a wanted value, as a name where its second argument says so."""
    if _OF_DETAILS.isdisjoint(values) and not items:
        return NO_DETAILS
    return HeaderDetails(
        procedure_code=_code(items, _PROCEDURE_CODE, nested),
        reading_physicians=_names(values, _READING, text),
        department=text(_DEPARTMENT, False) if _DEPARTMENT in values else "",
        anatomic_region=_code(items, _ANATOMIC_REGION, nested),
        performing_physicians=_names(values, _PERFORMING, text),
        operators=_names(values, _OPERATORS, text),
        specimens=tuple(
            dict.fromkeys(
                found for item in items.get(_SPECIMENS, ())[:_MOST_NAMED] if (found := nested(item, _SPECIMEN_ID))
            )
        ),
    )


def title_of(values: Mapping[int, bytes], items: Items, text: Text, nested: NestedText) -> str:
    """Return what an object is called: the title of a document, else the type of an image, "" without either."""
    concept = _code(items, _CONCEPT_NAME, nested)
    if concept.code_meaning:
        return concept.code_meaning
    for tag in (_DOCUMENT_TITLE, _IMAGE_TYPE):
        if tag in values and (found := text(tag, False)):
            return found
    return ""


def _names(values: Mapping[int, bytes], tag: int, text: Text) -> tuple[str, ...]:
    if tag not in values:
        return ()
    listed = (one.strip() for one in text(tag, True).split("\\"))
    return tuple(dict.fromkeys(one for one in listed if one.strip("^= ")))[:_MOST_NAMED]


def _code(items: Items, tag: int, nested: NestedText) -> Code:
    for item in items.get(tag, ())[:1]:
        return Code(nested(item, _CODE), nested(item, _SCHEME), nested(item, _MEANING))
    return Code()
