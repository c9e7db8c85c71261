"""Which wording stands, by the words that it cites; and what leaves for the assistant names nobody."""

from __future__ import annotations

import pytest

from bot.assistant import Pseudonyms, Support, fault_of

WORRY = Support("问到关心的方面，医生答：「主要还是担心肾功能不全的病人」", ("主要还是担心肾功能不全的病人",))
OBJECTION = Support("医生有不同看法：「价格贵，不太认可这个疗效」", ("价格贵，不太认可这个疗效",))
MOVED = Support("医生改约到11月30日（周一）20:30。", ("门诊排到外头了 八点半吧",))
ASKED = Support(
    "医生提问：「eGFR 40怎么用」，已依据《说明书》1.0答复。",
    ("eGFR 40怎么用", "eGFR 30-45mL/min/1.73m2时不建议起始治疗，每日最大剂量1000mg。"),
)
OPEN = Support("医生提出一个问题，没有可引用的审批资料，已转医学部（任务 12）。", ("这个问题帮我问问",))
REFUSED = Support("医生表示不需要介绍，拜访结束。", ("不用了，我很忙",))


@pytest.mark.parametrize(
    ("support", "sentence"),
    [
        (WORRY, "医生主要担心肾功能不全的病人。"),
        (WORRY, "谈到关心的方面，医生表示「主要还是担心肾功能不全的病人」。"),
        (OBJECTION, "医生提到价格贵，不太认可这个疗效。"),
        (MOVED, "医生改约到11月30日（周一）20:30。"),
        (MOVED, "医生表示门诊排到外头了，改约到11月30日（周一）20:30。"),
        (ASKED, "医生询问「eGFR 40怎么用」，已依据《说明书》1.0答复。"),
        (OPEN, "医生的问题没有可引用的审批资料，已转医学部（任务 12）。"),
        (REFUSED, "医生表示不需要介绍，拜访结束。"),
    ],
)
def test_what_the_turns_bear_stands(support: Support, sentence: str) -> None:
    assert fault_of(sentence, support) is None


@pytest.mark.parametrize(
    ("support", "sentence", "fault"),
    [
        (WORRY, "医生主要担心肾功能不全的病人，共有30位。", "figure"),
        (WORRY, "医生主要担心三成肾功能不全的病人。", "figure"),
        (WORRY, "医生不担心肾功能不全的病人。", "word"),
        (WORRY, "医生认可二甲双胍的疗效。", "figure"),
        (WORRY, "医生认可这个疗效。", "word"),
        (WORRY, "医生计划处方给肾功能不全的病人。", "word"),
        (WORRY, "医生担心CKD病人，主要是肾功能不全。", "figure"),
        (WORRY, "医生说「肾功能不全的病人很多」。", "quotation"),
        (OBJECTION, "医生认可这个疗效。", "negation"),
        (OBJECTION, "医生有不同看法：价格贵，认可这个疗效。", "word"),
        (MOVED, "医生改约到11月30日（周一）。", "lost"),
        (MOVED, "医生改约到11月30日（周一）20:30，之后21:00再约。", "figure"),
        (ASKED, "医生询问「eGFR 40怎么用」，已答复每日最大剂量2000mg，依据《说明书》1.0。", "figure"),
        (OPEN, "医生的问题已转医学部。", "lost"),
        (OPEN, "医生的问题已转医学部（任务 13）。", "figure"),
        (REFUSED, "医生表示需要介绍，拜访结束。", "negation"),
        (WORRY, "医生担心肾功能不全的病人<script>alert(1)</script>", "unreadable"),
        (WORRY, "医生担心肾功能不全的病人 https://evil.example/x", "unreadable"),
        (WORRY, "医生担心\u202e肾功能不全的病人", "unreadable"),
        (WORRY, "〔姓名〕担心肾功能不全的病人", "unreadable"),
        (WORRY, "担心" * 200, "unreadable"),
        (WORRY, "  ", "unreadable"),
        (Support("医生说：「这是最好的药」", ("这是最好的药",)), "医生说这是最好的药。", "refused"),
    ],
)
def test_what_they_do_not_bear_falls(support: Support, sentence: str, fault: str) -> None:
    assert fault_of(sentence, support) == fault


def test_no_name_and_no_number_leaves() -> None:
    hide = Pseudonyms(("欧阳明月", "周代表", "D-0017"), ("虚构县青石医院",)).hide
    said = (
        "我是欧阳明月，虚构县青石医院的张主任和老李都在，13812345678 或 138 1234 5678，微信号：ouyang_88，"
        "oPRIVATE_0123456789abcdefghi，a.b@example.org，身份证11010519491231002X，编号D-0017，叫周代表来，我叫王小明"
    )
    shown = hide(said)
    for one in (
        *("欧阳", "明月", "青石", "张", "老李", "1381", "5678", "ouyang", "PRIVATE", "example", "110105"),
        *("D-0017", "周代表", "王小明"),
    ):
        assert one not in shown, (one, shown)
    medical = "二甲双胍500mg一天两次，eGFR 45，血压145/92，老年患者，小剂量开始，高血压"
    assert hide(medical) == medical
