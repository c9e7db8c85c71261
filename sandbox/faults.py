"""What is to go wrong, and how often: set through the control API, consulted on every call."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=600)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Harm(StrEnum):
    """How a call of the gateway to the platform goes wrong."""

    ERRCODE = "errcode"  # HTTP 200 with that errcode, nothing done
    HANG = "hang"  # no answer for `seconds`, nothing done
    HTML = "html"  # an HTML page with status 200, nothing done
    RESET = "reset"  # the connection is reset, nothing done
    ACCEPT_THEN_RESET = "accept_then_reset"  # done, and then the connection is reset
    SLOW = "slow"  # done, after `seconds`
    ANSWER = "answer"  # answered with `status` and `body`; done before that only if `done`


class ApiFault(Strict):
    """`api` is the path after /cgi-bin/ (e.g. `message/custom/send`) or `*`; `times` null: until cleared.

    `status`, `body`, `content_type` and `done` belong to `answer`: any HTTP answer, such as errcode 0 with
    status 500, an empty page with 503, or a token of the wrong type.
    """

    api: str = "*"
    kind: Harm
    errcode: int = -1
    times: int | None = Field(default=1, ge=1)
    seconds: Seconds = 30
    account: str = ""
    status: int = Field(default=200, ge=200, le=599)
    body: str = Field(default='{"errcode": 0, "errmsg": "ok"}', max_length=1_000_000)
    content_type: str = Field(default="application/json", pattern=r"^[a-z]+/[a-z.+-]+$")
    done: bool = False

    def concerns(self, api: str, account: str) -> bool:
        return self.api in ("*", api) and self.account in ("", account)


class WebhookFault(Strict):
    """How user messages travel: `copies` at once, late, or with the gateway's answer lost on the way back."""

    delay_seconds: Seconds = 0
    copies: int = Field(default=1, ge=1, le=20)
    drop_responses: int = Field(default=0, ge=0)  # so many answers are lost: the platform sees a timeout
    timeout_seconds: Seconds = 5


class NetworkFault(Strict):
    delay_seconds: Seconds = 0


class FaultsChange(Strict):
    """Rules in `api` are added; each other part that is given replaces the present one."""

    api: list[ApiFault] = []
    webhook: WebhookFault | None = None
    network: NetworkFault | None = None
    template_status: str | None = None  # what TEMPLATESENDJOBFINISH reports; null: what is true
    template_early: bool | None = None  # it is posted, and answered, before the send itself is answered


class Faults:
    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.api: list[ApiFault] = []
        self.webhook = WebhookFault()
        self.network = NetworkFault()
        self.template_status: str | None = None
        self.template_early = False

    def change(self, change: FaultsChange) -> None:
        self.api += change.api
        self.webhook = change.webhook or self.webhook
        self.network = change.network or self.network
        if "template_status" in change.model_fields_set:
            self.template_status = change.template_status
        if change.template_early is not None:
            self.template_early = change.template_early

    def take(self, api: str, account: str) -> ApiFault | None:
        """The first rule that concerns this call, counted down."""
        for rule in self.api:
            if rule.concerns(api, account):
                if rule.times is not None:
                    rule.times -= 1
                    if not rule.times:
                        self.api.remove(rule)
                return rule
        return None

    def drop_response(self) -> bool:
        if not self.webhook.drop_responses:
            return False
        self.webhook.drop_responses -= 1
        return True

    def state(self) -> dict[str, object]:
        return {
            "api": [rule.model_dump(mode="json") for rule in self.api],
            "webhook": self.webhook.model_dump(),
            "network": self.network.model_dump(),
            "template_status": self.template_status,
            "template_early": self.template_early,
        }
