"""Approved answers: content in, decision out. No database, no web."""

from bot.knowledge.content import Content, Document, Entry, OffLabelUse, Product, Topic, load, parse

__all__ = ["Content", "Document", "Entry", "OffLabelUse", "Product", "Topic", "load", "parse"]
