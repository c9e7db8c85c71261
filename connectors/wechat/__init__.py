"""WeChat Official Account (公众号): verify, decrypt, parse, reply, send."""

from connectors.wechat.connector import WeChat
from connectors.wechat.oauth import OAuth

__all__ = ["OAuth", "WeChat"]
