"""From published content to what can be asked about: each product's candidates and its approved diseases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bot.knowledge.content import Content, Entry, OffLabelUse, Product, Topic
from bot.knowledge.products import Catalogue, Names, without
from bot.knowledge.space import Candidate
from bot.knowledge.terms import Subject, conditions_in, corrected, main_conditions, subject, terms
from bot.knowledge.text import plain

KINDS = (*Topic, "use", "outside")  # what the topic scores tell apart
# Medicines named by what they are for, and the first word of that condition in terms.yaml.
_KINDS = (
    (re.compile("(?:降压|高血压|血压|降血压)的?药"), "高血压"),
    (re.compile("(?:降糖|糖尿病|血糖|降血糖)的?药"), "2型糖尿病"),
    (re.compile("(?:降脂|调脂|血脂|降血脂|高血脂)的?药"), "高胆固醇血症"),
)
USE, OUTSIDE = KINDS.index("use"), KINDS.index("outside")


class QuestionReader:
    """Reads a text as a question about a product: what remains without its name, and what it speaks of."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._catalogue = Catalogue(content.products)
        self.approved = {product.id: main_conditions(product.indications) for product in content.products}
        self.indications = {
            product.id: frozenset(
                frozenset(key for key, _ in conditions_in(plain(text))) for text in product.indications
            )
            for product in content.products
        }

    def names(self, text: str) -> tuple[str, Names]:
        """The plain text, slips put right, and the products and drugs it names."""
        form = corrected(plain(text))
        return form, self._catalogue.names(form)

    def about(self, form: str, names: Names, product: str) -> tuple[str, Subject]:
        """What a plain text asks about one product."""
        others = (plain(self._content.product[key].generic) for key in names.products if key != product)
        rest = without(form, names, product)
        return rest, subject(rest, (*names.drugs, *others), self.approved.get(product, frozenset()))

    def of_class(self, drugs: Iterable[str]) -> tuple[str, ...]:
        """Our products of a class that is named (他汀, 沙坦类)."""
        words = set(drugs)
        classes = {
            product.id: terms().drug_class.get(plain(product.generic)) for product in self._content.products
        }
        return tuple(key for key, word in classes.items() if word in words)

    def of_kind(self, form: str) -> tuple[str, ...]:
        """Our products of a kind that is named by what it is for (降压药, 血脂药)."""
        wanted = {key for pattern, key in _KINDS if pattern.search(form)}
        return tuple(product for product, approved in self.approved.items() if approved & wanted)

    def candidates(self, product: Product) -> Iterator[Candidate]:
        """Entries first, then off-label uses."""
        items: tuple[Entry | OffLabelUse, ...] = (*self._content.entries, *self._content.off_label)
        return (self._candidate(item) for item in items if item.product == product.id)

    def _candidate(self, item: Entry | OffLabelUse) -> Candidate:
        wordings = item.texts if isinstance(item, Entry) else item.examples
        read = [self.about(*self.names(text), item.product) for text in wordings]
        answer = Subject()
        bag = plain(item.use) if isinstance(item, OffLabelUse) else read[0][0]
        if isinstance(item, Entry):
            text, answer = self.about(*self.names(item.answer), item.product)
            bag += text
        return Candidate(
            id=item.id,
            use=isinstance(item, OffLabelUse),
            kind=USE if isinstance(item, OffLabelUse) else KINDS.index(item.topic),
            texts=tuple(text for text, _ in read),
            subjects=tuple(about for _, about in read),
            answer=answer,
            bag=bag,
        )
