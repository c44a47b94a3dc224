"""DICOM bytes to objects and back: stored objects, query identifiers, worklist answers, corrections on the way out.

Pure: bytes and file paths in, values and bytes out; no socket, no database, no clock. Imported by flows, publishers,
listeners and web.

Decision: what comes from a wire is first walked element by element (`elements.py`): every declared length must be
present, nesting and items have ceilings, character sets come from an allow-list. pydicom alone returns short values
for truncated elements, recurses with the nesting, inflates without limit and takes any Python codec for a character
set, so it only ever sees bytes that passed the walk, and is not on the paths that run per image or per answer.
"""
