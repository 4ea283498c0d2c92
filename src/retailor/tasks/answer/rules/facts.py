# ruff: noqa: E501 (a pattern a line)
"""Checked facts of the shop, told: what a question about its rules gets, whatever any text says.

A fact answers with yes or no where the question names something to hold against it: a country, a number of
days, the value of an order, a way to pay. Where it names none, or one that is not known, the fact is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from retailor.tasks.answer.forms.measures import days_of, quantities
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Verdict
from retailor.tasks.answer.wording import is_chinese
from retailor.text.places import WORLD, countries, country_name, includes

MAX_LISTED = 12

# Ways to pay: how each is written, and what it is called where no shop has said it.
METHODS: dict[str, str] = {
    "credit card": r"credit cards?|信用卡",
    "debit card": r"debit cards?|借记卡|储蓄卡",
    "visa": r"\bvisa\b",
    "mastercard": r"master ?card|万事达",
    "american express": r"american express|\bamex\b|运通",
    "unionpay": r"union ?pay|银联",
    "paypal": r"pay ?pal|贝宝",
    "apple pay": r"apple ?pay|苹果支付",
    "google pay": r"google ?pay|谷歌支付",
    "alipay": r"ali ?pay|支付宝",
    "wechat pay": r"we ?chat(?: ?pay)?|微信",
    "huabei": r"huabei|花呗",
    "klarna": r"klarna",
    "afterpay": r"after ?pay\b|affirm\b",
    "bank transfer": r"(?:bank|wire) transfers?|\bsepa\b|银行转账|转账|汇款",
    "direct debit": r"direct debit",
    "cash on delivery": r"cash on delivery|pay on delivery|\bcod\b|货到付款",
    "cash": r"\b(?:in|with|by) cash\b|现金",
    "cheque": r"\bche(?:que|ck)s?\b(?! out)|支票",
    "instalments": r"instal?lments?|分期",
    "invoice": r"(?:pay|buy|purchase|payment).{0,12}\b(?:by|on|against|per)\b (?:an? )?invoice",
    "gift card": r"gift ?cards?|礼品卡|购物卡",
    "crypto": r"crypto\w*|bitcoins?|\bbtc\b|比特币",
}
_CHINESE_NAMES = {
    "credit card": "信用卡", "debit card": "借记卡", "mastercard": "万事达", "unionpay": "银联", "alipay": "支付宝",
    "wechat pay": "微信支付", "huabei": "花呗", "bank transfer": "银行转账", "cash on delivery": "货到付款", "cash": "现金",
    "cheque": "支票", "instalments": "分期付款", "gift card": "礼品卡", "crypto": "比特币",
}  # fmt: skip
_METHODS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in METHODS.items()}
_CARDS = ("visa", "mastercard", "american express", "unionpay")

_LIMIT_OF_RETURN = re.compile(
    r"how (?:long|many|soon|late)|until when|till when|by when|deadline|(?:return|exchange|refund) (?:window|period|time|polic\w+|rights?)|\bwithin\b|"
    r"\b(?:can|could|may|do|will|is it|are|am|would|still)\b.{0,60}\b(?:return|exchange|refund|send|bring|back)|too late|returns?\W*$|"
    r"几天|多久|多少天|期限|退货期|退货政策|什么时候.{0,4}前|还?[能可].{0,6}[退换]|[退换].{0,3}[吗么]|无理由",
    re.IGNORECASE,
)
_HOW_OF_RETURN = re.compile(
    r"\bwho pays|\bcosts?\b|\bfees?\b|\bcharged?\b|\bfree\b|\bhow (?:do|can|should|would) (?:i|we)\b|\bhow to\b|\blabel|\baddress|\bwhere\b|"
    r"(?:get|receive|see|have) (?:my|the|a)\b.{0,10}\b(?:refund|money)|refund(?:s|ed)? (?:take|arrive|process|method)|how (?:long|soon).{0,30}\brefund|when.{0,30}\brefund|"
    r"\bopen(?:ed)?\b|\bused\b|\bworn\b|\bwashed\b|\bdamaged?\b|\bbroken?\b|\bfault\w*|\bdefect\w*|\bsale\b|\bpersonali[sz]ed|\bcustom\w*|"
    r"\bwithout\b|\breceipt|\bgift\b|\bstore credit|谁.{0,4}(?:出|付|承担)|运费|怎么退|如何退|流程|地址|退款.{0,6}(?:多久|几天|到账)|多久.{0,6}退款|什么时候.{0,4}退款|"
    r"拆[封开了]|开封|用过|穿过|洗过|坏|破损|质量问题|特价|定制|没有?(?:小票|发票|包装)",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\btoo late\b|\bn[o']t\b|n't\b|来不及|太晚|不能|不可以|不会|过期", re.IGNORECASE)
_DISPATCH = re.compile(
    r"\bdispatch\w*|\bship(?:s|ped)? (?:out|within|it out)|leave|be shipped|发货|发出|寄出", re.IGNORECASE
)
_SOON = {
    0: re.compile(r"\bsame.day\b|\btoday\b|\btonight\b|当天|今天|当日", re.IGNORECASE),
    1: re.compile(r"\bnext.day\b|\btomorrow\b|\bovernight\b|次日|明天|第二天", re.IGNORECASE),
}
_PICKUP = re.compile(
    r"\bpick(?:ing|ed)?\b.{0,12}\bup\b|\bpick.?up\b|\bcollect\b|click (?:and|&) collect|自提|自取|上门取",
    re.IGNORECASE,
)
_COST = re.compile(r"\bfree\b|包邮|免运?邮?费", re.IGNORECASE)


@dataclass(frozen=True)
class Told:
    """A fact in words, the yes or no that it gives, and which fact it is."""

    name: str
    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class CheckedFacts:
    """The values of the checked facts, by name; empty for a shop without any."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str = ""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, list[str], str]]) -> CheckedFacts:
        """The facts of the rows (name, values, path) of the table `facts`."""
        listed = list(rows)
        path = listed[0][2] if listed else ""
        return cls({name: tuple(values) for name, values, _ in listed}, path)

    def told(self, question: str) -> list[Told]:
        """What the facts say to a question, the most to the point first; [] where they are not asked for."""
        wanted = [kind.name for kind in kinds.rules_asked(question)]
        where = self._where(question, wanted)
        if where is not None and (where.verdict == "no" or wanted == ["destination"]):
            return [where]
        found = [where] if where and "destination" in wanted else []
        if "returning" in wanted and _HOW_OF_RETURN.search(question):
            return found  # who pays for sending back is not what sending out costs
        for name in wanted:
            if name != "destination" and name in _TELLERS:
                found += [told for told in (_TELLERS[name](self, question),) if told]
        return found

    def accepts(self, method: str) -> bool:
        """Whether the shop takes a way to pay, by its name in METHODS."""
        return _accepted(method, self.values.get("payment", ()))

    def _where(self, question: str, wanted: list[str]) -> Told | None:
        if "ships_to" not in self.values or not {"destination", "dispatch", "postage"} & set(wanted):
            return None
        chinese, codes = is_chinese(question), frozenset(self.values["ships_to"])
        listed = _listed([country_name(code, chinese=chinese) for code in self.values["ships_to"]], chinese)
        everywhere = _say(chinese, f"我们可以寄到：{listed}。", f"We deliver to: {listed}.")
        named = countries(question)
        if not named:
            return Told("ships_to", everywhere) if "destination" in wanted else None
        kept = [includes(codes, code) for code in named]
        place = _listed([country_name(code, chinese=chinese) for code in named], chinese)
        if all(kept):
            return Told(
                "ships_to", _say(chinese, f"可以寄到{place}。", f"Yes, we deliver to {place}."), "yes"
            )
        if (
            any(kept)
            or named == [WORLD]
            or (named == ["EU"] and any(includes(frozenset(("EU",)), c) for c in codes))
        ):
            return Told("ships_to", everywhere, "depends")
        no = _say(chinese, f"不能寄到{place}。", f"No, we do not deliver to {place}.")
        return Told("ships_to", f"{no}{'' if chinese else ' '}{everywhere}", "no")

    def _returns(self, question: str) -> Told | None:
        exchange = re.search(r"\bexchange|换货|[能可]以?换", question, re.IGNORECASE) is not None
        name = "exchange_days" if exchange and "exchange_days" in self.values else "return_days"
        asked = [days for days in map(days_of, quantities(question)) if days is not None]
        limited = bool(asked) or _LIMIT_OF_RETURN.search(question) is not None
        if name not in self.values or _HOW_OF_RETURN.search(question) or not limited:
            return None
        limit, chinese = int(self.values[name][0]), is_chinese(question)
        verb = ("换货", "exchange") if name == "exchange_days" else ("退货", "return")
        if not limit:
            return Told(
                name, _say(chinese, f"本店不支持{verb[0]}。", f"No, we do not accept {verb[1]}s."), "no"
            )
        rule = _say(
            chinese,
            f"收到后{limit}天内可以{verb[0]}。",
            f"{verb[1].capitalize()}s are accepted within {limit} days of delivery.",
        )
        if not asked and re.search(r"\blast week\b|上周|上个?星期", question, re.IGNORECASE):
            asked = [13.0]
        if len(asked) != 1:
            return Told(name, rule)
        kept = asked[0] <= limit
        if _NEGATED.search(question):
            return Told(name, rule)
        lead = _say(chinese, "可以，" if kept else "不可以，", "Yes. " if kept else "No. ")
        return Told(name, lead + rule, "yes" if kept else "no")

    def times(self, question: str) -> Told | None:
        """How long delivery takes, where that is a fact: also beside what customers say of its speed."""
        name = "dispatch_days" if _DISPATCH.search(question) else "delivery_days"
        name = (
            name if name in self.values else "delivery_days" if name == "dispatch_days" else "dispatch_days"
        )
        if name not in self.values or re.search(r"refund|money|退款|到账", question, re.IGNORECASE):
            return None
        chinese = is_chinese(question)
        low, high = map(int, self.values[name])
        span = f"{low}–{high}" if low and low != high else str(high)
        days = "day" if span == "1" else "days"
        if name == "dispatch_days":
            rule = _say(
                chinese,
                f"下单后{span}个工作日内发货。",
                f"Orders leave our warehouse within {span} working {days}.",
            )
        else:
            rule = _say(chinese, f"配送需要{span}个工作日。", f"Delivery takes {span} working {days}.")
        asked = [days for days in map(days_of, quantities(question)) if days is not None]
        asked = asked or [float(n) for n, pattern in _SOON.items() if pattern.search(question)]
        if len(asked) != 1:
            return Told(name, rule)
        # A week of the calendar has five working days.
        working = asked[0] * 5 / 7 if asked[0] >= 7 else asked[0]
        verdict: Verdict = "yes" if working >= high else "no" if working < (low or high) else "depends"
        lead = {
            "yes": _say(chinese, "可以，", "Yes. "),
            "no": _say(chinese, "不行，", "No. "),
            "depends": _say(chinese, "不一定，", "It depends. "),
        }[verdict]
        return Told(name, lead + rule, verdict)

    def _postage(self, question: str) -> Told | None:
        chinese = is_chinese(question)
        free, cost = self.values.get("free_shipping_from"), self.values.get("shipping_cost")
        if not free and not cost:
            return None
        amount, unit = free[0].split(" ") if free else ("", "")
        always = bool(free) and float(amount) == 0
        parts = []
        if always:
            parts.append(_say(chinese, "全场包邮。", "Delivery is free."))
        elif free:
            parts.append(
                _say(
                    chinese,
                    f"满{_money(free[0], True)}包邮。",
                    f"Delivery is free from {_money(free[0], False)}.",
                )
            )
        if cost and not always:
            parts.append(_say(chinese, f"{f'不满{_money(free[0], True)}' if free else ''}运费{_money(cost[0], True)}。",
                              f"{'Below that it' if free else 'Delivery'} costs {_money(cost[0], False)}."))  # fmt: skip
        rule = ("" if chinese else " ").join(parts)
        if always:
            return Told("free_shipping_from", _say(chinese, "是的，", "Yes. ") + rule, "yes")
        spent = [
            each for each in quantities(question) if each.dimension == "money" and free and each.unit == unit
        ]
        if not free or not _COST.search(question):
            return Told("free_shipping_from" if free else "shipping_cost", rule)
        if len(spent) != 1:
            return Told("free_shipping_from", _say(chinese, "看订单金额：", "It depends. ") + rule, "depends")
        kept = spent[0].value >= float(amount)
        lead = _say(chinese, "是的，" if kept else "不包邮，", "Yes. " if kept else "No. ")
        return Told("free_shipping_from", lead + rule, "yes" if kept else "no")

    def _payment(self, question: str) -> Told | None:
        if "payment" not in self.values:
            return None
        chinese = is_chinese(question)
        listed = _listed([_method_name(name, chinese) for name in self.values["payment"]], chinese)
        rule = _say(chinese, f"支付方式：{listed}。", f"You can pay by: {listed}.")
        named = methods(question)
        if not named:
            # A way to pay that is not known may be one of these by another name, or a rule of its own.
            return Told("payment", rule) if _ASKS_WAYS.search(question) else None
        kept = [self.accepts(name) for name in named]
        if all(kept) or any(kept):
            verdict: Verdict = "yes" if all(kept) else "depends"
            return Told("payment", (_say(chinese, "可以。", "Yes. ") if all(kept) else "") + rule, verdict)
        return Told("payment", _say(chinese, "不可以。", "No. ") + rule, "no")

    def _pickup(self, question: str) -> Told | None:
        if "pickup" not in self.values or not _PICKUP.search(question):
            return None
        can, chinese = self.values["pickup"][0] == "true", is_chinese(question)
        if can:
            return Told(
                "pickup",
                _say(chinese, "可以到店自提。", "Yes, orders can be collected from our shop."),
                "yes",
            )
        return Told(
            "pickup", _say(chinese, "不支持自提。", "No, orders cannot be collected from our shop."), "no"
        )


