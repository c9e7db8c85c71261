"""A trained model as it is served: unpacked without its training half, its graph run straight through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasa.shared.utils.io
from rasa.core.policies import memoization, rule_policy
from rasa.engine.constants import PLACEHOLDER_MESSAGE, PLACEHOLDER_TRACKER
from rasa.engine.graph import GraphSchema
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.engine.storage.local_model_storage import MODEL_ARCHIVE_METADATA_FILE, LocalModelStorage
from rasa.engine.storage.storage import ModelMetadata

from engine import policies

# Which of our classes serve what Rasa's have learnt.
SERVE = {
    rule_policy.RulePolicy: policies.RulePolicy,
    memoization.MemoizationPolicy: policies.MemoizationPolicy,
}


class ServingStorage(LocalModelStorage):  # type: ignore[misc]
    """Reads an archive but not its training graph, whose classes would import all of TensorFlow."""

    @staticmethod
    def _load_metadata(directory: Path) -> ModelMetadata:
        metadata = rasa.shared.utils.io.read_json_file(directory / MODEL_ARCHIVE_METADATA_FILE)
        model = ModelMetadata.from_dict({**metadata, "train_schema": {"nodes": {}}})
        for node in model.predict_schema.nodes.values():
            node.uses = SERVE.get(node.uses, node.uses)
        return model


class StraightRunner(DaskGraphRunner):  # type: ignore[misc]
    """The graph is fixed once the model is loaded, so each set of targets is ordered once."""

    def run(self, inputs: dict[str, Any] | None = None, targets: list[str] | None = None) -> dict[str, Any]:
        """The outputs of `targets`; `inputs` stand for the graph's placeholders."""
        results = {PLACEHOLDER_MESSAGE: None, PLACEHOLDER_TRACKER: None, **(inputs or {})}
        wanted = targets or self._graph_schema.target_names
        for name in self._order(tuple(wanted)):
            needs = self._graph_schema.nodes[name].needs.values()
            _, results[name] = self._instantiated_nodes[name](*((need, results[need]) for need in needs))
        return {name: results[name] for name in wanted}

    def _order(self, targets: tuple[str, ...]) -> tuple[str, ...]:
        orders: dict[tuple[str, ...], tuple[str, ...]] = self.__dict__.setdefault("_orders", {})
        if targets not in orders:
            orders[targets] = _dependencies_first(self._graph_schema, targets)
        return orders[targets]


def _dependencies_first(schema: GraphSchema, targets: tuple[str, ...]) -> tuple[str, ...]:
    order: dict[str, None] = {}

    def add(name: str) -> None:
        if name in order or name not in schema.nodes:  # else a placeholder, given as input
            return
        for need in schema.nodes[name].needs.values():
            add(need)
        order[name] = None

    for target in targets:
        add(target)
    return tuple(order)
