"""How a doctor wants to be answered: heard in the question, or in the few words that answer our own."""

from __future__ import annotations

import re

from bot.text.folding import fold

CHAT, PHONE, WRITTEN = "chat", "phone", "written"
WISHES = (CHAT, PHONE, WRITTEN)
CHOICE = "answer:"  # and a wish: the ids of the choices of our question

_NO = r"(?:别|不要|不用|不必|不想|无需|勿|没空接|不方便接?)[^,。;!?]{0,4}"
_PHONE = (
    r"(?:打|来|回|通)(?:一?个|我|一下)?电话"
    r"|电话(?:里|上|中)?(?:回复?|答复|联系|告诉|沟通|说|讲|解答|跟我|给我|聊)"
)
_WRITTEN = (
    r"书面(?:答复|回复|材料|说明|回函)|(?:要|用|给我?|发)[^,。;!?]{0,3}书面|书面的(?=[,。;!?]|$)|纸质|盖章|正式(?:的?函|文件|答复|回函)"
    r"|发?(?:我|到|个|一份)?(?:邮件|邮箱)"
)
_CHAT = r"(?:就|直接)?在?(?:这里|这儿|这边|这上面|微信(?:上|里)?|对话里)(?:直接)?(?:回复?|答复?|发|说|告诉)"
_PATTERNS = (
    (PHONE, re.compile(_PHONE), re.compile(rf"{_NO}(?:打|来|回|通)?(?:我)?电话")),
    (WRITTEN, re.compile(_WRITTEN), re.compile(rf"{_NO}(?:书面|纸质|盖章|邮件)")),
    (CHAT, re.compile(_CHAT), None),
)
# A whole message that answers 「想怎么收到答复」 and would say nothing by itself.
_BARE = {
    PHONE: re.compile(r"(?:就|用|走|选|要|打)?电话(?:吧|就行|就好|回复?|即可|好了)?"),
    WRITTEN: re.compile(r"(?:就|用|要|选)?(?:书面|邮件|纸质)(?:的)?(?:吧|就行|就好|即可|好了)?"),
    CHAT: re.compile(
        r"(?:就|还是|发|放)?(?:在)?(?:这里|这儿|这边|这上面|微信|对话里)(?:上|里)?(?:就|吧|就行|就好|即可|好了|行|可以)?"
    ),
}


def heard(words: str) -> str:
    """The wish that words say beside what they ask; "" where they say none."""
    said = fold(words).text
    for wish, pattern, no in _PATTERNS:
        if pattern.search(said) and not (no and no.search(said)):
            return wish
    return ""


def answers(words: str) -> str:
    """The wish, where a short message answers our question how they want to be answered."""
    said = re.sub(r"[\s,。.!?~]", "", fold(words).text)
    if len(said) > 20:
        return ""
    return next((wish for wish, bare in _BARE.items() if bare.fullmatch(said)), "") or heard(words)
