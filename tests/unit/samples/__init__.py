"""The clinic's day, as far as it can be looked at without playing it."""
