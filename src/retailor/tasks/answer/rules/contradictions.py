# ruff: noqa: E501 (a pattern a line)
"""What a text says against the checked facts of the shop: then it is not quoted."""

from __future__ import annotations

import re

from retailor.tasks.answer.evidence.passages import sentences
from retailor.tasks.answer.forms.measures import days_of, quantities
from retailor.tasks.answer.rules.facts import CheckedFacts, methods
from retailor.text.places import WORLD, countries, includes

_NOT = re.compile(
    r"\b(?:no|not|never|cannot|can't|don't|doesn't|won't|unable|except|excluding|neither|nor)\b|n't\b|[不没非无]|除",
    re.IGNORECASE,
)
_RETURN = re.compile(
    r"\breturn(?:s|ed|able)?\b|send (?:it|them|this|that)? ?back|sent back|退货|[可能](?:以|无理由)*退|退换|无理由",
    re.IGNORECASE,
)
_REFUND_TIME = re.compile(
    r"refund(?:s|ed)?\b.{0,24}\b(?:made|paid|issued|process\w*|within|takes?|arriv\w*)|退款.{0,12}(?:内|到账|退回)|photo|照片|dispatch|deliver(?!y)|label",
    re.IGNORECASE,
)
_NO_RETURNS = re.compile(
    r"^(?:sorry,? )?no returns?\b|\ball sales (?:are )?final|\b(?:we )?(?:do not|don't|never) (?:accept|take|offer) (?:any )?returns|\bno (?:returns|refunds)\b(?! (?:on|for))|概不退[换货]|不退不换|^(?:本店|我们|所有商品|商品)?(?:一律)?(?:不支持|不能|不接受)退货",
    re.IGNORECASE,
)
_SHIPS = re.compile(
    r"\b(?:ship|deliver|send|dispatch|mail)(?:s|ed|ping|ing)?\b.{0,40}\b(?:to|in|within|world|anywhere|international\w*)|\bworldwide (?:shipping|delivery)|international (?:shipping|delivery)|[寄发送邮](?:货)?[往到]|配送",
    re.IGNORECASE,
)
_WORLDWIDE = re.compile(
    r"worldwide|anywhere in the world|all over the world|every country|全球|世界各地", re.IGNORECASE
)
_DISPATCHES = re.compile(
    r"\b(?:ships?|dispatche?[sd]?|leaves?)\b.{0,30}\b(?:with)?in\b|shipped (?:with)?in\b|发货", re.IGNORECASE
)
_ARRIVES = re.compile(
    r"\b(?:delivers?|arrives?|delivery|shipping)\b.{0,24}\b(?:with)?in\b|delivery (?:time|takes)|送达|配送.{0,4}[需要]",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"\bfree\b.{0,16}\b(?:shipping|delivery|postage)|(?:shipping|delivery|postage)\b.{0,12}\bfree\b|包邮|免运费|免邮",
    re.IGNORECASE,
)
_PAYS = re.compile(r"\b(?:pay|take)s?\b|\baccept\w*|payment|支付|付款|可用", re.IGNORECASE)
_STATES = re.compile(
    r"\b(?:can|may|will|policy|always|never|worldwide|you (?:have|get)|(?:they|we|shop|store|seller) (?:\w+ )?(?:take|accept|ship|deliver|send|offer)s?)\b|"
    r"n't (?:ship|deliver|take|accept|send)|do not|可以|能|支持|都[可能发寄]|包邮|不[发寄支]",
    re.IGNORECASE,
)
"""A customer says how it is here, not how it went once."""
_ITEM_SOURCES = ("attribute", "title", "description", "rule", "answer")


def contradicted(text: str, facts: CheckedFacts, *, source: str = "rule") -> str | None:
    """The name of the first fact that the text says otherwise; None where it contradicts none.

    How long a parcel took a customer is no statement about the rule, so reviews may tell of it.
    """
    if not facts.values:
        return None
    for sentence in sentences(text) or [text]:
        if source == "review" and not _STATES.search(sentence):
            continue
        for name, check in _CHECKS:
            if name in facts.values and check(sentence, facts, source):
                return name
    return None


