"""Coverage-guided fuzzing of what reads a stranger's bytes: `make fuzz`, and a short form in `make test`."""
