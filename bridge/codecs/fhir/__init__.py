"""FHIR as plain dicts: one version-neutral model of an ImagingStudy, and a serialiser each for R4 and R5.

Imported by publishers (what we send) and web (what we serve). Plain dicts because validating models cost fifty times as
much for each study; `fhir.resources` validates every output in the tests and in the strict server of `samples/` instead.
What other systems send is read as plain JSON too: a field of a newer version must never look like "not stored".
R4B and R4 have the same ImagingStudy; both are served by `r4`. An element without a value is left out, never empty.
"""
