"""Recording HTTP exchanges as traces, with the secrets in them replaced."""
