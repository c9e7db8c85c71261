"""Plans as patients, their families and doctors write them, and that each Dosage is one of FHIR R4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fhir.resources.R4B.dosage import Dosage  # Dosage and Timing are the same in R4 and R4B

from bot.patients import parse_dosage
from tests.patients.plans import short

HERE = Path(__file__).parent
SETS = (
    "plans_tuned.yml",
    "plans_held_out.yml",
    "plans_fresh.yml",
    "plans_review.yml",
    "plans_halves.yml",
    "plans_township.yml",
    "plans_township_held_out.yml",
)
AMISS = {"plans_township_held_out.yml": 2, "plans_halves.yml": 4}  # null where a plan is meant


def plans(name: str) -> dict[str, str | None]:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SETS)
def test_plans_are_read_as_they_are_meant(name: str) -> None:
    said = plans(name)
    amiss = {t: (meant, read) for t, meant in said.items() if (read := short(parse_dosage(t))) != meant}
    assert len(amiss) <= AMISS.get(name, 0), f"{len(amiss)} of {len(said)}: {amiss}"
    assert not [t for t, (_, read) in amiss.items() if read], "read otherwise than it is meant"


NAMED = (
    "片剂 胶囊 注射液 打针 一针 胰岛素 厄贝沙坦 匹伐他汀 非洛地平 培哚普利 比索洛尔 恩格列净 利格列汀 "
    "格列喹酮 苯乙双胍 阿司匹林 某滴眼液 眼膏 软膏 乳膏 某颗粒 口服液 某糖浆 某匹林 某沙星 某西林 "
    "头孢 某霉素 某拉唑 某替丁 某鲁肽 罗非昔布 布洛芬 某唑仑 某西泮 硝酸甘油 甘精 门冬 赖脯 某素片 "
    "钙片 维生素 叶酸 某贝特 某噻嗪 呋塞米 某内酯 某西酯 某昔布 喷雾 吸入剂 透皮贴 某栓 "
)


@pytest.mark.parametrize("name", NAMED.split())
def test_a_name_of_a_medicine_makes_times_a_plan(name: str) -> None:
    assert (short(parse_dosage(f"{name}每晚一次")) or "").startswith("1/1d EVE")
    assert parse_dosage("某某每晚一次") is None


def test_a_dosage_is_one_of_fhir_r4() -> None:
    texts = [case["text"] for case in yaml.safe_load((HERE / "dosages.yml").read_text(encoding="utf-8"))]
    read = [d for t in (*texts, *(t for name in SETS for t in plans(name))) if (d := parse_dosage(t))]
    assert len(read) > 150
    for dosage in read:
        Dosage.model_validate(dosage)
        rules_of_timing(dosage.get("timing", {}).get("repeat", {}))


WHEN = {"MORN", "NOON", "AFT", "EVE", "NIGHT", "HS", "WAKE", "C", "AC", "PC"}
WHEN |= {side + meal for side in ("C", "AC", "PC") for meal in "MDV"}


def rules_of_timing(repeat: dict[str, Any]) -> None:
    """The value sets and invariants that `fhir.resources` does not look at."""
    assert set(repeat.get("when", [])) <= WHEN
    assert set(repeat.get("dayOfWeek", [])) <= {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    assert repeat.get("periodUnit", "d") in {"h", "d", "wk", "mo", "a"}
    assert ("period" in repeat) == ("periodUnit" in repeat) == ("frequency" in repeat)  # tim-2
    assert repeat.get("period", 1) > 0 and repeat.get("frequency", 1) > 0  # tim-4, tim-5
    assert repeat.get("periodMax", 1e9) > repeat.get("period", 0)  # tim-6
    assert repeat.get("frequencyMax", 1e9) > repeat.get("frequency", 0)
    assert not (repeat.get("timeOfDay") and repeat.get("when"))  # tim-10
    assert "offset" not in repeat or set(repeat["when"]) - {"C", "CM", "CD", "CV"}  # tim-9
    for days in ("dayOfWeek", "when", "timeOfDay"):
        assert len(repeat.get(days, [])) == len(set(repeat.get(days, [])))
