"""Which column is which, and which may not be there at all.

Counting what a doctor prescribes (统方) is forbidden, so a file that brings such figures is refused whole,
before a row is read: they must not even rest here by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bot.doctors.cells import Cell, SheetLine
from bot.model import Fault, MedrepError
from bot.text.folding import fold

_NAMES = {
    "name": "姓名 医生姓名 医师姓名 name doctorname",
    "hospital": "医院 医院名称 所在医院 单位 工作单位 hospital hospitalname",
    "aliases": "医院别名 医院简称 医院曾用名 医院第二名称 hospitalalias hospitalaliases",
    "tier": "医院等级 医院级别 等级 tier hospitaltier",
    "department": "科室 所在科室 department",
    "title": "职称 title",
    "city": "城市 所在城市 city",
    "phone": "手机 手机号 手机号码 电话 联系电话 phone mobile",
    "interests": "关注领域 感兴趣领域 interests",
    "rep": "负责代表 医药代表 代表 rep",
    "channel": "渠道 channel",
    "channel_user_id": "渠道账号 channeluserid openid",
    "external_id": "外部编号 医生编号 externalid",
}
_FIELDS = {alias: field for field, aliases in _NAMES.items() for alias in aliases.split()}
_CHINESE = {field: aliases.split()[0] for field, aliases in _NAMES.items()}
_TITLES = 4  # rows that may stand over the header
REQUIRED = ("external_id", "name", "hospital")

# Read on the folded header, so 處方量, 处-方-量 and ＲＸ are found too. A right to prescribe is no figure.
_VOLUME = re.compile(
    r"统方|处方(?!权|资格|医师|医生)|开方|开药|开单|用药量|用量|药量|销量|销售[量额]|(?:采购|进货|进药)[量额数]"
    r"|(?:用药|药品)金额|[盒瓶支片]数|(?<![a-z])(?:[tn]|nb)?rx(?![a-z])|rxcount|prescription|prescribed"
    r"|(?<![a-z])scripts?(?![a-z])|volume|sales(?![ _-]*(?:rep|person|staff))"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands (from 0), and which columns are not read. `width` is the header's."""

    places: dict[str, int]
    ignored: tuple[str, ...]
    width: int


def find_header(lines: Iterator[SheetLine]) -> Columns:
    """The columns, by the header row: the first one, or below a title. The rows that follow are left.

    Raises MedrepError(BAD_INPUT) when the whole file is refused.
    """
    above = list(islice(lines, 1))
    if not above:
        raise MedrepError(Fault.BAD_INPUT, "文件里没有内容")
    first = above[0]
    while not _is_header(above[-1]) and _is_title(above[-1]) and len(above) <= _TITLES:
        _refuse_volume([cell.text.strip() for cell in above[-1].cells])
        if (line := next(lines, None)) is None:
            break
        above.append(line)
    return read_header((above[-1] if _is_header(above[-1]) else first).cells)


def _is_header(line: SheetLine) -> bool:
    return names_columns([cell.text for cell in line.cells])


def names_columns(cells: Sequence[str]) -> bool:
    """Whether these are the headers of a list of doctors."""
    return set(REQUIRED) <= {_field(cell) for cell in cells}


def _is_title(line: SheetLine) -> bool:
    """A title over the table has one cell, or is merged and repeated by what unmerged it."""
    return len({cell.text.strip() for cell in line.cells} - {""}) <= 2


def read_header(cells: tuple[Cell, ...]) -> Columns:
    """The columns of a header row. Raises MedrepError(BAD_INPUT) when the whole file is refused."""
    shown = [cell.text.strip() for cell in cells]
    while shown and not shown[-1]:
        shown.pop()
    _refuse_volume(shown)
    places: dict[str, int] = {}
    ignored: list[str] = []
    for place, header in enumerate(shown):
        field = _field(header)
        if field is None:
            if header:
                ignored.append(header[:40])
        elif field in places:
            raise MedrepError(
                Fault.BAD_INPUT, f"有两列都是「{_CHINESE[field]}」，无法确定以哪列为准；文件未导入"
            )
        else:
            places[field] = place
    missing = [_CHINESE[field] for field in REQUIRED if field not in places]
    if missing:
        # The unknown headers are not quoted: without a header row they would be somebody's name and phone.
        raise MedrepError(
            Fault.BAD_INPUT,
            f"第一行表头缺少必需的列：{'、'.join(missing)}。请把表头放在第一行（标题最多 {_TITLES} 行），"
            f"列名用：{'、'.join(_CHINESE[field] for field in REQUIRED)}；文件未导入",
        )
    return Columns(places, tuple(ignored), len(shown))


def _refuse_volume(headers: list[str]) -> None:
    found = [h[:40] for h in headers if _field(h) is None and _VOLUME.search(fold(h).text.lower())]
    if found:
        raise MedrepError(
            Fault.BAD_INPUT,
            f"文件里有处方量一类的列（{'、'.join(found)}）。统计医生个人的处方或用药量属于统方，法规禁止，"
            "本系统不接收也不保存。请删除这些列后再导入；文件未导入，任何一行都没有保存",
        )


def _field(header: str) -> str | None:
    """The field a header names: 「*姓名（必填）」 is 姓名."""
    folded = re.sub(r"[(（\[【].*", "", fold(header).text.lower(), flags=re.S)
    return _FIELDS.get(re.sub(r"[\s_\-*:：/#]", "", folded))
