"""From what was said to drafts, by data: what differs between hospitals stands in mappings/, not in code.

`load` reads and checks the files, `resolve` picks the sender's site, `apply` turns a message into drafts and says where
each value came from; FHIR resources (`fhir_*`), lists and forms (`typed_*`) become the same drafts. The files know paths,
tables and named converters (`grammar`, `converters`, `names`) and neither conditions nor expressions: what needs logic is
a converter with a name and tests. Imports `codecs` and `domain`.
"""
