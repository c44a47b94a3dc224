"""What FHIR searches look for in the rows: one file a resource, each parameter a condition on indexed columns.

A term becomes a condition; the walk goes by the row's key, newest first, so that a page never repeats or misses a row.
How many there are is counted up to a limit: no page waits for the count of everything. Web may import it, nobody else needs to.
"""
