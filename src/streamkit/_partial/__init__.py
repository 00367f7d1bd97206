"""What `partial_json` is made of: paths, path events, and the grammar of numbers."""
