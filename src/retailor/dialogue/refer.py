"""Which products a turn speaks of: by id, model number, name, place in the list, or 'it'."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from retailor.dialogue.acts import acts
from retailor.dialogue.pointing import (
    AFTER,
    BARE_PLACE,
    BEFORE,
    BEYOND,
    CODE,
    COUNTS_EN,
    COUNTS_ZH,
    DEFINITE,
    FEW,
    FIRST_FEW,
    ID,
    IT,
    LAST,
    OTHER,
    PLACE,
    PLACES_EN,
    PLURAL,
    THE_ONE,
)
from retailor.dialogue.shapes import MAX_LISTED, Door, State
from retailor.dialogue.verdict import verdict
from retailor.errors import ServeError
from retailor.retrieval.tokens import HAS_CHINESE, STOP_WORDS, words
from retailor.tasks.search.shapes import SearchQuery

How = Literal["named", "brand", "place", "extreme", "other", "back", "it"]
LEAST_ID = 5
N_LOOKED = 12
"""How many search results are looked through for a product that a turn names."""
MOST_SEARCHES = 12
"""So many searches a turn look for what it may name: a message can be a hundred names long."""


@dataclass(frozen=True)
class Referred:
    """The products of a turn, in the order of its words, and how they were found."""

    item_ids: tuple[str, ...] = ()
    how: How = "it"


@dataclass
class Look:
    """What a turn may look up in the catalogue: each item and each text once, at most MOST_SEARCHES texts."""

    door: Door
    known: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    searched: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, item_id: str) -> dict[str, Any] | None:
        """The details of an item, or None when the shop does not have it."""
        if item_id not in self.known:
            try:
                self.known[item_id] = self.door.details(item_id)
            except ServeError:
                self.known[item_id] = None
        return self.known[item_id]

    def found(self, text: str) -> list[str]:
        """The best hits of a search for the text; [] without search, or once too many were looked for."""
        if not text.strip() or (text not in self.searched and len(self.searched) >= MOST_SEARCHES):
            return []
        if text not in self.searched:
            self.searched[text] = self._search(text)
        return self.searched[text]

    def _search(self, text: str) -> list[str]:
        try:
            answer = self.door.ask("search", SearchQuery(text[:500], N_LOOKED, read=False)).answer
        except ServeError:
            return []
        return [each.item_id for each in answer.items]


def refer(said: str, state: State, look: Look) -> Referred | None:
    """The products that the turn speaks of; None when it names none and points at none."""
    return (
        _of_sides(said, state, look)
        or _by_code(said, state, look)
        or _by_extreme(said, state, look)
        or _by_place(said, state)
        or _by_name(said, state, look)
        or _other(said, state)
        or _back(said, state, look)
        or _it(said, state)
    )


def _of_sides(said: str, state: State, look: Look) -> Referred | None:
    """The two products of a comparison, each from its own words; None where these do not name two."""
    if "compare" not in acts(said):
        return None
    near = list(dict.fromkeys([*state.listed, *state.pair, *(each.item_id for each in state.recent)]))
    found: list[str] = []
    for part in _sides(said):
        coded = _by_code(part, state, look)
        one = coded.item_ids[0] if coded else _best(part, near, look, acts(said))
        if one is not None and one not in found:
            found.append(one)
    return Referred(tuple(found), "named") if len(found) > 1 else None


def _by_code(said: str, state: State, look: Look) -> Referred | None:
    """Items by id or by model number, wherever it stands in title or attributes."""
    ids = [each for each in ID.findall(said) if _may_be_id(each) and look(each)]
    for match in CODE.finditer(said):
        code = _bare(match[0])
        near = [*state.listed, *(each.item_id for each in state.recent)]
        places = dict.fromkeys([*near, *look.found(match[0].replace(" ", "-")), *look.found(match[0])])
        ids += [item_id for item_id in places if _has_code(look(item_id), code)][:1]
    return Referred(tuple(dict.fromkeys(ids)), "named") if ids else None


def _may_be_id(word: str) -> bool:
    """Whether a word may be meant as an item's id: a short number is a price, a size or a count."""
    return any(char.isdigit() for char in word) and (len(word) >= LEAST_ID or not word.isdigit())


