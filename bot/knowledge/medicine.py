"""Whether words are about medicine at all."""

from __future__ import annotations

import re

from bot.knowledge.content import Product
from bot.knowledge.products import names_product
from bot.knowledge.terms import conditions_in, hints
from bot.knowledge.text import plain

_ANYTHINGS = frozenset({"timing", "duration", "dosage", "reimbursement", "specification"})  # of money, too
_TAKEN = re.compile(r"吃(?![饭个顿喝])|服(?!务)|注射|空腹|饭[前后]|剂量|用量|用法")


def speaks_of_medicine(text: str, products: tuple[Product, ...]) -> bool:
    """Whether a text names a medicine or a complaint, or what is asked of a medicine alone."""
    form = plain(text)
    topics = set(hints(form)) - _ANYTHINGS
    return bool(topics or conditions_in(form) or _TAKEN.search(form)) or names_product(text, products)
