"""How long what is kept, and why: what is older goes, a batch at a time.

The periods are a proposal for the company's data protection officer. Evidence itself is not pruned: it
holds no word in clear, and erasing a person makes what it holds of them unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.clock import real_now
from bot.evidence import note, prune_heads
from bot.runtime.services import Services
from bot.store import retention

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """`store` keeps its rows for `days`, for this reason."""

    store: str
    days: int
    reason: str


RULES = (
    Rule("offer", 7, "个保法第十九条：实现目的所必要的最短时间（选项八小时后已失效）"),
    Rule("early_receipt", 7, "个保法第十九条：只用于等待同一条消息的发送结果"),
    Rule("effect", 30, "个保法第十九条：只用于同一轮对话的重试"),
    Rule("attempt", 30, "个保法第十九条：只用于限制身份核对的次数"),
    Rule("case_sign", 90, "药物警戒质量管理规范：识别聚集性事件所需的期限"),
    Rule("profile_tag", 365, "个保法第十九条：已失效的标签，留作核对更正与撤回"),
    Rule("profile_event", 365, "个保法第十九条：只用于推算活跃度与关注"),
    Rule("suggestion", 730, "已处理的建议及结果，用于评估建议是否合适"),
    Rule("change_request", 1095, "个保法第四十六条：更正请求的处理情况留存备查"),
    Rule("material_open", 730, "个保法第十九条：只用于了解资料是否被打开"),
    Rule("material_sent", 1095, "对外信息留存备查：何时把哪份资料发给了谁"),
    Rule("appointment", 1095, "对外信息留存备查：代表与医生约定的时间"),
    Rule("meeting_invitation", 1095, "对外信息留存备查：邀请医生参加会议及其答复"),
    Rule("chat_note", 1095, "对外信息留存备查：同事之间就会话所作的交接说明"),
    Rule("visit_fact", 1095, "对外信息留存备查：拜访纪要的依据"),
    Rule("visit_summary_version", 1095, "对外信息留存备查：拜访纪要的修改经过"),
    Rule("visit_summary", 1095, "对外信息留存备查：拜访纪要"),
    Rule("own_visit_version", 1095, "对外信息留存备查：代表拜访记录的修改经过"),
    Rule("own_visit", 1095, "对外信息留存备查：代表拜访记录"),
    Rule("crm_delivery", 90, "个保法第十九条：只用于推送到客户管理系统和重新推送"),
    Rule("medical_step", 1825, "对外信息留存备查：医学信息答复的起草、审核与修改经过"),
    Rule("medical_request", 1825, "对外信息留存备查：医学信息问询"),
    Rule("occurrence", 730, "随访期内核对提醒是否送达"),
    Rule("inbox", 1095, "对外信息留存备查，并识别平台重复投递；网络安全法第二十一条要求日志不少于六个月"),
    Rule("head", 1825, "留痕的签名链头；更早的由签名检查点代替，校验结果不变"),
)


async def prune(services: Services, batch: int = BATCH) -> dict[str, int]:
    """Remove what is older than its rule allows; how many rows of each store.

    Several processes may call it: one works, the others find nothing to do. Raises MedrepError(TAMPERED) when
    a head is not as it was signed; what came before the heads is pruned all the same.
    """
    removed = {rule.store: 0 for rule in RULES}
    for rule in RULES:
        while True:
            count = await _batch(services, rule, batch)
            removed[rule.store] += count
            if count < batch:
                break
    if any(removed.values()):
        async with services.db.begin() as tx:
            await note(tx, "retention.pruned", services.clock.now(), "retention", rows=removed)
    return removed


async def _batch(services: Services, rule: Rule, batch: int) -> int:
    kept = timedelta(days=rule.days)
    if rule.store == "head":
        return await prune_heads(services.db, services.home, real_now() - kept, limit=batch)
    async with services.db.begin() as tx:
        if not await retention.become_pruner(tx):
            return 0
        return await retention.prune(tx, rule.store, services.clock.now() - kept, batch)
