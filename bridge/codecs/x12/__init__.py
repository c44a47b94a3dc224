"""X12: what payers speak of authorizations (278, 275), claims (837P fragments, 277) and payments (835).

Read: `envelope.read` cuts a file into transactions and checks it; what is wrong with one is in its `faults`, and `is_test`
says that it is none of real life. Then 278 `prior_authorization` (`news` for the domain's words), 275
`additional_information`, 277 `claim_status`, 835 `remittance`, 999 and TA1 `acknowledgement`; any of them in words, `summary`.
Each raises Malformed for what cannot be read without doubt, with a place and never a value.
Write: a module's `segments_of` gives a transaction, `writer.write` the file around them; `claim_fragment` for a claim.
What may stand where is data (`tables/*.toml`): lenient when reading, strict when writing. Ours, because no permissive
library reads or writes a 278 or 275; the same reader serves the rest, so that one envelope guards every door.
"""
