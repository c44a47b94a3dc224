"""FHIR as plain dicts: for each resource one version-neutral content, and a serialiser each for R4 and R5.

Imported by publishers (what we send) and web (what we serve). A module that is named after a resource has its content, how
it is built from our rows, and its `r4` and `r5`; those of ImagingStudy and DiagnosticReport stand in `r4` and `r5`.
Plain dicts because validating models cost fifty times as much for each study; independent validators judge every output in
the tests instead. What other systems send is read as plain JSON too: a field of a newer version must never look like "not
stored". R4B and R4 write what we write alike. An element without a value is left out, never empty.
"""
