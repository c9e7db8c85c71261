"""What is due: timers and their occurrences."""
