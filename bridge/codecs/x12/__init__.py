"""X12: what payers speak of authorizations (278, 275), claims (837P fragments, 277) and payments (835).

Read: `envelope.read` cuts a file into transactions and checks it; a transaction goes to the module named for it. Each
reader raises Malformed for what cannot be read without doubt, with a place and never a value.
Write: a module's `segments_of` gives a transaction's segments, `writer.write` the file around them.
What may stand where is data (`tables/*.toml`): lenient when reading, strict when writing. Ours, because no permissive
library reads or writes a 278 or 275; the same reader serves the rest, so that one envelope guards every door.
"""
