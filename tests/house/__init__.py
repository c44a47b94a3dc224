"""The house rules as tests: what we care about fails the build."""
