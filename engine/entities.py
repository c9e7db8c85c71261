"""Rasa entity extractor on `bot.language`: drugs, diseases, symptoms, laboratory values, doses."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES
from rasa.shared.nlu.training_data.message import Message

from engine.tokenizer import READING, LexiconTokenizer


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class LexiconEntities(GraphComponent, EntityExtractorMixin):  # type: ignore[misc]
    """Only what the tokenizer's reading found; `value` is the lexicon's preferred name."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LexiconEntities:
        return cls()

    @classmethod
    def required_components(cls) -> list[type]:
        return [LexiconTokenizer]

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            found = [
                {"entity": entity.type, "value": entity.value, "start": entity.start, "end": entity.end}
                for entity in message.get(READING).entities
            ]
            message.set(ENTITIES, self.add_extractor_name(found), add_to_output=True)
        return messages
