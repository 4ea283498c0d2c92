"""The demo shop's own rules, in both languages, as a shop keeps them: pages and a file of checked facts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl

from retailor.shop.facts import FACTS_FILE, facts_table
from retailor.shop.rules import cut

FACTS = """\
# What no answer may contradict.
ships_to = ["EU", "United Kingdom", "United States", "Canada", "China", "Singapore"]
return_days = 30
dispatch_days = [1, 2]
delivery_days = [2, 6]
free_shipping_from = "60 USD"
shipping_cost = "4.90 USD"
payment = ["Visa", "Mastercard", "PayPal", "Alipay", "WeChat Pay", "bank transfer"]
pickup = false
"""

PAGES = {
    "delivery.en.md": """\
# Delivery

## Where we deliver
We deliver to the European Union, the United Kingdom, the United States, Canada, China and Singapore.
We cannot deliver to post office boxes or to military addresses.

## How long it takes
Orders leave our warehouse within 1 to 2 working days and arrive 2 to 6 working days after that.
You get an e-mail with a tracking number as soon as the parcel has left.

## What it costs
| order | delivery |
|---|---|
| under 60 USD | 4.90 USD |
| from 60 USD | free |

Customs and import duties outside the European Union are paid by the customer.
""",
    "returns.en.md": """\
# Returns and refunds

## How long you have
You can send back any unused product within 30 days of delivery, without giving a reason.

## How it works
Write to service@example.com for a return label. Returns are free within the European Union; from
elsewhere the customer pays the postage. The refund is made within 14 days to the card or account that you
paid with.

## What cannot be returned
Opened cosmetics, and goods made to order, cannot be returned.

## Damaged on arrival
If something arrives damaged, send us a photo within 7 days: we replace it or refund it.
""",
    "payment.en.html": """\
<html><head><title>Payment</title></head><body>
<nav><a href="/">Home</a> <a href="/sale">Sale</a></nav>
<h1>Payment</h1>
<p>You can pay by Visa, Mastercard, PayPal, Alipay, WeChat Pay or bank transfer.</p>
<h2>Invoices</h2>
<p>Every order comes with an invoice as a PDF. A company enters its VAT number at checkout.</p>
<h2>Vouchers</h2>
<p>One voucher can be used for each order; vouchers cannot be paid out.</p>
</body></html>
""",
    "warranty.en.md": """\
# Warranty and orders

**Warranty**

Where a product page names no other period, we repair or replace faulty goods for 24 months.

**Changing or cancelling an order**

An order can be changed or cancelled until it has left the warehouse.

**Reaching us**

Write to service@example.com; we answer on working days within 24 hours.
""",
    "delivery.zh.md": """\
# 配送

## 配送范围
我们可以寄到欧盟、英国、美国、加拿大、中国和新加坡。不支持邮政信箱和军邮地址。

## 配送时间
下单后1至2个工作日内发货，发货后2至6个工作日送达。包裹发出后会用邮件发送快递单号。

## 运费
订单满60美元包邮，不满60美元运费4.90美元。欧盟以外的关税由顾客承担。
""",
    "returns.zh.md": """\
# 退换货

## 退货期限
未使用的商品在收到后30天内可以无理由退货。

## 退货流程
写邮件到service@example.com领取退货单。欧盟境内退货免运费，其他地区由顾客承担运费。退款会在14天内原路退回。

## 不能退货的商品
已拆封的化妆品和定制商品不能退货。

## 收到时已损坏
如果收到时已经损坏，请在7天内发照片给我们，我们会换货或退款。
""",
    "payment.zh.html": """\
<h1>支付</h1>
<p>可以用Visa、Mastercard、PayPal、支付宝、微信支付或银行转账付款。</p>
<h2>发票</h2>
<p>每个订单都附有PDF发票。需要公司发票的，请在结账时填写税号。</p>
""",
    "warranty.zh.md": """\
# 质保与订单

## 质保
商品页面没有另外注明的，有问题的商品24个月内免费维修或更换。

## 修改或取消订单
订单在发出之前可以修改或取消。
""",
}


def rules() -> pl.DataFrame:
    """The table `rules` of the demo shop."""
    return cut(PAGES)


def facts() -> pl.DataFrame:
    """Its table `facts`."""
    return facts_table(tomllib.loads(FACTS))


def write_rules(folder: Path) -> None:
    """Writes the pages and the checked facts as a shop would keep them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**PAGES, FACTS_FILE: FACTS}.items():
        (folder / name).write_text(text, encoding="utf-8")
