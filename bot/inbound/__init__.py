"""A message in, a turn made: what a connector calls, storing, reading a turn, and the workers."""
