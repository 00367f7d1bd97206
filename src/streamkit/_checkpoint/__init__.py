"""The state of an accumulator as a document, and back: what `Accumulator.checkpoint` writes and `restore` reads."""