_ASKS_WAYS = re.compile(
    r"\b(?:how|what|which)\b.{0,40}\b(?:pay|payments?)\b|payment (?:methods?|options?)|\bpayments?\W*$|\baccept\b|怎么付|如何付|怎么支付|支付方式|付款方式|哪些.{0,4}(?:支付|付款)|什么方式.{0,3}(?:支付|付款)",
    re.IGNORECASE,
)
_TELLERS: dict[str, Callable[[CheckedFacts, str], Told | None]] = {
    "returning": CheckedFacts._returns,
    "dispatch": CheckedFacts.times,
    "postage": CheckedFacts._postage,
    "payment": CheckedFacts._payment,
    "store": CheckedFacts._pickup,
}


def methods(text: str) -> list[str]:
    """The ways to pay that a text names."""
    found = [name for name, pattern in _METHODS.items() if pattern.search(text)]
    return [name for name in found if not (name == "cash" and "cash on delivery" in found)]


def _method_name(written: str, chinese: bool) -> str:
    """A way to pay as the shop writes it, but in the language of the question where it is known."""
    known = methods(written)
    if len(known) != 1 or is_chinese(written) == chinese:
        return written
    return _CHINESE_NAMES.get(known[0], written) if chinese else known[0]


def _accepted(name: str, known: Iterable[str]) -> bool:
    have = {each for method in known for each in (methods(method) or [method.lower()])}
    return name in have or (name == "credit card" and bool(have & {*_CARDS}))


def _say(chinese: bool, zh: str, en: str) -> str:
    return zh if chinese else en


def _listed(names: list[str], chinese: bool) -> str:
    shown = names[:MAX_LISTED]
    rest = len(names) - len(shown)
    more = [_say(chinese, f"等{len(names)}个", f"{rest} more")] if rest else []
    return ("、" if chinese else ", ").join([*shown, *more])


def _money(text: str, chinese: bool) -> str:
    amount, unit = text.split(" ")
    value = f"{float(amount):g}" if float(amount) == int(float(amount)) else f"{float(amount):.2f}"
    names = {"USD": "美元", "CNY": "元", "EUR": "欧元", "GBP": "英镑", "JPY": "日元"}
    return f"{value}{names[unit]}" if chinese and unit in names else f"{value} {unit}"
