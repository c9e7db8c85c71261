"""Pages for browsers: operations, and the way to the sandbox."""
