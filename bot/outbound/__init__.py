"""A message out: the sender, the one exit, what a failure leads to, platform tokens."""
