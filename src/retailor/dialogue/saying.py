"""What is said, in English and Chinese: lists, products, comparisons, and the talk around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retailor.tasks.reasons import Language

MOST_FACTS = 12
_SAID: Mapping[str, tuple[str, str]] = {
    "greet": (
        "Hello! Tell me what you are looking for, or ask about a product.",
        "您好！想找什么商品，或者想了解哪一款，请告诉我。",
    ),
    "thanks": ("You are welcome. Anything else from the shop?", "不客气！还需要看看别的商品吗？"),
    "bye": ("Goodbye, and thank you for your visit.", "再见，感谢光临！"),
    "fine": ("Good. What else may I show you?", "好的，还想看看什么？"),
    "chitchat": (
        "I only know this shop, I am its assistant. What may I find for you here?",
        "我是本店的助手，只了解店里的商品。想找点什么？",
    ),
    "found": ("Here is what I found:", "为您找到："),
    "narrowed": ("These fit:", "符合的有："),
    "unmet": ("Nothing fits that exactly; the nearest are:", "没有完全符合的，最接近的是："),
    "nearest": ("Nothing matches these words; the nearest are:", "没有匹配的商品，最接近的是："),
    "nothing": ("I found nothing for that. Say it in other words?", "没有找到，换个说法试试？"),
    "buy": (
        "I cannot take orders in this chat; on the product's own page you can:",
        "这里不能下单，请到商品页面购买：",
    ),
    "none_so": ("I have found none that is.", "没有找到这样的。"),
    "no_more": ("That is all there is of these.", "没有更多了。"),
    "recommended": ("You may like:", "为您推荐："),
    "similar": ("Similar products:", "类似的商品："),
    "compared": ("Side by side:", "对比如下："),
    "too_far": (
        "So many products are not shown. Name the product, or say what you are looking for.",
        "没有显示那么多商品，请说出商品名，或想找什么。",
    ),
    "unclear": (
        "I did not understand that. Name a product, or say what you are looking for.",
        "我没听明白，请说出商品名，或想找什么。",
    ),
    "cannot": ("This shop cannot do that here.", "这里暂时做不到。"),
    "upset": (
        "I am sorry about that. I am passing you on to a colleague, with a summary, so that you need not "
        "say it again.",
        "非常抱歉给您带来不好的体验。我这就转给人工客服，并附上情况说明，您不用再重复。",
    ),
    "asked": (
        "Of course. I am passing you on to a colleague, with a summary of what we spoke about.",
        "好的，这就为您转接人工客服，并附上我们的对话摘要。",
    ),
    "order": (
        "I cannot look into orders. I am passing you on to a colleague who can, with a summary.",
        "我查不到订单。这就转给能查询的人工客服，并附上摘要。",
    ),
    "unknown": (
        "I still cannot answer that, so I am passing you on to a colleague, with a summary.",
        "这个问题我还是回答不了，为您转接人工客服，并附上摘要。",
    ),
    "price": ("price", "价格"),
    "rating": ("stars", "评分"),
    "priced_in": (
        "Prices here are in {own}; I do not convert them into {asked}.",
        "这里的价格以 {own} 标示，我不换算成 {asked}。",
    ),
    "no_price": ("price on request", "价格请咨询"),
    "lighter": ("Lighter", "更轻的是"),
    "heavier": ("Heavier", "更重的是"),
    "lower": ("Cheaper", "更便宜的是"),
    "higher": ("More expensive", "更贵的是"),
    "rated": ("Better rated", "评分更高的是"),
    "more": ("More", "更大的是"),
    "less": ("Less", "更小的是"),
}


def say(name: str, language: Language) -> str:
    """A fixed text in the customer's language."""
    return _SAID[name][language == "zh"]


def money(item: Mapping[str, Any], language: Language) -> str:
    """The price with its currency, or that it is not known."""
    if item.get("price") is None:
        return say("no_price", language)
    return f"{item['price']:.2f} {item.get('currency') or ''}".strip()


def priced_in(own: Sequence[str], asked: str, language: Language) -> str:
    """That prices are in other currencies than the one asked for."""
    return say("priced_in", language).format(own=", ".join(own), asked=asked)


def named(item: Mapping[str, Any]) -> str:
    """Title and id."""
    return f"{item['title'].strip()} [{item['item_id']}]"


def line(item: Mapping[str, Any], language: Language) -> str:
    """An item in a list: title, id, price, stars."""
    stars = ""
    if item.get("rating") is not None:
        stars = f"，{item['rating']:.1f}星" if language == "zh" else f", {item['rating']:.1f} stars"
    comma = "，" if language == "zh" else ", "
    return f"{named(item)}{comma}{money(item, language)}{stars}"


def items(head: str, shown: Sequence[Mapping[str, Any]], language: Language) -> str:
    """A numbered list under a heading."""
    return "\n".join(
        [say(head, language), *(f"{n}. {line(each, language)}" for n, each in enumerate(shown, 1))]
    )


def details(item: Mapping[str, Any], language: Language) -> str:
    """What there is to say of one item: price, stars, attributes, the first of its description."""
    facts = [f"{pair['name']}: {pair['value']}" for pair in item["attributes"][:MOST_FACTS]]
    if language == "zh":
        facts = [each.replace(": ", "：") for each in facts]
    told = ("；" if language == "zh" else "; ").join(facts)
    text = " ".join(item["description"].split())
    short = text if len(text) <= 200 else text[:199].rstrip() + "…"
    return "\n".join(each for each in (line(item, language), told, short) if each)


def comparison(data: Mapping[str, Any], verdict: str, language: Language) -> str:
    """A line an item, a line a fact that more than one of them has, and the verdict."""
    lines = [say("compared", language)]
    lines += [f"{n}. {named(each)}" for n, each in enumerate(data["items"], 1)]
    for name, values in data["facts"].items():
        if sum(value is not None for value in values) >= 1:
            label = say(name, language) if name in ("price", "rating") else name
            lines.append(f"{label}: " + " | ".join("–" if value is None else str(value) for value in values))
    return "\n".join([*lines, verdict] if verdict else lines)
