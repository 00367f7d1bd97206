"""Server-sent events to clean chunks: JSON that strict readers refuse, errors, whole bodies, the variants of every
sender."""
