"""HTTP exchanges as traces: recorded with the secrets in them replaced, and played again, as they were or with faults."""
