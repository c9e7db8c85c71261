"""The staff's console at `/console/`: views, templates, what browsers need. What is in it is `bot.desk`'s."""

from console.app import build
from console.live import Live

__all__ = ["Live", "build"]
