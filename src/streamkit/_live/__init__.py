"""Reading live sources: streams, tees, broadcasts, deadlines and timing, sync and async."""
