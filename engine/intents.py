"""Rasa intent classifier: scikit-learn's logistic regression, kept and applied as plain matrices.

Rasa's own `LogisticRegressionClassifier` fixes the regularisation, stores its model with skops, whose
import takes 4 s at every start, and builds three sparse matrices per message.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.featurizers.featurizer import Featurizer
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from sklearn.linear_model import LogisticRegression

Numbers = npt.NDArray[np.float32]

FILE = "weights.npz"
RANKED = 10  # intents told beside the first


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class IntentRegression(IntentClassifier, GraphComponent):  # type: ignore[misc]
    """Multinomial logistic regression over the sentence features of all featurizers before it."""

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._storage = storage
        self._resource = resource
        self._names: list[str] = []
        self._rarity: Numbers = np.zeros(0, np.float32)  # of each n-gram
        self._weights: Numbers = np.zeros((0, 0), np.float32)  # features x intents
        self._bias: Numbers = np.zeros(0, np.float32)

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"C": 10.0, "max_iter": 300, "tol": 1e-3}

    @classmethod
    def required_components(cls) -> list[type]:
        return [Featurizer]

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> IntentRegression:
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> IntentRegression:
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder, np.load(folder / FILE, allow_pickle=False) as kept:
            component._names = [str(name) for name in kept["names"]]
            component._rarity = kept["rarity"]
            component._weights, component._bias = kept["weights"], kept["bias"]
        return component

    def train(self, training_data: TrainingData) -> Resource:
        """Fit and keep. Classes weigh alike, however many examples each has."""
        examples = [example for example in training_data.intent_examples if example.get(TOKENS_NAMES[TEXT])]
        self._rarity = _rarity([_counts(example) for example in examples])
        regression = LogisticRegression(
            C=self._config["C"],
            max_iter=self._config["max_iter"],
            tol=self._config["tol"],
            class_weight="balanced",
            multi_class="multinomial",
        )
        regression.fit(self._matrix(examples), [example.get(INTENT) for example in examples])
        weights, bias = regression.coef_, regression.intercept_
        if len(weights) == 1:  # scikit-learn keeps two classes as one row
            weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
        with self._storage.write_to(self._resource) as folder:
            np.savez_compressed(
                folder / FILE,
                names=np.array(regression.classes_, dtype=str),
                rarity=self._rarity,
                weights=np.ascontiguousarray(weights.T, dtype=np.float32),
                bias=bias.astype(np.float32),
            )
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        """Set the intent and its ranking, most likely first."""
        for message in messages:
            chances = self._chances(message)
            order = np.argsort(-chances)[:RANKED]
            ranking = [{"name": self._names[i], "confidence": float(chances[i])} for i in order]
            message.set("intent", dict(ranking[0]), add_to_output=True)
            message.set("intent_ranking", ranking, add_to_output=True)
        return messages

    def _chances(self, message: Message) -> Numbers:
        """One number an intent; they add up to 1."""
        places, grams = self._grams(message)
        encoded = _encoded(message)
        first = len(self._rarity)
        scores = grams @ self._weights[places] + encoded @ self._weights[first:] + self._bias
        raised = np.exp(scores - scores.max())
        chances: Numbers = raised / raised.sum()
        return chances

    def _grams(self, message: Message) -> tuple[npt.NDArray[np.int32], Numbers]:
        """The message's n-grams: their places and TF-IDF weights, together of length 1.

        Raw counts in their stead cost 2 points of accuracy.
        """
        counts = _counts(message)
        weights = (1 + np.log(counts.data)) * self._rarity[counts.indices]
        return counts.indices, weights / max(float(np.linalg.norm(weights)), 1e-9)

    def _matrix(self, messages: list[Message]) -> scipy.sparse.csr_matrix:
        """Messages x features: n-grams, then the encoder's vector."""
        rows = [self._grams(message) for message in messages]
        starts = np.cumsum([0, *(len(places) for places, _ in rows)])
        places, weights = (np.concatenate(column) for column in zip(*rows, strict=True))
        grams = scipy.sparse.csr_matrix((weights, places, starts), shape=(len(rows), len(self._rarity)))
        encoded = scipy.sparse.csr_matrix(np.vstack([_encoded(message) for message in messages]))
        return scipy.sparse.hstack([grams, encoded]).tocsr()


def _counts(message: Message) -> scipy.sparse.csr_matrix:
    _, sentence = message.get_sparse_features(TEXT)
    return sentence.features.tocsr()


def _encoded(message: Message) -> Numbers:
    _, sentence = message.get_dense_features(TEXT)
    vector: Numbers = sentence.features[0]
    return vector


def _rarity(counts: list[scipy.sparse.csr_matrix]) -> Numbers:
    """Inverse document frequency, smoothed as in scikit-learn's TfidfTransformer."""
    found = np.bincount(np.concatenate([row.indices for row in counts]), minlength=counts[0].shape[1])
    rarity: Numbers = (np.log((1 + len(counts)) / (1 + found)) + 1).astype(np.float32)
    return rarity
