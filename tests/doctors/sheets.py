"""Rows of a list of doctors, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bot.store.database import Database

HEADER = [
    *("姓名", "医院", "医院等级", "科室", "职称", "城市", "手机", "关注领域"),
    *("负责代表", "渠道", "渠道账号", "外部编号"),
]
Load = Callable[[Path], Any]


def row(number: int, **changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "姓名": "张三",
        "医院": "示例县人民医院",
        "医院等级": "二级甲等",
        "科室": "心内科",
        "职称": "主治医师",
        "城市": "示例市",
        "手机": f"138{number:08d}",
        "关注领域": "高血压、糖尿病",
        "负责代表": "王代表",
        "渠道": "",
        "渠道账号": "",
        "外部编号": f"D{number}",
    }
    assert set(changes) <= set(values)
    return list({**values, **changes}.values())


async def count(database: Database, table: Any) -> int:
    async with database.begin() as tx:
        return int((await tx.execute(select(func.count()).select_from(table))).scalar_one())
