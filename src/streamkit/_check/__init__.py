"""The conformance report on a sender's stream, and which clients break on what."""
