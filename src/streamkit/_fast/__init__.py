"""The fast path: events that differ from an earlier one only in a few values need no JSON parser."""
