"""The service as processes: one supervisor, what it sets up, starts, trains, keeps alive and stops."""
