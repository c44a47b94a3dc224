"""Documents for people outside, as PDF."""
