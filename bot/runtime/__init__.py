"""What a process stands on: services, notifications, metrics, logs."""
