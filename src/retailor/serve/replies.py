"""From a service's reply to what goes over HTTP: with titles, prices and pictures of the items."""

from __future__ import annotations

from collections.abc import Sequence

from retailor.serve.bodies import (
    AnswerReply,
    Because,
    Card,
    Customer,
    CustomersBody,
    CustomersReply,
    Event,
    Hit,
    ItemsBody,
    ItemsReply,
    Passage,
    RecommendReply,
    ReviewReply,
    SearchReply,
    SentimentReply,
)
from retailor.serve.service import Reply, Service
from retailor.tasks.answer.shapes import Answered
from retailor.tasks.reasons import Language
from retailor.tasks.recommend.shapes import Recommendations
from retailor.tasks.review.shapes import Draft
from retailor.tasks.search.shapes import Found
from retailor.tasks.sentiment.shapes import Sentiment
from retailor.tasks.shapes import Recommended


def recommended(service: Service, reply: Reply[Recommendations], language: Language = "en") -> RecommendReply:
    """Recommendations with item cards, their reasons in the reader's language."""
    return RecommendReply(
        items=_hits(service, reply.answer.items, language),
        known_customer=reply.known_customer,
        unknown_items=list(reply.unknown_items),
        cached=reply.cached,
    )


def found(service: Service, reply: Reply[Found], language: Language = "en") -> SearchReply:
    """Found items with their cards, their reasons in the reader's language."""
    return SearchReply(items=_hits(service, reply.answer.items, language), cached=reply.cached)


def _hits(service: Service, items: Sequence[Recommended], language: Language) -> list[Hit]:
    named = {item_id for each in items for item_id in (each.item_id, *each.because)}
    cards = {item_id: Card(**card) for item_id, card in service.cards(sorted(named)).items() if card}
    titles = {item_id: card.title for item_id, card in cards.items()}
    return [
        Hit(
            item_id=each.item_id,
            score=each.score,
            reason=each.reason if each.why is None else each.why.text(language),
            because=[Because(item_id=one, title=titles.get(one, one)) for one in each.because],
            item=cards.get(each.item_id),
        )
        for each in items
    ]


def answered(service: Service, reply: Reply[Answered]) -> AnswerReply:
    """An answer whose evidence carries item titles."""
    answer = reply.answer
    cards = service.cards(sorted({each.item_id for each in answer.evidence}))
    evidence = [
        Passage(
            text=each.text,
            source=each.source,
            item_id=each.item_id,
            title=(cards[each.item_id] or {}).get("title", each.item_id),
            score=each.score,
        )
        for each in answer.evidence
    ]
    return AnswerReply(
        text=answer.text,
        known=answer.known,
        confidence=answer.confidence,
        evidence=evidence,
        cached=reply.cached,
    )


def read(reply: Reply[Sentiment]) -> SentimentReply:
    """A sentiment."""
    return SentimentReply(
        label=reply.answer.label, probabilities=dict(reply.answer.probabilities), cached=reply.cached
    )


def drafted(reply: Reply[Draft]) -> ReviewReply:
    """A draft with its mark; a task that forgot the mark gets the plainest one."""
    draft = reply.answer
    return ReviewReply(
        title=draft.title,
        text=draft.text,
        item_id=draft.item_id,
        rating=draft.rating,
        generated={"generated": True, **draft.generated},
        cached=reply.cached,
    )


def items(service: Service, body: ItemsBody) -> ItemsReply:
    """Items by id where ids are given, else by words."""
    if body.item_id:
        page = service.items(tuple(body.item_id))
    else:
        page = service.find_items(body.text, body.page, body.size)
    return ItemsReply(items=[Card(**row) for row in page.rows], n_total=page.n_total)


def customers(service: Service, body: CustomersBody) -> CustomersReply:
    """One customer with the history where an id is given, else a page of customers."""
    if body.user_id is None:
        page = service.customers(body.text, body.page, body.size)
        return CustomersReply(customers=[Customer(**row) for row in page.rows], n_total=page.n_total)
    customer, history = service.customer(body.user_id, body.size)
    return CustomersReply(
        customers=[Customer(**customer)], n_total=1, history=[Event(**row) for row in history]
    )
