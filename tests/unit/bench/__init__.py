"""The benchmarks themselves: what they count, and that they say so when something is wrong."""
