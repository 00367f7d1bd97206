"""Clean chunks to a response: one state a field, folded by the merge rules, and how the stream ended."""
