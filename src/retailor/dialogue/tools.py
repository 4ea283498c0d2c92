"""The shop's tools: search, filter, item, answer, compare, recommend, each a name, a schema and a function.

The planner uses them, a model uses them by function calling, and other assistants over MCP. Arguments are
checked by the pydantic model whose schema is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from retailor.dialogue.holding import best_holding, wanted_words
from retailor.dialogue.shapes import MAX_FILTERS, Cited, Door, Result
from retailor.errors import ServeError
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.search.http import FilterBody
from retailor.tasks.search.shapes import Filter, SearchQuery, Sort
from retailor.text.currencies import currency_of
from retailor.text.quantities import Quantity, dimension_of

Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
ItemId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Few = Annotated[int, Field(ge=1, le=20)]
N_READ = 60
"""How many results are looked through for those that meet a condition in words."""
N_LEAD, LEAD_SHARE = 5, 0.4
"""A category leads, and others are left out, where so much of the weight (1 / place) of the first is its."""
_ABOUT = 0.2
"""How far 'about 60' reaches, as a share."""
MOST_SORTED = 20
"""Sorted by price or stars are so many of the best matches, not what hardly matches."""
MAX_DESCRIPTION, MAX_PASSAGE = 600, 1000
"""Characters of a shop's text that a tool gives on."""
_FIELDS = ("item_id", "title", "brand", "category", "price", "currency", "rating", "n_reviews")


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


Conditions = Annotated[list[FilterBody], Field(max_length=MAX_FILTERS)]


class SearchArguments(_Arguments):
    text: Words = Field(description="What the customer looks for, in the customer's words.")
    k: Few = 5


class FilterArguments(_Arguments):
    text: Words = Field(description="What was searched for before.")
    conditions: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="What the customer adds, in words: 'in blue', 'under 50', '18 L', 'not Sony'."
    )
    filters: Conditions = Field(default=[], description="Conditions that hold already.")
    sort: Sort = "relevance"
    k: Few = 5


class ItemArguments(_Arguments):
    item_id: ItemId


class AnswerArguments(_Arguments):
    question: Words = Field(description="The question, complete in itself.")
    item_id: ItemId | None = Field(
        default=None, description="The product asked about; none for the shop's rules."
    )


class CompareArguments(_Arguments):
    item_ids: Annotated[list[ItemId], Field(min_length=2, max_length=4)]


class RecommendArguments(_Arguments):
    text: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="A wish in words."
    )
    item_id: ItemId | None = Field(default=None, description="A product that others should be like.")
    max_price: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Only what costs no more."
    )
    currency: str = Field(default="", max_length=3, pattern="^([A-Z]{3})?$", description="Of max_price.")
    k: Few = 5


@dataclass(frozen=True)
class Tool:
    """A tool by name. `run` takes the checked arguments."""

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[Door, Any], Result]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    def __call__(self, door: Door, arguments: Mapping[str, Any]) -> Result:
        """What the tool finds. Raises ServeError 422 that names the argument that will not do."""
        try:
            checked = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "arguments"
            raise ServeError(f"{self.name}: '{place}': {first['msg'].lower()}.", status=422) from None
        return self.run(door, checked)


def listed(door: Door, item_id: str) -> dict[str, Any]:
    """What a list shows of an item."""
    details = door.details(item_id)
    return {name: details.get(name) for name in _FIELDS}


def _search(door: Door, asked: SearchArguments) -> Result:
    """The best, kept to the category that leads: whoever looks for a tent is not shown a leash after it.

    A colour or a brand in the words does not choose the category: what is left of them does.
    """
    found = door.ask("search", SearchQuery(asked.text, N_READ)).answer
    wishes = [each.text for each in found.filters if each.text and each.op == "="]
    plain = found
    if rest := _without(found.searched, wishes) if wishes else "":
        plain = door.ask("search", SearchQuery(rest, N_READ, read=False)).answer
    lead = None if plain.is_nearest else leading([door.details(each.item_id) for each in plain.items])
    if lead is None:
        return _found(door, found, [each.item_id for each in found.items[: asked.k]], _holding(found))
    only = Filter("category", "=", lead[-1])
    found = door.ask("search", SearchQuery(asked.text, N_READ, (only,))).answer
    sized = tuple(replace(each, text="") for each in found.filters if each.text and each.field == "quantity")
    if sized and not found.relaxed:  # '18 litres' is meant: others are not shown where some have it
        exact = door.ask("search", SearchQuery(found.searched, N_READ, (only, *sized), read=False)).answer
        found = replace(exact, filters=found.filters, mended=found.mended) if exact.items else found
    kept = [each.item_id for each in found.items if door.details(each.item_id)["category"] == lead]
    return _found(door, found, kept[: asked.k], _holding(found))


