"""An optional model behind an OpenAI-compatible address: it may find a better wording, and nothing else."""

from bot.assistant.asking import Endpoint, ask
from bot.assistant.grounding import Support, fault_of
from bot.assistant.pseudonyms import Pseudonyms

__all__ = ["Endpoint", "Pseudonyms", "Support", "ask", "fault_of"]
