"""docs/hl7-conformance.md, written from the code and from a running product's answers: `make conformance`."""
