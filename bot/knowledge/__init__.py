"""Approved answers: content in, decision out. No database, no web.

content = load(Path("data/content"))        # or Content.from_json(published)
index = kept_index(content, Encoder(), home / "index")  # seconds once, then one; one Encoder a process
decision = index.decide(text, audience, now, last_product="metformin")
"""

from bot.knowledge.considering import Considered, consider
from bot.knowledge.content import Content, Document, Entry, OffLabelUse, Product, Topic, load, parse
from bot.knowledge.decide import Decision, Match, Route, weighs
from bot.knowledge.encoder import Encoder
from bot.knowledge.index import Index
from bot.knowledge.kept import keep_index, kept_index
from bot.knowledge.key_message import Chart, ChartKind, Format, KeyMessage, Material, MaterialKind, cited
from bot.knowledge.medicine import speaks_of_medicine
from bot.knowledge.meeting import Meeting, untimely
from bot.knowledge.message import asks, not_meant, puts_a_question
from bot.knowledge.misfits import parts_of
from bot.knowledge.products import drugs_named, is_name, names_product, products_named
from bot.knowledge.render import answer_text, is_source, is_valid, source_text

__all__ = [
    "Chart",
    "ChartKind",
    "Considered",
    "Content",
    "Decision",
    "Document",
    "Encoder",
    "Entry",
    "Format",
    "Index",
    "KeyMessage",
    "Match",
    "Material",
    "MaterialKind",
    "Meeting",
    "OffLabelUse",
    "Product",
    "Route",
    "Topic",
    "answer_text",
    "asks",
    "cited",
    "consider",
    "drugs_named",
    "is_name",
    "is_source",
    "is_valid",
    "keep_index",
    "kept_index",
    "load",
    "names_product",
    "not_meant",
    "parse",
    "parts_of",
    "products_named",
    "puts_a_question",
    "source_text",
    "speaks_of_medicine",
    "untimely",
    "weighs",
]