def _bare(code: str) -> str:
    return re.sub(r"[- ]", "", code).lower()


def _has_code(details: Mapping[str, Any] | None, code: str) -> bool:
    if details is None:
        return False
    texts = [details["title"], *(pair["value"] for pair in details["attributes"])]
    return any(_bare(match[0]) == code for text in texts for match in CODE.finditer(text))


def _by_extreme(said: str, state: State, look: Look) -> Referred | None:
    """'The cheaper one', 'the cheapest', 'the biggest': of those compared, else of those listed."""
    done = acts(said)
    pointed = done & {"cheapest", "dearest", "least", "most"} or THE_ONE.search(said)
    among = state.pair or state.listed
    if "sort" in done or not pointed or not among:
        return None
    if len(among) == 1:
        return Referred(among, "extreme")
    details = [each for item_id in among if (each := look(item_id)) is not None]
    if done & {"cheapest", "dearest", "cheaper", "dearer"}:  # a price that is not known is no price to win by
        details = [each for each in details if each["price"] is not None]
    _, found = verdict(said, details, "en")
    if found is None and len(details) == 1:
        found = details[0]["item_id"]
    return Referred((found,), "extreme") if found else None


def places_shown(state: State) -> tuple[str, ...]:
    """The products that 'the second one' counts."""
    return state.pair if state.pair and not state.listed else state.listed


def counts_too_far(said: str, state: State) -> bool:
    """Whether the turn points at a place that what is shown does not have: 'the seventh one' of five."""
    n_shown = len(places_shown(state))
    return any(
        not 1 <= _number(match) <= n_shown and _number(match) <= MAX_LISTED
        for match in PLACE.finditer(said)
        if BEYOND.match(said, match.start())
    )


def _by_place(said: str, state: State) -> Referred | None:
    """'The second one', 'number 3', 第三个, 'the one before that'."""
    shown = places_shown(state)
    if not shown:
        return None
    if few := FIRST_FEW.search(said):
        word = (few[1] or few[2]).lower()
        return Referred(shown[: FEW.get(word) or int(word)], "place")
    now = shown.index(state.focus) if state.focus in shown else None
    places = [_number(match) for match in PLACE.finditer(said)]
    if not places and "compare" in acts(said):
        places = [int(each) for each in BARE_PLACE.findall(said)]
    if not places and LAST.search(said):
        places = [len(shown)]
    if not places and now is not None:
        places = [now] if BEFORE.search(said) else ([now + 2] if AFTER.search(said) else [])
    found = [shown[each - 1] for each in places if 1 <= each <= len(shown)]
    return Referred(tuple(dict.fromkeys(found)), "place") if found else None


def _number(match: re.Match[str]) -> int:
    said = (match["en"] or match["no"] or match["hash"] or match["zh"]).lower()
    for names in (PLACES_EN, COUNTS_EN, tuple(COUNTS_ZH)):
        if said in names:
            return names.index(said) + 1
    return {"两": 2}.get(said) or int(re.sub(r"\D", "", said) or 0)


# by name -------------------------------------------------------------------------------------------


def _by_name(said: str, state: State, look: Look) -> Referred | None:
    """Items whose brand and name the turn has; one that is on the table by its brand alone."""
    done = acts(said)
    near = list(dict.fromkeys([*state.listed, *state.pair, *(each.item_id for each in state.recent)]))
    best = _best(said, near, look, done)
    if best is not None:
        return Referred((best,), "named")
    branded = _branded(said, list(dict.fromkeys([*state.listed, *state.pair])), look)
    return Referred((branded,), "brand") if branded else None


def _sides(said: str) -> list[str]:
    return [
        part
        for part in re.split(
            r"\b(?:and|with|or|to|versus|vs\.?|than)\b|[和跟与]|还是|,|，", said, flags=re.IGNORECASE
        )
        if part.strip()
    ]


