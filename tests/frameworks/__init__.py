"""Agent frameworks on the 34 streams of senders, each by the line of its page; `python -m frameworks.matrix` runs them."""
