"""What a CRM is told: approved visits, signed, at least once."""

from bot.crm.deliveries import EVERY, Teller, deliver, replay, tell

__all__ = ["EVERY", "Teller", "deliver", "replay", "tell"]