def _best(said: str, near: Sequence[str], look: Look, done: frozenset[str]) -> str | None:
    """The item that the words name: its brand and most of what else they say of products."""
    asks = done & {"question", "compare", "tell", "opinions", "back"} or DEFINITE.search(said)
    if (
        not asks
        or ("find" in done and not done & {"compare", "tell"} and not DEFINITE.search(said))
        or PLURAL.search(said)
    ):
        return None
    scored = []
    for rank, item_id in enumerate(dict.fromkeys([*near, *look.found(said)])):
        details = look(item_id)
        if details is not None and (n := _named(said, details)):
            scored.append((n, item_id in near, -rank, item_id))
    if not scored:
        return None
    scored.sort(reverse=True)
    ties = [each for each in scored if each[0] == scored[0][0] and each[1] == scored[0][1]]
    return scored[0][3] if len(ties) == 1 or scored[0][0] >= 3 or scored[0][1] else None


def brand_of(details: Mapping[str, Any]) -> str:
    """The brand in lower case, '' where the catalogue gives none."""
    return (details.get("brand") or "").lower()


def says_brand(said: str, brand: str) -> bool:
    """Whether a text has the brand, both in lower case: as a word, so that 'looking' has no OKI in it."""
    if HAS_CHINESE.search(brand):
        return brand in said
    return re.search(rf"(?<![a-z0-9]){re.escape(brand)}(?![a-z0-9])", said) is not None


def _named(said: str, details: Mapping[str, Any]) -> int:
    """How many words of the name the text has beside the brand; 0 unless it has the brand, and two."""
    lower = said.lower()
    brand = brand_of(details)
    told = set(words(said)) - STOP_WORDS
    own = set(words(details["title"])) - STOP_WORDS
    of_brand = set(words(brand))
    shared = {each for each in (told & own) - of_brand if len(each) > 1 or not each.isascii()}
    if brand and not says_brand(lower, brand):
        return 0
    if not brand:
        return len(shared) if len(shared) >= 4 else 0
    return len(shared) if len(shared) >= (2 if HAS_CHINESE.search(said) else 1) else 0


def _branded(said: str, shown: Sequence[str], look: Look) -> str | None:
    """The listed item whose brand the turn has, if it is a question for one of them."""
    lower = said.lower()
    if PLURAL.search(said) or acts(said) & {"cheaper", "recommend"}:
        return None
    pointed = DEFINITE.search(said) or acts(said) & {"question", "compare"} or re.search(r"[的换]", said)
    if re.search(r"\b(?:not|no|without|except)\b|不要|除", lower) or not pointed:
        return None
    for item_id in shown:
        details = look(item_id)
        if details is None:
            continue
        brand = brand_of(details)
        if brand and says_brand(lower, brand):
            return item_id
    return None


# pointing ------------------------------------------------------------------------------------------


def _other(said: str, state: State) -> Referred | None:
    """'The other one' of the two compared, or the product before the one in focus."""
    if not OTHER.search(said):
        return None
    among = [*state.pair, *(each.item_id for each in reversed(state.recent))]
    others = [each for each in among if each != state.focus]
    return Referred((others[0],), "other") if others else None


def _back(said: str, state: State, look: Look) -> Referred | None:
    """'Back to the cat tree': the latest product in focus whose name, or search, has the words."""
    if "back" not in acts(said):
        return None
    told = set(words(said)) - STOP_WORDS
    for each in reversed(state.recent):
        details = look(each.item_id)
        if details and told & (set(words(f"{each.words} {details['title']}")) - STOP_WORDS):
            return Referred((each.item_id,), "back")
    return None


def _it(said: str, state: State) -> Referred | None:
    """'It' is the product in focus, else the first of the list."""
    if not IT.search(said):
        return None
    found = state.focus or (state.listed[0] if state.listed else None)
    return Referred((found,), "it") if found else None
