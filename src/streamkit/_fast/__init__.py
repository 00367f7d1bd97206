"""The fast path: events that differ from an earlier one only in a few values are read without a JSON parser."""
