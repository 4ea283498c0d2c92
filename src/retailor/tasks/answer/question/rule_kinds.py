# ruff: noqa: E501 (a kind a line)
"""Kinds of questions that only the shop itself can answer: its rules, as customers ask for them in two languages.

The rows continue the table of `kinds`: name | sort | how it is asked | how it is told | dimensions | kinds it
is asked over.
"""

from __future__ import annotations

from typing import Literal

_TIMES = r"how (?:long|fast|soon|quick(?:ly)?|many (?:days|weeks))|when\b|by when"
_SHIP = r"(?:ship|deliver|dispatch|mail|post)"
_PAYMENT = (
    r"\bpay(?:ing|able)?\b|payments?|pay ?pal|credit cards?|\bvisa\b|mastercard|amex|apple pay|google pay|alipay|wechat pay|klarna|instal?lments?|"
    r"cash on delivery|\bin cash\b|bank transfer|bitcoins?|付款|支付|花呗|分期|信用卡|货到付款|支付宝|微信(?:付|支付)|银联|转账|现金"
)

RULES: tuple[tuple[str, Literal["rule"], str, str, str, str], ...] = (
    ("returning", "rule", r"\breturn(?:s|ed|ing|able)?\b(?! (?:air|duct|hose|line|pipe|spring|key|valve|to (?:its|the) ))|refund\w*|money back|(?:send|bring|give|take) (?:it|this|them|that|something|things|goods|an? \w+) back|sent? back|\bexchange\b|exchanged|退货|退款|[能可]以?不?[能可]?以?[退换](?!色|挡|季)|可退|换货|退吗|退换|无理由|怎么退|退[回掉]|包退|七天|退货期", r"\breturn(?!s? to\b)|refund|money back|send back|sent? (?:it |them )?back|send it back|exchange|可退|可以.{0,8}退|退货|退款|退换|换货|无理由", "", "time size packing"),
    ("dispatch", "rule", rf"(?:{_TIMES}).{{0,40}}\b(?:{_SHIP}(?:s|ed|ped|ping|ing)?|delivery|shipping|arrives?|get here|get it|receive|sent|reach me|come)\b|(?:delivery|shipping) (?:times?|dates?)|\b(?:{_SHIP}|arrive|get (?:it|here)|have it|come).{{0,24}}\b(?:by|before|within|in time|tomorrow|today|same day|next day|overnight|\d+ (?:working )?days)|(?:same|next).day (?:delivery|shipping)|express (?:delivery|shipping)|几天.{{0,6}}(?:到|发货|收到|送达)|多久.{{0,6}}(?:能?到|发货|收到|送达)|多长时间.{{0,6}}(?:到|发货|收到)|(?:什么时候|啥时候|何时).{{0,5}}(?:发货|到货|送|收到|能到)|发货时间|配送时间|下单后|次日达|当天(?:发|到)|[天周]内.{{0,4}}(?:到|发货|收到)|明天.{{0,4}}(?:到|收到)", r"ships? (?:with)?in|shipped (?:with)?in|dispatch|deliver(?:y|ed|s)? (?:within|in|takes|time)|leaves?\b.{0,40}\bdays|arrives? (?:with)?in\b|(?:working|business) days|发货|送达|工作日|配送时间", "", "time size speed delivery packing colour people"),
    ("tracking", "rule", r"\btrack(?:ing|ed)?\b.{0,20}\b(?:order|parcel|number|package|shipment|delivery)|\btrack (?:it|my)|where is my (?:order|parcel|package)|快递单号|物流(?:单号|信息)|查.{0,3}(?:物流|快递)|用什么快递|哪家快递|发什么快递|which (?:carrier|courier)", r"\btrack(?:ing|ed)?\b|carrier|courier|快递单号|物流单号|快递公司", "", "delivery dispatch"),
    ("postage", "rule", r"(?:shipping|delivery|postage)\b.{0,30}\b(?:costs?|fees?|free|charges?|prices?)\b|(?:\bcosts?|how much|charges?|free)\b.{0,30}\b(?:ship(?:ping)?|deliver(?:y)?|postage|send)\b|\bpostage\b|运费|邮费|包邮|快递费|免邮|免运", r"(?:shipping|delivery|postage)\b.{0,20}(?:cost|fee|free|charge)|(?:cost|free|charge).{0,20}(?:shipping|delivery|postage)|postage|what it costs|运费|邮费|包邮|免邮", "", "price delivery"),
    ("destination", "rule", rf"\b{_SHIP}(?:s|ed|ped|ping|ing)?\b(?: it| this| that| them| these| one| items?| orders?| goods| also)? (?:to|abroad|international\w*|overseas|worldwide|outside|anywhere|everywhere|in(?!to| an?\b|side| \d| (?:the|its|their|one|two|time|plain|original|bulk)\b)\b)|\bsend (?:it|this|them|that|one|items?|orders?|goods|parcels?)? ?(?:to|abroad|international\w*|overseas)\b|(?:shipping|delivery|deliveries|shipments?) (?:to|abroad|outside|overseas|available|possible|area|countr\w+)|international (?:shipping|delivery|orders?|shipment)|\border (?:it |this |one |them )?(?:from|to|in) (?!you|your|the same)|(?:which|what) countr\w+.{{0,30}}\b(?:{_SHIP}|send)|where (?:do|can|will) you (?:{_SHIP}|send)|[发寄送邮运](?:货|快递)?[往到去].{{1,8}}|[能可][以]?[^，。？?]{{0,8}}[寄邮](?!票|费|编)|寄[得不]?[了到往去]|[发寄邮].{{0,2}}(?:海外|国外|国际)|海外.{{0,6}}(?:买|发|寄|配送|下单)|国外.{{0,6}}(?:买|发|寄|收)|国际(?:配送|快递|运输|物流)|哪些(?:国家|地区)|配送(?:范围|地区|区域)", r"(?:ship|deliver)s? (?:to|international|worldwide|only|within)|where we deliver|worldwide|international(?:ly)?\b|海外|国际|寄到|寄往|配送范围|配送至|配送到", "", "people"),
    ("customs", "rule", r"\bcustoms\b|import (?:dut|tax|fee)\w*|\bdut(?:y|ies)\b|关税|清关|进口税|海关", r"\bcustoms\b|\bdut(?:y|ies)\b|import tax|关税|清关|海关", "", "price origin postage payment"),
    ("payment", "rule", _PAYMENT, _PAYMENT, "", "price dispatch time"),
    ("discount", "rule", r"vouchers?|coupons?|discounts?\b|promo(?:tion)? codes?|student discount|on sale\b|优惠|打折|折扣|[用领有]券|券|满减|活动价", r"vouchers?|coupons?|discounts?|promo|优惠|打折|折扣|券", "", "price payment"),
    ("matching", "rule", r"price.?match\w*|match (?:the|a|another) price|price guarantee|保价|价保|比价", r"price.?match|price guarantee|保价|价保", "", "price guarantee"),
    ("cancelling", "rule", r"(?<!noise[ -])(?<!echo[ -])\bcancel\w*|(?:change|edit|modify|amend)\b.{0,16}\b(?:order|address)|取消订单|改(?:订单|地址)|修改.{0,4}(?:订单|地址)|取消.{0,4}(?:吗|单)", r"cancel|change.{0,16}\border|取消|修改", "", "returning"),
    ("damaged", "rule", r"(?:arriv|deliver|came|come|get|receiv)\w*.{0,24}\b(?:damaged|broken|defective|faulty|wrong|crushed|missing)|(?:damaged|broken|wrong|missing).{0,20}\b(?:on arrival|item|parcel|product|part)|what if (?:it|something|the \w+).{0,16}\b(?:broken|damaged|wrong|missing|lost)|(?:收到|到货|快递).{0,8}(?:坏|破|损|碎|错|少)|(?:坏|破|损|碎|发错|少发).{0,6}(?:怎么办|赔|补)", r"damaged|broken|defective|faulty|wrong item|损坏|破损|坏了|有问题|发错", "", "durability packing"),
    ("lost", "rule", r"\b(?:never|not|n't|hasn't|still no\w*)\b.{0,24}\b(?:arriv\w+|turned up|come yet|received? (?:it|my|the|anything))|(?:parcel|package|order|delivery)\b.{0,24}\b(?:lost|stolen|missing|disappeared|gone)|(?:lost|stole|stolen)\b.{0,16}\b(?:parcel|package|order|post|mail|transit)|(?:没|未)(?:有)?收到|一直没到|丢件|(?:包裹|快递|货).{0,4}(?:丢|被偷|不见)", r"\blost\b|stolen|not arriv|never arriv|丢失|遗失|丢件|没收到|未收到", "", "damaged dispatch durability"),
    ("invoice", "rule", r"invoices?\b|receipts?\b|\bvat\b|发票|收据|开票", r"invoice|receipt|\bvat\b|发票|收据|开票", "", "payment"),
    ("contact", "rule", r"\b(?:contact|reach|call|e-?mail|phone|talk to|speak (?:to|with)) (?:you|the (?:shop|store|seller)|customer (?:service|support)|support|someone|a human|a person)\b|(?:phone|telephone) number|your e-?mail|联系(?:你们|客服|卖家|方式)|客服(?:电话|邮箱|在哪)|人工客服|转人工|你们电话", r"contact|e-?mail|phone|@|write to|reaching us|联系|电话|邮箱|邮件", "", "service battery"),
    ("store", "rule", r"\b(?:your |the |a |any )?(?:stores?|shops?|showroom)\b.{0,20}\b(?:open|hours|located|address|visit)|opening hours|\bare you (?:guys )?open\b|when do you (?:open|close)|pick (?:it |this |them |my order |the order )?up\b|(?:in.store |store )?pick.?up\b|collect (?:it|this|them|my order|in (?:store|person))|click (?:and|&) collect|(?:can|could|may) (?:i|we) (?:visit|come to|try (?:it|this) in)|physical (?:store|shop)|门店|实体店|线下店|营业|自提|自取", r"opening hours|pick.?up|collect|(?:store|shop)s?\b.{0,16}open|showroom|门店|实体店|营业|自提", "", "opened"),
    ("gifting", "rule", r"gift.?wrap\w*|wrap(?:ped|ping)? (?:it )?as a (?:gift|present)|gift (?:message|note|card with)|礼品包装|包装成礼物|代写贺卡|贺卡", r"gift.?wrap|gift (?:message|note)|礼品包装|贺卡", "", "packing"),
    ("stock", "rule", r"in stock|restock\w*|sold out|discontinued|有货|现货|库存|补货|缺货|停产", r"in stock|restock|sold out|discontinued|现货|有货|库存", "", ""),
    ("sales", "rule", r"how many.{0,24}\b(?:sold|sell)\b|卖了多少|销量", r"\bsold\b|卖了|销量", "", ""),
)  # fmt: skip
"""'stock' and 'sales' are of an item: its page tells them, customers do not."""
