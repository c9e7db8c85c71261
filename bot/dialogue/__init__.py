"""What is said and understood: published versions, the client of the engine, action calls."""
