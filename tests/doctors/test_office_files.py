"""Lists of doctors as offices produce them: imported right, or refused with the true cause and what to do."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import PatternFill

from bot.doctors.cells import shown
from bot.model import Fault, MedrepError
from bot.privacy import export_person
from bot.store.database import Database
from bot.store.tables import doctor
from bot.store.vault import Vault
from tests.doctors.sheets import HEADER, Load, count, row

CSV = "外部编号,姓名,医院,手机\n"
SHORT = ["外部编号", "姓名", "医院", "手机"]


def book(path: Path, rows: list[list[Any]], *, prepare: Callable[[Any], None] | None = None) -> Path:
    made = openpyxl.Workbook()
    assert made.active is not None
    for cells in rows:
        made.active.append(cells)
    if prepare is not None:
        prepare(made.active)
    made.save(path)
    return path


def rewrite(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The same archive with parts changed; None leaves a part out."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            if body is not None:
                archive.writestr(name, body)
    return path


async def stored(database: Database, vault: Vault, external_id: str) -> tuple[str, str, str]:
    profile = (await export_person(database, vault, external_id=external_id))["profile"]
    return profile["name"], profile["hospital"], profile["phone"]


# ---------------------------------------------------------------- workbooks


def strict(name: str, body: bytes) -> bytes:
    """As "Strict Open XML" names things."""
    return re.sub(
        rb"http://schemas\.openxmlformats\.org/(\w+)/2006/", rb"http://purl.oclc.org/ooxml/\1/", body
    )


def empty_fill(name: str, body: bytes) -> bytes:
    return re.sub(rb"<fill>.*?</fill>", b"<fill/>", body) if name == "xl/styles.xml" else body


def odd_colour(name: str, body: bytes) -> bytes:
    return body.replace(b"FF0000", b"red") if name == "xl/styles.xml" else body


def broken_names(name: str, body: bytes) -> bytes:
    if name != "xl/workbook.xml":
        return body
    bad = b'<definedNames><definedName name="x" localSheetId="boom">Sheet!$A$1</definedName></definedNames>'
    return re.sub(
        rb"<definedNames ?/>|<calcPr", lambda found: bad + (b"<calcPr" if b"calc" in found[0] else b""), body
    )


def bad_dates(name: str, body: bytes) -> bytes:
    return re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"today", body) if name == "docProps/core.xml" else body


@pytest.mark.parametrize("how", [strict, empty_fill, odd_colour, broken_names, bad_dates])
async def test_a_workbook_that_others_open_is_imported(
    load: Load, tmp_path: Path, database: Database, vault: Vault, how: Callable[[str, bytes], bytes]
) -> None:
    """With its number formats, though its styles are not read."""

    def prepare(sheet: Any) -> None:
        sheet["A3"].number_format = '"D"0000'
        sheet["B1"].fill = PatternFill("solid", fgColor="FF0000")

    rows = [
        SHORT,
        ["D1", "公测甲", "示例县人民医院", "13800000001"],
        [7, "公测乙", "示例县人民医院", 13800000002],
    ]
    path = rewrite(book(tmp_path / "office.xlsx", rows, prepare=prepare), how)
    report = await load(path)
    assert (report.added, report.faults) == (2, [])
    assert await stored(database, vault, "D0007") == ("公测乙", "示例县人民医院", "13800000002")


async def test_escaped_line_breaks(load: Load, tmp_path: Path, database: Database, vault: Vault) -> None:
    header = ["外部编号_x000D_\n（必填）", "姓名_x000D_", "医院", "手机"]
    rows = [
        header,
        ["D1", "公测癸_x000D_", "示例县人民医院_x000D_\n", "13800000001_x000D_"],
        ["D2", "公测_x000D_丑", "示例县人民医院", ""],
    ]
    report = await load(book(tmp_path / "office.xlsx", rows))
    assert report.added == 1 and [f.row for f in report.faults] == [3] and "换行" in report.faults[0].reason
    assert await stored(database, vault, "D1") == ("公测癸", "示例县人民医院", "13800000001")


@pytest.mark.parametrize(
    ("number", "number_format", "text"),
    [
        ("7", "General", "7"),
        ("7", "00000", "00007"),
        ("7", '"D"000', "D007"),
        ("7", '"YS-"0000_ ', "YS-0007"),
        ("7", r"\D00", "D07"),
        ("1234567", "000", "1234567"),
        ("7", "000-000", "000-007"),
        ("1234567", "000-000", "1234-567"),
        ("7", "0.00", "7"),
        ("7", "0.00E+00", "7"),
        ("12", "0", "12"),
        ("12", "#,##0", "12"),
        ("7", "000;[Red]-000", "007"),
        ("1062345678", "00000000000", "01062345678"),
        ("7", "[<100]0;0", None),
        ("7", "yyyy", None),
    ],
)
def test_a_number_is_what_its_cell_shows(number: str, number_format: str, text: str | None) -> None:
    found = shown(number, number_format)
    assert (found.text == text and not found.fault) if text else "数字格式" in found.fault


async def test_an_id_whose_format_cannot_be_told_is_refused(load: Load, tmp_path: Path) -> None:
    def prepare(sheet: Any) -> None:
        sheet["A2"].number_format = '[<100]"A"0;"B"0'

    report = await load(
        book(tmp_path / "o.xlsx", [SHORT, [7, "公测甲", "示例县人民医院", ""]], prepare=prepare)
    )
    assert [(f.row, "数字格式" in f.reason, "文本格式" in f.reason) for f in report.faults] == [
        (2, True, True)
    ]


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        (["xl/workbook.bin"], "xlsb"),
        (["mimetype", "content.xml"], "ods"),
        (["word/document.xml"], "Word"),
        (["Index/Document.iwa"], "Numbers"),
    ],
)
async def test_a_file_of_another_program_is_named(
    load: Load, tmp_path: Path, parts: list[str], cause: str
) -> None:
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name in parts:
            archive.writestr(name, b"x")
    with pytest.raises(MedrepError, match=cause) as refused:
        await load(path)
    assert refused.value.fault == Fault.BAD_INPUT


async def test_a_page_called_xls(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "list.xls"
    path.write_text("<html><table><tr><td>姓名</td></tr></table></html>", encoding="utf-8")
    with pytest.raises(MedrepError, match=r"网页.*另存为 \.xlsx"):
        await load(path)


@pytest.mark.parametrize(
    ("stream", "cause"),
    [
        ("EncryptedPackage", "设有密码；"),
        ("Workbook", "旧版 .xls；"),
        ("WordDocument", r"Word 文档（\.doc）"),
        ("PowerPoint Document", "PowerPoint"),
    ],
)
async def test_an_old_file_and_a_locked_one(load: Load, tmp_path: Path, stream: str, cause: str) -> None:
    body = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(2048) + stream.encode("utf-16-le") + bytes(512)
    with pytest.raises(MedrepError, match=cause):
        await load(write(tmp_path / "list.xls", body))


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("外部编号,姓名\n".encode("utf-32"), "UTF-32"),
        ("外部编号,姓名\n".encode("utf-16"), "UTF-16"),
        ("外部编号,姓名\nD1,公测甲\n".encode("utf-16-le"), "UTF-16"),
        ("外部编号,姓名\nD1,公测甲\n".encode("utf-16-be"), "UTF-16"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"{\\rtf1\\ansi ...}", "RTF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "图片"),
        (b"Rar!\x1a\x07\x01\0", "压缩包"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "压缩包"),
        (bytes(range(256)), "不是文本"),
    ],
)
async def test_a_file_that_is_no_list_is_named(
    load: Load, tmp_path: Path, name: str, body: bytes, cause: str
) -> None:
    with pytest.raises(MedrepError, match=cause) as refused:
        await load(write(tmp_path / name, body))
    assert refused.value.fault == Fault.BAD_INPUT and "；" in refused.value.detail


async def test_an_archive_without_a_workbook(load: Load, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr("list.csv", CSV)
    with pytest.raises(MedrepError, match="压缩包"):
        await load(tmp_path / "list.zip")


async def test_a_compression_that_is_damaged(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/workbook.xml", bytes(5000))
    body = bytearray(path.read_bytes())
    body[60:80] = bytes(20)
    with pytest.raises(MedrepError, match=r"不是有效的 xlsx|已损坏"):
        await load(write(path, bytes(body)))


def sheet_of(path: Path, rows: bytes) -> Path:
    """A workbook with these rows in the place of its own."""
    whole = book(path, [SHORT])
    return rewrite(
        whole,
        lambda name, body: (
            re.sub(rb"<sheetData>.*</sheetData>", b"<sheetData>" + rows + b"</sheetData>", body)
            if name == "xl/worksheets/sheet1.xml"
            else body
        ),
    )


async def test_a_row_that_unpacks_without_end(load: Load, tmp_path: Path) -> None:
    started = process_time()
    with pytest.raises(MedrepError, match="解压后过大") as refused:
        await load(sheet_of(tmp_path / "list.xlsx", b"<row>" + b"<c/>" * 2_000_000 + b"</row>"))
    assert refused.value.fault == Fault.TOO_LARGE
    assert process_time() - started < 3


async def test_a_cell_in_the_last_column_costs_no_row_its_time(load: Load, tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{n}"><c r="XFD{n}" t="inlineStr"><is><t>{n}</t></is></c></row>' for n in range(2, 1002)
    )
    path = sheet_of(tmp_path / "list.xlsx", rows.encode())
    started = process_time()
    with pytest.raises(MedrepError):
        await load(path)
    assert process_time() - started < 2


async def test_names_that_never_end_cost_in_proportion(load: Load, tmp_path: Path) -> None:
    def names(name: str, body: bytes) -> bytes:
        if name != "xl/workbook.xml":
            return strict(name, body)
        return strict(name, body).replace(b"</workbook>", b"<definedNames>" * 60_000 + b"</workbook>")

    path = rewrite(book(tmp_path / "list.xlsx", [SHORT]), names)
    started = process_time()
    with pytest.raises(MedrepError):
        await load(path)
    assert process_time() - started < 2


async def test_a_style_that_is_not_there(load: Load, tmp_path: Path) -> None:
    path = sheet_of(tmp_path / "list.xlsx", b'<row r="1"><c r="A1" s="999"><v>7</v></c></row>')
    with pytest.raises(MedrepError, match="无法解析"):
        await load(path)


async def test_the_list_stands_on_another_sheet(load: Load, tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.append(["填表说明"])
    made.create_sheet("名单").append(SHORT)
    made.save(tmp_path / "o.xlsx")
    with pytest.raises(MedrepError, match="移到最前"):
        await load(tmp_path / "o.xlsx")


# ---------------------------------------------------------------- csv


def write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
async def test_utf8_that_ends_within_a_character(
    load: Load, tmp_path: Path, database: Database, bom: bytes
) -> None:
    whole = bom + (CSV + "D1,公测甲,示例县人民医院,13800000001\nD2,公测乙,示例县人民医院").encode()
    for lost in (1, 2):
        with pytest.raises(MedrepError, match="文件不完整") as refused:
            await load(write(tmp_path / "list.csv", whole[:-lost]))
        assert "重新导出" in refused.value.detail
    assert await count(database, doctor) == 0


async def test_gbk_that_ends_within_a_character(load: Load, tmp_path: Path) -> None:
    whole = (CSV + "D1,公测甲,示例县人民医院,13800000001\nD2,公测乙,示例县人民医院").encode("gbk")
    with pytest.raises(MedrepError, match="文件不完整"):
        await load(write(tmp_path / "list.csv", whole[:-1]))


async def test_one_damaged_character_costs_its_row(load: Load, tmp_path: Path) -> None:
    body = (
        CSV + "D1,公测甲,示例县人民医院,\nD2,公测乙,示例县人民医院,\nD3,公测丙,示例县人民医院,\n"
    ).encode()
    report = await load(write(tmp_path / "list.csv", body.replace("乙".encode(), b"\xe4\xb9")))
    assert report.loaded == ["D1", "D3"]
    assert [(f.row, "乱码" in f.reason, "CSV UTF-8" in f.reason) for f in report.faults] == [(3, True, True)]


@pytest.mark.parametrize(
    ("name", "hospital"),
    [
        ("李?", "示例县人民医院"),
        ("李？", "示例县人民医院"),
        ("公测甲", "示例县?人民医院"),
        ("锟斤拷", "示例县人民医院"),
    ],
)
async def test_what_a_csv_could_not_hold(load: Load, tmp_path: Path, name: str, hospital: str) -> None:
    body = f"{CSV}D1,{name},{hospital},13800000301\nD2,公测乙,示例县人民医院,\n".encode("gbk")
    report = await load(write(tmp_path / "list.csv", body))
    assert report.loaded == ["D2"] and [f.row for f in report.faults] == [2]
    assert re.search("(姓名|医院)含乱码.*CSV UTF-8 或 xlsx", report.faults[0].reason)


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
async def test_a_first_line_that_names_the_separator(
    load: Load, tmp_path: Path, database: Database, vault: Vault, line: str
) -> None:
    rows = ["外部编号;姓名;医院;手机", "D1;公测甲;示例县人民医院;13800000001", "D2;;示例县人民医院;", ""]
    report = await load(write(tmp_path / "list.csv", "\r\n".join([line, *rows]).encode()))
    assert report.loaded == ["D1"] and [f.row for f in report.faults] == [4]
    assert await stored(database, vault, "D1") == ("公测甲", "示例县人民医院", "13800000001")


async def test_lists_within_cells_part_no_cells(load: Load, tmp_path: Path) -> None:
    """More ; than commas: each doctor has several interests."""
    rows = [
        "外部编号,姓名,医院,关注领域",
        *(f"D{n},公测甲,示例县人民医院,高血压;糖尿病;血脂;心衰;房颤" for n in range(4)),
    ]
    report = await load(write(tmp_path / "list.csv", "\n".join(rows).encode()))
    assert (report.loaded, report.faults) == (["D0", "D1", "D2", "D3"], [])


@pytest.mark.parametrize("line", ["sep=", '"sep="'])
async def test_a_first_line_that_names_no_separator(load: Load, tmp_path: Path, line: str) -> None:
    body = f"{line}\n外部编号;姓名;医院;手机\nD1;公测甲;示例县人民医院;\n"
    assert (await load(write(tmp_path / "list.csv", body.encode()))).loaded == ["D1"]


async def test_big5_is_named(load: Load, tmp_path: Path) -> None:
    for header in ("外部編號,姓名,醫院,手機", "外部編號,姓名,醫院"):
        body = f"{header}\nD1,公測甲,示例縣人民醫院,\n".encode("big5")
        with pytest.raises(MedrepError, match="Big5"):
            await load(write(tmp_path / "list.csv", body))


async def test_a_question_mark_in_a_workbook_is_not_blamed_on_csv(load: Load, tmp_path: Path) -> None:
    report = await load(book(tmp_path / "o.xlsx", [SHORT, ["D1", "李?", "示例县人民医院", ""]]))
    assert "改正" in report.faults[0].reason and "在 CSV 里变成" not in report.faults[0].reason


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", "，"])
async def test_other_separators_below_a_title(load: Load, tmp_path: Path, delimiter: str) -> None:
    rows = ["医生名单", "外部编号,姓名,医院,手机", "D1,公测甲,示例县人民医院,", "D2,公测乙,示例县人民医院,"]
    body = "\n".join(rows).replace(",", delimiter)
    report = await load(write(tmp_path / "list.csv", body.encode("gbk")))
    assert (report.loaded, report.faults) == (["D1", "D2"], [])


async def test_zeros_kept_by_a_formula_of_text(
    load: Load, tmp_path: Path, database: Database, vault: Vault
) -> None:
    body = f'{CSV}="00123",公测甲,示例县人民医院,="13800000001"\n=1+1,公测乙,示例县人民医院,\n'
    report = await load(write(tmp_path / "list.csv", body.encode()))
    assert [(f.row, "公式" in f.reason) for f in report.faults] == [(3, True)]
    assert (await stored(database, vault, "00123"))[2] == "13800000001"


async def test_characters_that_few_know_are_a_name(
    load: Load, tmp_path: Path, database: Database, vault: Vault
) -> None:
    for number, name in enumerate(("李〇", "𠮷明", "王\U000323b0", "阿卜杜拉·买买提", "买买提艾力")):
        report = await load(write(tmp_path / "list.csv", f"{CSV}D{number},{name},示例县人民医院,\n".encode()))
        assert report.faults == []
        assert (await stored(database, vault, f"D{number}"))[0] == name


# ---------------------------------------------------------------- no doctors, and doctors that are two


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_a_title_over_the_header(load: Load, write: Any, kind: str) -> None:
    title = ["示例公司医生名单（2026年）", *[""] * 11]
    report = await load(write(["填表人：王代表"], HEADER, row(1), row(2, 手机="1"), header=title, kind=kind))
    assert report.loaded == ["D1"] and [f.row for f in report.faults] == [5]


async def test_figures_in_a_title_refuse_the_file_too(load: Load, write: Any, database: Database) -> None:
    with pytest.raises(MedrepError, match="统方"):
        await load(write(HEADER, row(1), header=["医生处方量统计表"]))
    assert await count(database, doctor) == 0


@pytest.mark.parametrize(
    "hint",
    [
        ["系统编号", "必填", "填写全称", ""],
        ["唯一，不可重复", "真实姓名", "医院全称", "11位"],
        ["D000", "例如：张三", "示例县人民医院", "13800000000"],
        ["D000", "张三（示例）", "示例县人民医院", "13800000000"],
    ],
)
async def test_a_row_of_hints_is_no_doctor(load: Load, write: Any, hint: list[str]) -> None:
    report = await load(write(hint, ["D1", "公测甲", "示例县人民医院", ""], header=SHORT))
    assert report.loaded == ["D1"]
    assert [(f.row, "填写说明或示例" in f.reason) for f in report.faults] == [(2, True)]


async def test_a_merged_hospital_is_refused_with_the_hint(load: Load, tmp_path: Path) -> None:
    rows = [SHORT, ["D1", "公测甲", "示例县人民医院", ""], ["D2", "公测乙", "", ""]]
    report = await load(book(tmp_path / "o.xlsx", rows, prepare=lambda sheet: sheet.merge_cells("C2:C3")))
    assert report.loaded == ["D1"]
    assert [(f.row, "合并单元格" in f.reason) for f in report.faults] == [(3, True)]


async def test_one_doctor_under_two_ids_is_named(load: Load, write: Any) -> None:
    report = await load(
        write(
            ["D1", "阿卜杜拉·买买提", "示例县人民医院", "13800000001"],
            ["D2", "阿卜杜拉•买买提", "示例縣人民醫院", "138-0000-0001"],
            ["D3", "阿卜杜拉·买买提", "示例县人民医院", ""],
            ["D4", "公测乙", "示例县人民医院", "13800000001"],
            header=SHORT,
        )
    )
    assert report.loaded == ["D1", "D3", "D4"]
    assert [(f.row, "与第 2 行是同一位医生" in f.reason) for f in report.faults] == [(3, True)]


async def test_second_names_of_a_hospital_have_a_column(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    header = [*SHORT, "医院别名"]
    report = await load(write(["D1", "公测甲", "示例县人民医院", "", "示例县医院;老县院"], header=header))
    assert report.faults == []
    assert (await stored(database, vault, "D1"))[1] == "示例县人民医院(示例县医院、老县院)"
