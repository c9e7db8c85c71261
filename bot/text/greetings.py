"""How people open a message before they say what they want: 老师您好, 早上好, 在吗, 打扰一下."""

from __future__ import annotations

_WHO = "(?:老师|医生|大夫|主任|院长|同志|小助手|助手|客服)"

#: For a pattern; whoever repeats it does so possessively, for one greeting may be read as part of the next.
GREETING = (
    rf"(?:(?:[\u4e00-\u9fff]{{0,3}}{_WHO})?(?:您好|你好)|[\u4e00-\u9fff]{{0,3}}{_WHO}好(?![的了])"
    r"|(?:早上|上午|中午|下午|晚上|大家|各位)好|早安|哈喽|hello(?![a-z])|hi(?![a-z])|在吗|在不在|在么"
    r"|打扰(?:一下|了)?|辛苦了|麻烦(?:您|你|了)?)[啊呀哈嘛~～]{0,2}"
)
