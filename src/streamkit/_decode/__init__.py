"""Server-sent events to clean chunks: JSON that strict readers refuse, errors, whole bodies, every sender's dialect."""
