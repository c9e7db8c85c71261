"""The commands of `medrep`, one module a subject; `bot/cli.py` puts them together."""
