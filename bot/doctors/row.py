"""One row of the file as a doctor, or the reason why not.

Reasons name the column, never what stands in it: reports are shown, mailed and logged.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass

from bot.doctors import identity
from bot.doctors.cells import Cell, SheetLine
from bot.doctors.columns import Columns
from bot.doctors.hospitals import main_name, with_second_names
from bot.model import Account, Audience, Fault, MedrepError
from bot.settings import Accounts
from bot.store.keyring import Keyring
from bot.text.han import is_han

_LIMITS = {
    "external_id": (64, "外部编号"),
    "name": (40, "姓名"),
    "hospital": (80, "医院"),
    "aliases": (80, "医院别名"),
    "tier": (20, "医院等级"),
    "department": (40, "科室"),
    "title": (40, "职称"),
    "city": (40, "城市"),
    "phone": (40, "手机"),
    "interests": (400, "关注领域"),
    "rep": (40, "负责代表"),
    "channel": (80, "渠道"),
    "channel_user_id": (128, "渠道账号"),
}
_NUMERIC = frozenset({"phone", "external_id", "channel_user_id"})  # where a spreadsheet may hold a number
_INTERESTS = 30
_FORMULA = "=+-@"
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d+")
# What a GBK file could not hold became a question mark; UTF-8 that was read as GBK became these.
_LOST = re.compile(r"[?？]|锟斤拷|烫烫烫|屯屯屯|ï»¿|[ÃÂ][\x80-\xbf]")
_WITHOUT_MARKS = frozenset({"name", "hospital", "aliases", "department", "title", "city", "rep"})
# A row that says how to fill in the table, or shows it.
_HINT = re.compile(
    r"必填|选填|可不填|非必填|填写|请填|请输入|不能为空|请勿|不可重复|示例|样例|例如|^例|如[:：]|真实姓名|全称|文本格式"
)
_INTEGRAL = re.compile(r"(\d+)\.0+")


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that was not loaded: its number in the sheet, and why, in Chinese."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class DoctorRow:
    """One doctor as the file describes them, cleaned. `phone` is digits or empty."""

    row: int
    external_id: str
    name: str
    hospital: str
    tier: str
    department: str
    title: str
    city: str
    phone: str
    interests: tuple[str, ...]
    rep: str
    account: Account | None
    address: str  # the id on that account; empty: not known

    @property
    def person(self) -> bytes:
        """A short digest of who it is, as people tell it."""
        told = "\0".join((identity.name_form(self.name), main_name(self.hospital), self.phone))
        return hashlib.blake2b(told.encode(), digest_size=16).digest()

    def digest(self, keyring: Keyring) -> bytes:
        """Keyed digest of all it says: the same row again means nothing to write."""
        values = [
            identity.FORM,
            *(self.external_id, self.name, self.hospital, self.tier, self.department, self.title, self.city),
            *(self.phone, self.interests, self.rep, str(self.account or ""), self.address),
        ]
        return keyring.digest("doctor.row", json.dumps(values, ensure_ascii=False))


def read_row(line: SheetLine, columns: Columns, accounts: Accounts) -> DoctorRow:
    """Raises MedrepError(BAD_INPUT) with the reason."""
    if any(cell.text.strip() for cell in line.cells[columns.width :]):
        raise _unusable("比表头多出内容，可能错列")
    values = {field: _value(field, _at(line, place)) for field, place in columns.places.items()}
    if _HINT.search(values["name"]) or (
        _HINT.search(values["external_id"]) and not _has_digit(values["external_id"])
    ):
        raise _unusable("像是填写说明或示例行，不是医生；请删除这一行")
    for field in ("external_id", "name", "hospital"):
        if not values[field]:
            raise _unusable(f"{_LIMITS[field][1]}为空（合并单元格请先拆分）")
    if " " in values["external_id"]:
        raise _unusable("外部编号里有空格")
    account, address = _channel(values.get("channel", ""), values.get("channel_user_id", ""), accounts)
    return DoctorRow(
        row=line.number,
        external_id=values["external_id"],
        name=_name(values["name"]),
        hospital=_hospital(values["hospital"], values.get("aliases", "")),
        tier=values.get("tier", ""),
        department=values.get("department", ""),
        title=values.get("title", ""),
        city=values.get("city", ""),
        phone=_phone(values.get("phone", "")),
        interests=_interests(values.get("interests", "")),
        rep=_closed_up(values.get("rep", "")),
        account=account,
        address=address,
    )


def _unusable(reason: str) -> MedrepError:
    return MedrepError(Fault.BAD_INPUT, reason)


def _at(line: SheetLine, place: int) -> Cell:
    return line.cells[place] if place < len(line.cells) else Cell("")


def _value(field: str, cell: Cell) -> str:
    limit, label = _LIMITS[field]
    if cell.fault:
        raise _unusable(f"{label}：{cell.fault}")
    text = cell.text.strip()
    if len(text) > limit:
        raise _unusable(f"{label}超过{limit}个字")
    # What cannot be seen (bidi marks around a number copied from a phone, say) goes; what breaks a line
    # or was broken by a wrong encoding means that the cell is not what it seems.
    if any(c in "\r\n\v\f\u2028\u2029" for c in text):
        raise _unusable(f"{label}里有换行，请改成一行")
    if any(_broken(c) for c in text):
        raise _unusable(f"{label}里有控制字符或乱码，请改正，并另存为 CSV UTF-8 或 xlsx")
    if field in _WITHOUT_MARKS and _LOST.search(text):
        raise _unusable(f"{label}含乱码（生僻字存成旧编码的 CSV 会变成问号）；请改正后用 CSV UTF-8 或 xlsx")
    text = identity.plain(text)
    if field in _NUMERIC:
        if _SCIENTIFIC.fullmatch(text):
            raise _unusable(f"{label}是科学计数法，请设为文本格式")
        if whole := _INTEGRAL.fullmatch(text):
            text = whole[1]
    if text and text[0] in _FORMULA and not (field == "phone" and text.startswith("+")):
        raise _unusable(f"{label}以 = + - @ 开头，像是公式")
    return text


def _broken(char: str) -> bool:
    """Whether no list says this on purpose. A Chinese character that Python does not know yet is none."""
    return char == "\ufffd" or (unicodedata.category(char) in {"Cc", "Co", "Cs", "Cn"} and not is_han(char))


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _hospital(name: str, aliases: str) -> str:
    """The hospital, its second names in brackets behind it."""
    others = [other for other in re.split(r"[、,;/，；|]+", _closed_up(aliases)) if other]
    hospital = with_second_names(_closed_up(name), others)
    if len(hospital) > _LIMITS["hospital"][0]:
        raise _unusable(f"医院和医院别名合起来超过{_LIMITS['hospital'][0]}个字")
    return hospital


def _closed_up(text: str) -> str:
    """Without the spaces that pad Chinese words: 张　三 -> 张三; between Latin words they stay."""
    return re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", text)


def _name(text: str) -> str:
    name = _closed_up(text)
    if not any(c.isalpha() or is_han(c) for c in name) or any(c.isdigit() for c in name):
        raise _unusable("姓名不像人名")
    return name


def _phone(text: str) -> str:
    if not text:
        return ""
    number = identity.phone(text)
    if number is None:
        raise _unusable("手机不是有效的大陆手机号或带区号的座机号")
    return number


def _interests(text: str) -> tuple[str, ...]:
    found = [part.strip() for part in re.split(r"[、,;/，；]", text)]
    unique = tuple(dict.fromkeys(part for part in found if part))
    if any(part[0] in _FORMULA for part in unique):
        raise _unusable("关注领域以 = + - @ 开头，像是公式")
    if len(unique) > _INTERESTS or any(len(part) > 40 for part in unique):
        raise _unusable(f"关注领域过多或过长（最多{_INTERESTS}个，每个40字）")
    return unique


def _channel(channel: str, address: str, accounts: Accounts) -> tuple[Account | None, str]:
    if not channel:
        if address:
            raise _unusable("有渠道账号但没有渠道")
        return None, ""
    try:
        account = Account.parse(channel)
        audience = accounts.audience(account.channel, account.name)
    except MedrepError:
        raise _unusable("渠道不是配置里已有的账号（格式如 wechat:demo）") from None
    if audience != Audience.DOCTOR:
        raise _unusable("渠道是面向患者的账号，不能用于医生")
    if " " in address:
        raise _unusable("渠道账号里有空格")
    return account, address
