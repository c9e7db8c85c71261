"""Rasa's two policies as they are served: the same predictions, without the work that cannot change them.

Models are trained with Rasa's own classes; `engine.model` puts these in their place when it loads one. The
names are the same because events carry them.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from rasa.core.policies import memoization, rule_policy
from rasa.core.policies.policy import PolicyPrediction
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActionExecutionRejected
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import TEXT


class RulePolicy(rule_policy.RulePolicy):  # type: ignore[misc]
    """Does not look for rules about literal texts where there are none."""

    @cached_property
    def _about_texts(self) -> bool:
        return any(f'"{TEXT}"' in key for key in self.lookup[rule_policy.RULES])

    def _find_action_from_rules(
        self, tracker: DialogueStateTracker, domain: Domain, use_text_for_last_user_input: bool
    ) -> tuple[str | None, str | None, bool]:
        if use_text_for_last_user_input and not self._about_texts:
            return None, None, False
        found: tuple[str | None, str | None, bool] = super()._find_action_from_rules(
            tracker, domain, use_text_for_last_user_input
        )
        return found

    def predict_action_probabilities(
        self, tracker: DialogueStateTracker, domain: Domain, **kwargs: Any
    ) -> PolicyPrediction:
        prediction = super().predict_action_probabilities(tracker, domain, **kwargs)
        if prediction.max_confidence >= 1.0 and not _rejected(tracker):
            tracker.ruled_at = len(tracker.events)
        return prediction


class MemoizationPolicy(memoization.MemoizationPolicy):  # type: ignore[misc]
    """Is not asked where a rule is certain: the ensemble takes the rule, whatever is remembered."""

    def predict_action_probabilities(
        self, tracker: DialogueStateTracker, domain: Domain, **kwargs: Any
    ) -> PolicyPrediction:
        if getattr(tracker, "ruled_at", None) == len(tracker.events):
            return self._prediction(self._default_predictions(domain))
        return super().predict_action_probabilities(tracker, domain, **kwargs)


def _rejected(tracker: DialogueStateTracker) -> bool:
    """Whether the last action refused to run: the ensemble then takes its name out of every prediction."""
    for event in reversed(tracker.events):
        if isinstance(event, (ActionExecuted, ActionExecutionRejected)):
            return isinstance(event, ActionExecutionRejected)
    return False
