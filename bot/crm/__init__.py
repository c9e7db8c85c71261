"""What a CRM is told: approved visits, signed, at least once."""

from bot.crm.deliveries import EVERY, deliver, replay, tell

__all__ = ["EVERY", "deliver", "replay", "tell"]
