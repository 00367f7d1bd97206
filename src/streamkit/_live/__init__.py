"""Reading living sources: streams, tees, broadcasts, deadlines and timing, sync and async."""