def _ships_to(sentence: str, facts: CheckedFacts, source: str) -> bool:
    if not _SHIPS.search(sentence):
        return False
    codes, denied = frozenset(facts.values["ships_to"]), _NOT.search(sentence) is not None
    if _WORLDWIDE.search(sentence):
        return not denied and WORLD not in codes
    named = countries(sentence)
    if re.search(r"\bonly\b|\boutside\b|只|仅|以外", sentence, re.IGNORECASE):
        return False
    if denied:
        return bool(named) and all(includes(codes, code) for code in named)
    return any(
        code != WORLD and not includes(codes, code) and not _part_of_union(code, codes) for code in named
    )


def _part_of_union(code: str, codes: frozenset[str]) -> bool:
    return code == "EU" and any(includes(frozenset(("EU",)), each) for each in codes)


def _returns(sentence: str, facts: CheckedFacts, source: str) -> bool:
    limit = int(facts.values["return_days"][0])
    if limit and _NO_RETURNS.search(sentence):
        return True
    if not _RETURN.search(sentence) or _REFUND_TIME.search(sentence):
        return False
    days = [each for each in map(days_of, quantities(sentence)) if each is not None]
    if not limit:
        return bool(days) and not _NOT.search(sentence)
    return bool(days) and not any(abs(each - limit) < 0.5 for each in days)


def _times(name: str, sentence: str, facts: CheckedFacts, source: str) -> bool:
    pattern = _DISPATCHES if name == "dispatch_days" else _ARRIVES
    if source not in _ITEM_SOURCES or not pattern.search(sentence):
        return False
    days = [each for each in map(days_of, quantities(sentence)) if each is not None]
    low, high = map(int, facts.values[name])
    slack = (
        int(facts.values["dispatch_days"][1])
        if name == "delivery_days" and "dispatch_days" in facts.values
        else 0
    )
    return bool(days) and not any(low <= each <= high + slack for each in days)


def _dispatch(sentence: str, facts: CheckedFacts, source: str) -> bool:
    return _times("dispatch_days", sentence, facts, source)


def _delivery(sentence: str, facts: CheckedFacts, source: str) -> bool:
    return _times("delivery_days", sentence, facts, source) and not _DISPATCHES.search(sentence)


def _free_from(sentence: str, facts: CheckedFacts, source: str) -> bool:
    amount, unit = facts.values["free_shipping_from"][0].split(" ")
    if not _FREE.search(sentence) or _RETURN.search(sentence):
        return False
    told = [each.value for each in quantities(sentence) if each.dimension == "money" and each.unit == unit]
    if told:
        return not any(abs(each - float(amount)) < 0.005 for each in told)
    if any(each.dimension == "money" for each in quantities(sentence)):
        return False
    if _NOT.search(sentence):
        return float(amount) == 0
    whole = re.search(r"\b(?:all|every|always|any)\b|全场|全部|所有", sentence, re.IGNORECASE)
    return float(amount) > 0 and (whole is not None or source not in ("rule", "review"))


def _payment(sentence: str, facts: CheckedFacts, source: str) -> bool:
    named = methods(sentence)
    if not named or not _PAYS.search(sentence):
        return False
    kept = [facts.accepts(name) for name in named]
    return any(kept) if _NOT.search(sentence) else not all(kept)


def _pickup(sentence: str, facts: CheckedFacts, source: str) -> bool:
    if not re.search(
        r"\bpick(?:ed)?.?up\b|\bcollect(?:ed)?\b.{0,20}\b(?:store|shop)|自提|自取", sentence, re.IGNORECASE
    ):
        return False
    if source in ("review", "attribute", "title"):
        return False
    return (_NOT.search(sentence) is not None) == (facts.values["pickup"][0] == "true")


_CHECKS = (
    ("ships_to", _ships_to),
    ("return_days", _returns),
    ("dispatch_days", _dispatch),
    ("delivery_days", _delivery),
    ("free_shipping_from", _free_from),
    ("payment", _payment),
    ("pickup", _pickup),
)
