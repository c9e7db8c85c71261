"""Rasa tokenizer on `bot.language`: the model carries its own copy of the lexicon."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.language import Reader, Reading, read_lexicon

READING = "reading"  # where a message keeps its `Reading`, for the components that follow


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=True)
class LexiconTokenizer(Tokenizer):  # type: ignore[misc]
    """Reads each text once; words, normal form and entities are taken from that one reading."""

    def __init__(
        self, config: dict[str, Any], storage: ModelStorage, resource: Resource, lexicon: Path
    ) -> None:
        super().__init__(config)
        self._storage = storage
        self._resource = resource
        self._lexicon = lexicon
        self._reader = Reader(read_lexicon(lexicon))

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "lexicon": "data/lexicon",  # a folder, relative to where the training data is
            "intent_tokenization_flag": False,
            "intent_split_symbol": "_",
        }

    @staticmethod
    def supported_languages() -> list[str]:
        return ["zh"]

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LexiconTokenizer:
        return cls(config, model_storage, resource, Path(config["lexicon"]))

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> LexiconTokenizer:
        with model_storage.read_from(resource) as folder:
            return cls(config, model_storage, resource, folder)

    def train(self, training_data: TrainingData) -> Resource:
        """Nothing to learn: keep the lexicon beside the model."""
        with self._storage.write_to(self._resource) as folder:
            for file in self._lexicon.glob("*.txt"):
                shutil.copy(file, folder)
        return self._resource

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        reading: Reading = self._reader.read(message.get(attribute))
        if attribute == TEXT:
            message.set(READING, reading)
        return [Token(word.text, word.start, word.end) for word in reading.words]
