"""What a file is by how it begins, when it is no list: the true cause, and what to do about it."""

from __future__ import annotations

import codecs
import re

from bot.text.han import is_han

_SAVE = "请用 Excel 或 WPS 打开后另存为 .xlsx"
_AS_TABLE = "请把名单放进表格，另存为 .xlsx 或 CSV UTF-8"
_UNPACK = "请先解压，再导入其中的名单"
_ENCODED = "请另存为 CSV UTF-8 或 xlsx"

# The longer opening first where one begins with another.
_OPENINGS = (
    (codecs.BOM_UTF32_LE, f"文件是 UTF-32 编码；{_ENCODED}"),
    (codecs.BOM_UTF32_BE, f"文件是 UTF-32 编码；{_ENCODED}"),
    (codecs.BOM_UTF16_LE, f"文件是 UTF-16 编码；{_ENCODED}"),
    (codecs.BOM_UTF16_BE, f"文件是 UTF-16 编码；{_ENCODED}"),
    (b"%PDF", f"文件是 PDF；{_AS_TABLE}"),
    (b"{\\rtf", f"文件是 RTF 文档；{_AS_TABLE}"),
    (b"\x89PNG", f"文件是图片；{_AS_TABLE}"),
    (b"\xff\xd8\xff", f"文件是图片；{_AS_TABLE}"),
    (b"Rar!", f"文件是压缩包；{_UNPACK}"),
    (b"7z\xbc\xaf", f"文件是压缩包；{_UNPACK}"),
    (b"\x1f\x8b", f"文件是压缩包；{_UNPACK}"),
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,200}<(?:!doctype html|html|table|meta|head|\?xml|\?mso)", re.I)
OLE = bytes.fromhex("D0CF11E0A1B11AE1")

# Streams in the container of old Office files, by name. A document may hold a table, so it comes first.
_STREAMS = (
    ("EncryptedPackage", "文件设有密码；请另存为不带密码的 .xlsx"),
    ("WordDocument", f"文件是 Word 文档（.doc）；{_AS_TABLE}"),
    ("PowerPoint Document", f"文件是 PowerPoint 文稿；{_AS_TABLE}"),
    ("Workbook", f"文件是旧版 .xls；{_SAVE}"),
    ("Book", f"文件是旧版 .xls；{_SAVE}"),
)


def what_else(opening: bytes) -> str:
    """Why a file that begins so is no list; "" where it may be one."""
    for begins, cause in _OPENINGS:
        if opening.startswith(begins):
            return cause
    if _MARKUP.match(opening):
        return f"文件内容其实是网页或 XML；{_SAVE}"
    if b"\0" in opening and not _is_text(opening):
        return f"文件是 UTF-16 编码；{_ENCODED}" if _is_utf16(opening) else f"文件不是文本；{_SAVE}"
    return ""


def what_old(body: bytes) -> str:
    """What is wrong with a file in the container of old Office files."""
    found = (cause for name, cause in _STREAMS if name.encode("utf-16-le") in body)
    return next(found, "文件设有密码，或是旧版 .xls；请另存为不带密码的 .xlsx")


def _is_text(opening: bytes) -> bool:
    """Whether it is text but for a few zero bytes, which are named with their row: they stand in a cell."""
    if opening.count(b"\0") * 50 > len(opening):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(opening)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _is_utf16(opening: bytes) -> bool:
    """Whether text without a mark of its encoding is UTF-16: the zero bytes stand beside commas."""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = opening[: len(opening) // 2 * 2].decode(encoding, errors="replace")
        known = sum(
            is_han(char) or (char.isascii() and (char.isprintable() or char.isspace())) for char in text
        )
        if known > 0.8 * len(text):
            return True
    return False
