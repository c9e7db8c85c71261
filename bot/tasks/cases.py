"""Reports of adverse events: a case a patient, what is added to it, and the alarm that some of them raise.

Elements and kinds are those of ICH E2B(R3), read by `bot.safety.read_case`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.model import Audience
from bot.safety import CaseReport, asked_for, is_detail, is_of, read_case
from bot.store import cases, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.tasks.task import Kind, add_to_open, open_task

# So many reports with the same batch, or with the same medicine and reaction, within so long are a cluster.
SAME_BATCH, BATCH_WITHIN = 2, timedelta(days=90)
SAME_REACTION, REACTION_WITHIN = 3, timedelta(days=14)
MOST_CASES = 5  # that one message opens; the last of them stands for the patients beyond
_PREFIX = "utter_adverse_event"
_NAMES = {
    "no_effect": "疗效不佳",
    "overdose": "用药过量",
    "misuse": "误用",
    "error": "用药错误",
    "pregnancy": "孕期或哺乳期暴露",
    "off_label": "超说明书使用",
    "quality": "产品质量投诉",
}


@dataclass(frozen=True, slots=True)
class Saying:
    """What is answered: responses by name, with what fills them."""

    responses: tuple[tuple[str, Mapping[str, str]], ...]


@dataclass(frozen=True, slots=True)
class _Link:
    """What reports have in common: how it is called, its digest, and when it is a cluster."""

    name: str
    digest: bytes
    least: int
    within: timedelta


async def report_case(
    tx: Tx,
    vault: Vault,
    *,
    now: datetime,
    contact: Contact,
    key: str,
    words: str,
    own: str | None = None,
    medicine: str = "",
) -> Saying:
    """Words that report an adverse event: added to the contact's open case if they are about its patient,
    else a case for each patient. `own`: of these words those that they wrote, where others stand among them
    (a quotation). `medicine`: the one spoken of before, if the words name none."""
    audience = contact.audience
    written = words if own is None or own == words else _with_whole(own, words)
    told = read_case(_theirs(written), audience)
    open_case = await tasks.open_of(tx, vault, Kind.ADVERSE_EVENT.value, contact.id, now)
    known = read_case(_theirs(open_case.detail), audience) if open_case and open_case.detail else None
    if open_case and known and is_of(told, known, own=audience == Audience.PATIENT):
        return await _added(tx, vault, open_case.detail or "", now, contact, written)
    ids, linked = [], await _same_batch(tx, vault, told, now)
    for number in range(1, min(told.patients, MOST_CASES) + 1):
        one_key = key if number == 1 else f"{key}:{number}"
        detail = "\n".join([*_marks(told, number), *linked, written])
        task_id, _ = await open_task(
            tx, vault, Kind.ADVERSE_EVENT, now=now, contact=contact, key=one_key, detail=detail
        )
        ids.append(task_id)
    await _alarm(tx, vault, ids, told, medicine, now)
    said: list[tuple[str, Mapping[str, str]]] = [(_PREFIX, {})]
    if told.patients > 1:
        said.append((f"{_PREFIX}_several", {}))
    return Saying((*said, *_rest(told)))


async def add_detail(
    tx: Tx, vault: Vault, *, now: datetime, contact: Contact, words: str, expected: bool, asks: bool
) -> Saying | None:
    """Words that may belong to the contact's open case; None when they do not, or there is none. `expected`:
    they come right after the case, else they must refer to it or tell more. `asks`: they ask something as
    well, so they must say whose details they are."""
    told = read_case(words, contact.audience)
    of_a_patient = is_detail(told, _OF_A_PATIENT)
    refers = told.same and (of_a_patient or is_detail(told, _COURSE))
    plenty = of_a_patient and sum(is_detail(told, [element]) for element in (*_OF_A_PATIENT, *_COURSE)) > 1
    if told.another or not (told.same and of_a_patient if asks else expected or refers or plenty):
        return None
    open_case = await tasks.open_of(tx, vault, Kind.ADVERSE_EVENT.value, contact.id, now)
    if open_case is None or not open_case.detail:
        return None
    known = read_case(_theirs(open_case.detail), contact.audience)
    if not is_of(told, known, own=True) or not is_detail(told, {*known.missing, "outcome"}):
        return None
    return await _added(tx, vault, open_case.detail, now, contact, words)


_OF_A_PATIENT = ("age", "sex", "outcome", "batch")
_COURSE = ("onset", "dosage")


async def _added(tx: Tx, vault: Vault, before: str, now: datetime, contact: Contact, words: str) -> Saying:
    whole = read_case(_theirs(f"{before}\n{words}"), contact.audience)
    found = await add_to_open(tx, vault, Kind.ADVERSE_EVENT, now=now, contact=contact, detail=words)
    if found is not None:
        await _alarm(tx, vault, [found[0]], whole, "", now)
    return Saying(((f"{_PREFIX}_more", {}), *_rest(whole)))


def _with_whole(own: str, words: str) -> str:
    """What they wrote, and beneath it the message as it came, each line of it marked."""
    theirs = "\n".join(filter(None, (line.strip() for line in own.splitlines())))
    return "\n".join([theirs, _WHOLE, *(f"{_OF_WHOLE}{line}" for line in words.splitlines())])


def _theirs(detail: str) -> str:
    """What the person wrote of what a case says: without the marks above it, and without whole messages."""
    lines = detail.splitlines()
    while lines and _MARK.fullmatch(lines[0]):
        del lines[0]
    return "\n".join(line for line in lines if line != _WHOLE and not line.startswith(_OF_WHOLE))


_MARK = re.compile(
    r"\[(?:{}|死亡|既往|患者\d{{1,4}}(?:～\d{{1,4}})?/\d{{1,4}}|同批号.{{1,400}})\]".format(
        "|".join(_NAMES.values())
    )
)
_WHOLE, _OF_WHOLE = "[消息全文]", "> "


def _rest(told: CaseReport) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """What is asked for, and when to see a doctor."""
    said: list[tuple[str, Mapping[str, str]]] = []
    if told.missing:
        said.append((f"{_PREFIX}_missing", {"missing": asked_for(told.missing)}))
    if told.kind == "quality":
        said.append((f"{_PREFIX}_keep", {}))
    elif not told.death and not told.past:
        said.append((f"{_PREFIX}_urgent", {}))
    return tuple(said)


def _marks(told: CaseReport, number: int) -> list[str]:
    """What a colleague should see first, each in a line."""
    marks = [f"[{_NAMES[told.kind]}]"] if told.kind in _NAMES else []
    if told.death:
        marks.append("[死亡]")
    if told.past:
        marks.append("[既往]")
    if told.patients > 1:
        rest = f"～{told.patients}" if number == MOST_CASES < told.patients else ""
        marks.append(f"[患者{number}{rest}/{told.patients}]")
    return marks


def _links(vault: Vault, told: CaseReport, medicine: str) -> list[_Link]:
    drugs: Sequence[str] = told.drugs or ((medicine,) if medicine else ())
    pairs = [f"{drug}、{reaction}" for drug in drugs for reaction in told.reactions]
    batches = [f"批号{batch}" for batch in told.batches]
    digest = vault.keyring.digest
    return [
        *(_Link(name, digest("case", name), SAME_BATCH, BATCH_WITHIN) for name in batches),
        *(_Link(name, digest("case", name), SAME_REACTION, REACTION_WITHIN) for name in pairs),
    ]


async def _same_batch(tx: Tx, vault: Vault, told: CaseReport, now: datetime) -> list[str]:
    """Which reports of the same batch there are, a line for each batch."""
    lines = []
    for link in _links(vault, told, ""):
        if link.least == SAME_BATCH and (ids := await cases.with_sign(tx, link.digest, now - link.within)):
            lines.append(f"[同{link.name}：任务 {_numbers(ids)}]")
    return lines


async def _alarm(
    tx: Tx, vault: Vault, ids: list[int], told: CaseReport, medicine: str, now: datetime
) -> None:
    """A death is told at once, and so is what has become a cluster with these reports."""
    if told.death:
        await _raise(tx, vault, f"死亡报告：任务 {_numbers(ids)}", f"death:{ids[0]}", now)
    links = _links(vault, told, medicine)
    if not links:
        return
    await cases.sign(tx, ids, [link.digest for link in links], now)
    for link in links:
        together = await cases.with_sign(tx, link.digest, now - link.within)
        if len(together) >= link.least:
            words = f"聚集：{link.name}，{link.within.days}天内{len(together)}例，任务 {_numbers(together)}"
            await _raise(tx, vault, words, f"{link.digest.hex()[:32]}:{together[0]}:{len(together)}", now)


def _numbers(ids: list[int]) -> str:
    return "、".join(map(str, ids))


async def _raise(tx: Tx, vault: Vault, words: str, key: str, now: datetime) -> None:
    await open_task(tx, vault, Kind.CASE_ALARM, now=now, key=f"{Kind.CASE_ALARM}:{key}", detail=words)
