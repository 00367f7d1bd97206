"""Writing: a response, or a dirty stream while it runs, as the clean stream that OpenAI would have sent."""
