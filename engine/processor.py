"""One turn of one conversation, from a request to an answer, in memory only.

Rasa's own processor keeps going when an action fails, when the dialogue runs in circles and when its
store does; here each of these ends the turn with an error, and the caller tries again.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rasa.core.actions.action import Action, ActionExecutionRejection, action_for_name_or_text
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.processor import MessageProcessor
from rasa.engine import loader
from rasa.engine.constants import PLACEHOLDER_MESSAGE
from rasa.engine.runner.interface import GraphRunner
from rasa.engine.storage.storage import ModelMetadata
from rasa.exceptions import ActionLimitReached
from rasa.nlu.classifiers.regex_message_handler import RegexMessageHandler
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.core.constants import (
    ACTION_EXTRACT_SLOTS,
    ACTION_SESSION_START_NAME,
    EXTERNAL_MESSAGE_PREFIX,
    IS_EXTERNAL,
)
from rasa.shared.core.events import (
    ActionExecutionRejected,
    Event,
    ReminderCancelled,
    ReminderScheduled,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker

from bot.language import normalise
from engine import wire
from engine.actions import ActionServer, actions_of
from engine.conversation import restore, store
from engine.errors import Code, EngineError
from engine.model import ServingStorage, StraightRunner
from engine.responses import Responses, remembered

NLU_CHARACTERS = 1000  # what NLU sees of a text; the screening for safety saw all of it before
MOST_PREDICTIONS = 10  # actions of one turn
RANKING = 3  # intents the actions may see beside the first


class TurnProcessor(MessageProcessor):  # type: ignore[misc]
    """A loaded model. Holds nothing of any conversation, so turns may run side by side."""

    def __init__(self, model: Path, actions: ActionServer) -> None:
        super().__init__(
            model_path=model,
            tracker_store=None,
            lock_store=None,
            generator=Responses({}),
            action_endpoint=actions,
            max_number_of_predictions=MOST_PREDICTIONS,
        )
        self.nlg.responses = self.domain.responses
        # Models are named by the fingerprint of the dialogue they were trained from.
        self.fingerprint = model.name.partition(".")[0]
        self._nlu_target = self._before_the_regex_handler()
        self._extract_slots = action_for_name_or_text(ACTION_EXTRACT_SLOTS, self.domain, actions)

    @staticmethod
    def _load_model(model_path: Path | str) -> tuple[str, ModelMetadata, GraphRunner]:
        """As Rasa's, with a runner of ours. Raises what Rasa raises for a bad archive."""
        with TemporaryDirectory() as folder:
            metadata, runner = loader.load_predict_graph_runner(
                Path(folder), Path(model_path), ServingStorage, StraightRunner
            )
        return Path(model_path).name, metadata, runner

    def _before_the_regex_handler(self) -> str:
        """The last node of NLU proper.

        Rasa ends its graph with a handler that obeys texts such as `/restart`. What a person writes
        is never a command here, so the graph stops one node earlier.
        """
        last = self.model_metadata.predict_schema.nodes[self.model_metadata.nlu_target]
        if last.uses is not RegexMessageHandler:
            raise EngineError(Code.ENGINE_FAILED, "the model's graph does not end as expected")
        return str(last.needs["messages"])

    # ------------------------------------------------------------ a turn

    async def turn(self, request: wire.TurnRequest) -> bytes:
        """The answer to one turn, as JSON. Raises EngineError; then nothing has happened."""
        with actions_of(request.turn_id, request.actions_url):
            tracker = restore(self.domain, request.contact, request.events)
            if request.trigger and tracker.active_loop_name:
                raise EngineError(Code.FORM_ACTIVE, tracker.active_loop_name)
            channel = CollectingOutputChannel()
            before = len(tracker.events)
            if not before:
                await self._start_session(tracker, channel)
            self._feed_slots(tracker, request.slots)
            parsed = self._parsed(request)
            tracker.update(_uttered(request, parsed), self.domain)
            await self.run_action_extract_slots(channel, tracker)
            await self._run_prediction_loop(channel, tracker)
            new = list(tracker.events)[before:]
            tracker.update_with_events(remembered(tracker, new), self.domain)
            return wire.answer(request, self.fingerprint, parsed, new, store(self.domain, tracker))

    def understand(self, text: str) -> dict[str, Any]:
        """Intent and entities of a text, taken as words whatever it looks like."""
        seen = text[:NLU_CHARACTERS]
        if not normalise(seen).strip():
            return {
                "intent": {"name": DEFAULT_NLU_FALLBACK_INTENT_NAME, "confidence": 0.0},
                "entities": [],
            }
        message = UserMessage(seen)
        message.text = seen  # the constructor strips it, and entities count from the first character
        results = self.graph_runner.run(inputs={PLACEHOLDER_MESSAGE: [message]}, targets=[self._nlu_target])
        parsed: dict[str, Any] = results[self._nlu_target][0].as_dict(only_output_properties=True)
        return {
            "intent": parsed["intent"],
            "entities": parsed.get("entities", []),
            "intent_ranking": parsed.get("intent_ranking", [])[:RANKING],
        }

    def _parsed(self, request: wire.TurnRequest) -> dict[str, Any]:
        if not request.intent:
            return self.understand(request.text)
        if request.intent not in self.domain.intents:
            raise EngineError(Code.BAD_REQUEST, f"the domain has no intent {request.intent}")
        entities = [{"entity": name, "value": value} for name, value in request.entities.items()]
        return {"intent": {"name": request.intent, "confidence": 1.0}, "entities": entities}

    async def _start_session(self, tracker: DialogueStateTracker, channel: CollectingOutputChannel) -> None:
        prediction = PolicyPrediction.for_action_name(self.domain, ACTION_SESSION_START_NAME)
        action = self._get_action(ACTION_SESSION_START_NAME)
        await self._run_action(action, tracker, channel, self.nlg, prediction)

    def _feed_slots(self, tracker: DialogueStateTracker, slots: dict[str, Any]) -> None:
        for name, value in slots.items():
            if name not in tracker.slots:
                raise EngineError(Code.BAD_REQUEST, f"the domain has no slot {name}")
            if tracker.get_slot(name) != value:
                tracker.update(SlotSet(name, value), self.domain)

    # ------------------------------------------------------------ what Rasa would swallow

    async def run_action_extract_slots(
        self, output_channel: CollectingOutputChannel, tracker: DialogueStateTracker
    ) -> DialogueStateTracker:
        events = await self._extract_slots.run(output_channel, self.nlg, tracker, self.domain)
        tracker.update_with_events(events, self.domain)
        return tracker

    async def _run_prediction_loop(
        self, output_channel: CollectingOutputChannel, tracker: DialogueStateTracker
    ) -> None:
        more = True
        while more and self._should_handle_message(tracker):
            try:
                action, prediction = self.predict_next_with_tracker_if_should(tracker)
            except ActionLimitReached:
                raise EngineError(Code.PREDICTION_LIMIT, str(tracker.latest_action_name)) from None
            more = await self._run_action(action, tracker, output_channel, self.nlg, prediction)

    def _predict_next_with_tracker(self, tracker: DialogueStateTracker) -> PolicyPrediction:
        wanted = tracker.followup_action
        if wanted and wanted not in self.domain.action_names_or_texts:
            raise EngineError(Code.ACTION_FAILED, f"an action asked for the unknown action {wanted}")
        return super()._predict_next_with_tracker(tracker)

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: CollectingOutputChannel,
        nlg: Responses,
        prediction: PolicyPrediction,
    ) -> bool:
        """Run one action; its errors are the turn's. True: another action is to be predicted."""
        seen = tracker
        if prediction.events:  # to be forgotten again if the action rejects
            seen = tracker.copy()
            seen.update_with_events(prediction.events, self.domain)
        more: bool = self.should_predict_another_action(action.name())
        try:
            events = await action.run(output_channel, nlg, seen, self.domain)
        except ActionExecutionRejection:
            rejected = ActionExecutionRejected(
                action.name(), prediction.policy_name, prediction.max_confidence
            )
            tracker.update(rejected, self.domain)
            return more
        except EngineError:
            raise
        except Exception as error:
            detail = f"{action.name()}: {type(error).__name__}"
            raise EngineError(Code.ACTION_FAILED, detail) from error
        self._record(action, tracker, events or [], prediction)
        if any(isinstance(event, UserUttered) for event in events or []):
            await self.run_action_extract_slots(output_channel, tracker)
        return more

    def _record(
        self, action: Action, tracker: DialogueStateTracker, events: list[Event], prediction: PolicyPrediction
    ) -> None:
        if any(isinstance(event, (ReminderScheduled, ReminderCancelled)) for event in events):
            raise EngineError(Code.ACTION_FAILED, f"{action.name()}: reminders are the app's")
        if not any(isinstance(event, ActionExecutionRejected) for event in events):
            tracker.update_with_events(prediction.events, self.domain)
            tracker.update(action.event_for_successful_execution(prediction), self.domain)
        tracker.update_with_events(events, self.domain)


def _uttered(request: wire.TurnRequest, parsed: dict[str, Any]) -> UserUttered:
    metadata = request.metadata
    text = request.text
    if request.trigger:
        metadata = {**metadata, IS_EXTERNAL: True}
        text = text or EXTERNAL_MESSAGE_PREFIX + request.intent
    return UserUttered(
        text,
        parsed["intent"],
        parsed["entities"],
        parsed,
        input_channel="turn",
        message_id=request.turn_id,
        metadata=metadata,
    )
