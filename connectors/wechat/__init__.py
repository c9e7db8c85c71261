"""WeChat Official Account (公众号): verify, decrypt, parse, reply, send; its menu and QR codes."""

from connectors.wechat.account import OfficialAccount
from connectors.wechat.connector import WeChat
from connectors.wechat.oauth import OAuth

__all__ = ["OAuth", "OfficialAccount", "WeChat"]
