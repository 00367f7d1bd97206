"""Recorded streams: played again, as they were recorded or with faults."""