def _holding(found: Any) -> tuple[Filter, ...]:
    """The filters that did not give way: what is asked within what was found is to find something."""
    return tuple(each for each in found.filters if each not in found.relaxed)


def _without(text: str, phrases: Sequence[str]) -> str:
    for each in phrases:
        text = re.sub(re.escape(each), " ", text, flags=re.IGNORECASE)
    return " ".join(text.split()).strip(" 的,，")


def leading(details: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The category path that leads the results, or None where they are of many kinds."""
    weights: dict[tuple[str, ...], float] = {}
    for place, each in enumerate(details[:N_LEAD], 1):
        path = tuple(each["category"] or ())
        weights[path] = weights.get(path, 0.0) + 1 / place
    best = max(weights, key=lambda path: weights[path], default=())
    return list(best) if best and weights[best] >= LEAD_SHARE * sum(weights.values()) else None


def _found(door: Door, found: Any, item_ids: list[str], filters: tuple[Filter, ...], **more: Any) -> Result:
    data = {
        "items": [listed(door, item_id) for item_id in item_ids],
        "searched": found.searched,
        "filters": [asdict(each) for each in filters],
        "relaxed": [asdict(each) for each in found.relaxed],
        "mended": dict(found.mended),
        "is_nearest": found.is_nearest,
        **more,
    }
    return Result(data, tuple(item_ids))


def _filter(door: Door, asked: FilterArguments) -> Result:
    """Within what was found: conditions that are read count as asked for, other words must be in the item.

    Where nothing meets them, `met` is false and those that meet most are given.
    """
    held = tuple(replace(each.filter(), text="") for each in asked.filters)
    words = f"{asked.text} {asked.conditions}".strip()
    found = door.ask("search", SearchQuery(words, N_READ, held)).answer
    staying = still_held(held, [each for each in found.filters if each.text])
    if staying != held:
        held = staying
        found = door.ask("search", SearchQuery(words, N_READ, held)).answer
    read = tuple(each for each in found.filters if each.text and each not in found.relaxed)
    added = tuple(replace(each, text="") for each in read)
    if added:
        strict = SearchQuery(found.searched or words, N_READ, held + added, read=False)
        narrowed = door.ask("search", strict).answer
    else:
        narrowed = found
    wanted = wanted_words(asked.conditions, [each.text for each in read], asked.text)
    ids, met = best_holding([door.details(each.item_id) for each in narrowed.items], wanted)
    says = bool(added or wanted or asked.sort != "relevance" or not asked.conditions.strip())
    met = met and says and bool(ids) and not [each for each in found.relaxed if each.text]
    ids = _ordered(door, ids[:MOST_SORTED], asked.sort)[: asked.k]
    return _found(door, narrowed, ids, held + added, met=met, wanted=wanted)


def still_held(held: tuple[Filter, ...], said: Sequence[Filter]) -> tuple[Filter, ...]:
    """Those that held and still do: 'under 200' said now takes the place of 'under 80'."""
    return tuple(each for each in held if not any(_gives_way(each, new) for new in said))


def _gives_way(old: Filter, new: Filter) -> bool:
    """Whether both bound the same fact on the same side, or none meets both; what is not wanted adds up."""
    if (old.field, old.name) != (new.field, new.name) or old.field in ("category", "words"):
        return False
    ops = [{"<": "<="}.get(each.op, each.op) for each in (old, new)]
    if "!=" in ops:
        return False
    if old.field == "quantity" and dimension_of(old.unit) != dimension_of(new.unit):
        return False
    if ops[0] == ops[1] or isinstance(old.value, str) or isinstance(new.value, str):
        return True
    before, now = _in_one_unit(old), _in_one_unit(new)
    return now > before if ops[0] == "<=" or ops[1] == ">=" else now < before


def _in_one_unit(one: Filter) -> float:
    value = float(one.value)
    return Quantity(value, one.unit, "", "").base if one.field == "quantity" else value


def _ordered(door: Door, item_ids: list[str], sort: Sort) -> list[str]:
    """By price or stars, unknown ones last; as they are for 'relevance'.

    Of prices in several currencies those in the one that most have come first.
    """
    if sort == "relevance":
        return item_ids
    name, sign = ("rating", -1) if sort == "rating" else ("price", -1 if sort == "-price" else 1)
    values = {each: door.details(each)[name] for each in item_ids}
    groups = {each: name == "price" and door.details(each).get("currency") for each in item_ids}
    sizes = Counter(group for each, group in groups.items() if values[each] is not None)
    places = {group: place for place, (group, _) in enumerate(sizes.most_common())}
    return sorted(
        item_ids,
        key=lambda each: (values[each] is None, places.get(groups[each], 0), sign * (values[each] or 0)),
    )


def _item(door: Door, asked: ItemArguments) -> Result:
    details = door.details(asked.item_id)
    shown = {name: details.get(name) for name in _FIELDS}
    shown["attributes"] = details.get("attributes", [])
    shown["description"] = (details.get("description") or "")[:MAX_DESCRIPTION]
    return Result(
        {"item": shown}, (asked.item_id,), (Cited(asked.item_id, "catalogue", str(shown["title"])),)
    )


def _answer(door: Door, asked: AnswerArguments) -> Result:
    answered = door.ask("answer", AnswerQuery(asked.question, asked.item_id)).answer
    cited = tuple(
        Cited(each.item_id or "", each.source, each.text[:MAX_PASSAGE]) for each in answered.evidence
    )
    data = {
        "text": answered.text,
        "known": answered.known,
        "evidence": [asdict(each) for each in cited] if answered.known else [],
    }
    items = () if asked.item_id is None else (asked.item_id,)
    return Result(data, items, cited if answered.known else (), answered.known)


def _compare(door: Door, asked: CompareArguments) -> Result:
    """A row a fact, a column an item; a fact that an item lacks is None."""
    ids = list(dict.fromkeys(asked.item_ids))
    details = [door.details(each) for each in ids]
    facts: dict[str, list[Any]] = {name: [each.get(name) for each in details] for name in ("price", "rating")}
    facts["price"] = [
        None if each.get("price") is None else f"{each['price']:.2f} {each.get('currency') or ''}".strip()
        for each in details
    ]
    for i, each in enumerate(details):
        for pair in each.get("attributes", []):
            facts.setdefault(pair["name"], [None] * len(ids))[i] = pair["value"]
    data = {"items": [listed(door, each) for each in ids], "facts": facts}
    return Result(data, tuple(ids), tuple(Cited(each, "catalogue", "") for each in ids))


def _recommend(door: Door, asked: RecommendArguments) -> Result:
    """For a wish, or like an item. Prices in the wish are kept to."""
    seen = () if asked.item_id is None else (asked.item_id,)
    bounds = prices_in(door, asked.text)
    if asked.max_price is not None:
        bounds = (*bounds, Filter("price", "<=", asked.max_price, asked.currency))
    query = RecommendQuery(
        item_ids=seen,
        text=asked.text or None,
        k=N_READ if bounds else asked.k,
        exclude=seen,
        max_price=asked.max_price,
        currency="" if asked.max_price is None else asked.currency,
        by="similar" if seen else "customer",
    )
    found = door.ask("recommend", query).answer.items
    rows = [{**listed(door, each.item_id), "reason": each.reason} for each in found]
    kept = [each for each in rows if all(_within(each, bound) for bound in bounds)][: asked.k]
    data = {"items": kept, "filters": [asdict(each) for each in bounds], "met": bool(kept) or not bounds}
    return Result(data, tuple(each["item_id"] for each in kept))


def prices_in(door: Door, text: str) -> tuple[Filter, ...]:
    """The bounds on prices that search reads in a wish; () in a run without search."""
    if not any(char.isdigit() for char in text):
        return ()
    try:
        read = door.ask("search", SearchQuery(text, 1)).answer.filters
    except ServeError:
        return ()
    return tuple(each for each in read if each.field == "price")


def without_sizes(door: Door, text: str) -> str:
    """The words without the sizes that search reads in them: after 'for 4 people' others are bigger."""
    read = door.ask("search", SearchQuery(text, 1)).answer.filters
    return _without(text, [each.text for each in read if (each.field, each.op) == ("quantity", "=")]) or text


def _within(listed: Mapping[str, Any], bound: Filter) -> bool:
    price: float | None = listed["price"]
    currency = currency_of(listed.get("currency") or "")
    if price is None or (bound.unit and currency not in ("", bound.unit)):
        return False
    value = float(bound.value)
    if bound.op in ("<=", ">="):
        return price <= value if bound.op == "<=" else price >= value
    return abs(price - value) <= _ABOUT * value


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Finds products by words; prices, sizes, brands, colours and stars in the words count.",
            SearchArguments,
            _search,
        ),
        Tool(
            "filter",
            "Narrows down what was searched for by further conditions, or sorts it.",
            FilterArguments,
            _filter,
        ),
        Tool("item", "Everything the catalogue says of one product, by its item_id.", ItemArguments, _item),
        Tool(
            "answer",
            "Answers a question about one product, or about the shop's rules, from the shop's own texts; "
            "known is false where they do not tell.",
            AnswerArguments,
            _answer,
        ),
        Tool("compare", "Price, stars and attributes of two to four products.", CompareArguments, _compare),
        Tool(
            "recommend",
            "Products for a wish in words, or like another product.",
            RecommendArguments,
            _recommend,
        ),
    )
}
