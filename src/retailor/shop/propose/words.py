"""What columns are called, in English and Chinese: by table and column of ours, the likeliest first.

A name before '|' is as good as certain, one after it is good, one after a second '|' says little.
"""

from __future__ import annotations

NAMES: dict[str, dict[str, str]] = {
    "items": {
        "item_id": (
            "item id, product id, product uid, item uid, goods id, article id, item, movie id, business "
            "id, book id, docid, doc id, product code, item code, product number, item number, item no, "
            "article number, prod id, parent asin, asin, 商品id, 商品编号, 商品编码, 宝贝id, 商品代码, "
            "产品编号, 产品id, 商品号, 产品编码, 物料编码, 商品标识 | sku, id, variant sku, offer id, code, "
            "handle, url handle, stock code, stock number, part number, style code, style number, "
            "商家编码, 货号, 商品货号, 款号, sku编码, 编号, 编码 | gtin, ean, isbn, upc, mpn, barcode, "
            "key, number, no, 条码"
        ),
        "title": (
            "title, product title, item title, product name, item name, name, movie title, book title, "
            "goods name, 商品名称, 宝贝标题, 商品标题, 宝贝名称, 产品名称, 标题, 名称, 品名, 商品名, "
            "产品标题, 书名 | product, item, lineitem name, article, 商品, 宝贝, 产品 | label, heading, "
            "page title, description"
        ),
        "description": (
            "description, product description, item description, long description, body html, 描述, "
            "商品描述, 宝贝描述, 商品详情, 产品描述, 产品详情, 详细描述 | body, details, detail, short "
            "description, text, summary, content, overview, bullet point, bullet points, about, 详情, "
            "简介, 卖点, 商品卖点, 介绍, 说明 | abstract"
        ),
        "brand": (
            "brand, brand name, manufacturer, vendor, product brand, item brand, maker, 品牌, 品牌名称, "
            "商品品牌, 制造商, 厂商, 生产商, 厂家 | supplier, publisher, author, artist, 供应商 | "
            "company"
        ),
        "category": (
            "category, categories, category path, category name, product category, item category, "
            "category hierarchy, product type, product class, department, genre, genres, taxonomy, main "
            "category, google product category, category list, category tree, 类目, 分类, 商品分类, "
            "商品类目, 类别, 宝贝类目, 品类, 产品分类, 产品类别, 商品类别, 一级类目, 所属分类, 叶子类目 "
            "| type, class, cat, group, category id, 店铺分类, 店铺类目, 种类 | collection, section, "
            "family, tags"
        ),
        "price": (
            "price, regular price, unit price, retail price, variant price, product price, item price, "
            "list price, selling price, current price, price amount, 价格, 售价, 单价, 商品价格, "
            "宝贝价格, 京东价, 一口价, 零售价, 销售价, 商品单价, 现价, 销售价格, 售卖价 | sale price, "
            "lineitem price, discounted price, discount price, promo price, offer price, member price, "
            "net price, gross price, msrp, rrp, 市场价, 原价, 吊牌价, 会员价, 促销价, 活动价, "
            "折扣价, 实付价, 成交价, 划线价, 到手价, 券后价, 折后价, 拼单价 | special price, "
            "amount, cost, final price"
        ),
        "currency": ("currency, price currency, currency code, currency iso, 币种, 货币, 货币单位 | |"),
        "attributes": (
            "attributes, additional attributes, specifications, specs, properties, product features, "
            "item specifics, 属性, 商品属性, 宝贝属性, 规格参数, 参数, 产品参数 | features, details, "
            "options, product specs, 规格 | parameters"
        ),
        "image": (
            "image, image url, image link, image src, image urls, images, picture, picture url, photo, "
            "thumbnail, base image, main image, 图片, 主图, 商品图片, 图片链接, 主图链接, 宝贝图片, "
            "图片地址, 商品主图, 图片url | img, img url, pic, pic url, photo url, cover, img high, 封面 "
            "| small image, additional image link"
        ),
        "language": ("language, lang, content language, 语言 | locale, product locale, language code |"),
        "in_stock": (
            "in stock, stock, stock quantity, quantity in stock, stock level, stock status, availability, "
            "inventory, inventory quantity, inventory level, variant inventory qty, stock on hand, on hand, "
            "is in stock, available quantity, units in stock, qty in stock, 库存, 库存量, 库存数量, "
            "商品库存, 可售库存, 现货数量, 有货, 是否有货, 库存状态 | "
            "available, is available, qty on hand, stock qty, 总库存, 剩余库存, 可用库存 | quantity available"
        ),
    },
    "events": {
        "user_id": (
            "user id, customer id, buyer id, client id, member id, user pseudo id, account id, userid, "
            "customer number, customer no, customer, user, buyer, customer code, visitor id, visitorid, "
            "domain userid, uid, 用户id, 用户编号, 买家id, 会员id, 客户id, 客户编号, 顾客编号, 顾客id, "
            "会员编号, 会员号, 买家会员名, 用户, 买家, 客户, 会员, 下单帐号, 下单账号, 买家账号, "
            "会员卡号, 买家昵称, 用户标识 | customer email, email, client, member, user name, username, "
            "anonymous id, reviewer id, household id, shopper id, person id, 用户名, 会员名, 昵称, "
            "买家邮箱, 手机号 | session id, session, device id, network userid, visitor, customer name, "
            "cookie id, 会话id"
        ),
        "kind": (
            "event, event name, event type, behaviour, behavior, behavior type, behaviour type, action, "
            "action type, interaction, interaction type, activity, kind, 行为, 行为类型, 事件, "
            "事件类型, 动作, 操作类型, 事件名称, 操作, 用户行为 | type, verb, event category, 类型 | "
            "name, status"
        ),
        "rating": (
            "rating, stars, star rating, score, user rating, rating value, 评分, 星级, 打分, 得分 | "
            "overall, rate | grade, value"
        ),
        "time": (
            "time, timestamp, date, datetime, event time, event timestamp, event date, created at, "
            "created, date created, order date, ordered at, order time, purchase date, purchased at, "
            "invoice date, transaction date, collector tstamp, derived tstamp, occurred at, received "
            "at, sent at, original timestamp, 时间, 日期, 下单时间, 订单创建时间, 创建时间, 购买时间, "
            "成交时间, 交易时间, 行为时间, 时间戳, 订单时间, 下单日期, 事件时间, 购买日期, 订单日期, "
            "浏览时间, 点击时间 | ts, unix time, tstamp, processed at, date added, day, placed at, "
            "completed at, visit date, 付款时间, 订单付款时间, 支付时间 | paid at, year, invoice, "
            "tstmp, event timestamp micros"
        ),
    },
    "reviews": {
        "review_id": (
            "review id, comment id, reviewid, 评价id, 评论id, 评论编号, 评价编号 | id, uuid, 编号 | no"
        ),
        "rating": (
            "rating, stars, star rating, score, review score, review rating, rating value, star, review "
            "stars, overall score, 评分, 星级, 评价星级, 打分, 得分, 评价分数, 商品评分, 描述评分, 总分, "
            "总评分, 总体评分, 综合评分 | overall, rate, "
            "points, overall rating, 分数 | grade, value"
        ),
        "label": (
            "label, sentiment, polarity, sentiment label, 情感, 情感倾向, 情感标签, 标签, 评价等级, "
            "评价类型, 评价结果, 好中差评 | class, target | category"
        ),
        "title": (
            "title, review title, headline, review headline, summary, review summary, subject, comment "
            "title, 标题, 评价标题, 评论标题 | review name, heading, short review | name"
        ),
        "text": (
            "text, review, review text, review body, body, content, review content, comment, comments, "
            "review comment, comment text, feedback, customer review, reviewtext, message, 评价, 评论, "
            "评价内容, 评论内容, 初评内容, 首评内容, 首次评价, 评论正文, 内容, 正文, 文本, 评语, "
            "点评内容, 点评, 买家评价 | opinion, sentence, remark, experience, review description, "
            "notes, 追评, 意见 | tweet, post, answer, description"
        ),
        "helpful": (
            "helpful, helpful votes, helpful count, useful, helpful vote, found helpful, votes up, "
            "upvotes, thumbs up, helpfulness, 有用, 有用数, 点赞, 点赞数, 赞, 赞数, 有用票数, 点赞量 | "
            "votes, likes, like count, useful count, helpful yes, positive feedback count, total "
            "positive feedback count | vote"
        ),
        "time": (
            "time, timestamp, date, review date, reviewed at, review time, created at, created, date "
            "created, review created date, submission time, submitted at, unix review time, date "
            "published, published at, review created at, 时间, 日期, 评价时间, 评论时间, 评价日期, "
            "评论日期, 创建时间, 发布时间, 发表时间, 点评时间 | datetime, posted, posted at, posted on, "
            "date submitted, added, created on | updated at, ts, day"
        ),
        "language": ("language, lang, review language, 语言 | locale, language code |"),
    },
    "questions": {
        "question_id": ("question id, qid, 问题id, 提问id, 问题编号, 提问编号 | id | no"),
        "question": (
            "question, question text, question body, question title, question content, customer "
            "question, 问题, 提问, 提问内容, 问题内容, 咨询内容, 买家提问, 问题描述, 咨询问题, 问 | q, "
            "inquiry, 咨询 | name, title, query, text, body, content, 内容"
        ),
        "answer": (
            "answer, answer text, accepted answer, top answer, best answer, answer content, answers, "
            "回答, 答案, 回答内容, 商家回复, 回复, 回复内容, 卖家回复, 客服回复, 答, 商家回答 | "
            "response, reply, a, seller answer, accepted answer text | text"
        ),
        "time": (
            "time, timestamp, date, question date, asked at, created at, question time, 时间, 提问时间, "
            "日期, 创建时间, 咨询时间 | created, date created, posted, answer time, 回答时间 | updated "
            "at"
        ),
        "language": ("language, lang, 语言 | locale |"),
    },
    "judgments": {
        "query": (
            "query, search query, search term, search phrase, query text, keyword, 查询, 查询词, "
            "搜索词, 关键词, 检索词 | q, term, search | text, question"
        ),
        "grade": (
            "grade, relevance, esci label, label, judgment, judgement, relevance grade, relevance "
            "label, relevance score, gain, 相关性, 相关度, 标注, 标签, 相关等级 | score, rating, final "
            "rating, class, level | value"
        ),
    },
}
"""Our table and column to the names that files have for it."""
NAMES["events"]["item_id"] = (
    NAMES["items"]["item_id"].replace("| sku, id,", "| sku, lineitem sku,").replace(", key, number, no,", ",")
)
for _table in ("reviews", "questions", "judgments"):
    NAMES[_table]["item_id"] = NAMES["events"]["item_id"]
NAMES["reviews"]["user_id"] = NAMES["events"]["user_id"] + (
    ", display name, nickname, reviewer name, author, author name, reviewer display name, reviewer"
    ", consumer name, reviewer email, author email, customer id, 评价人, 评论者, 评论人"
)

NOTHING = (
    "app id, tenant id, store id, shop id, branch id, campaign id, category id, brand id, seller id, "
    "merchant id, vendor id, event id, log id, row id, record id, message id, index, order id, order "
    "number, order no, order name, order, transaction id, invoice no, invoice number, line id, line "
    "item id, lineitem id, quantity, qty, lineitem quantity, quantity ordered, weight, length, width, "
    "height, phone, mobile, address, street, "
    "city, zip, zipcode, postcode, postal code, country, country code, province, state, region, billing "
    "name, shipping name, billing address, shipping address, company, first name, last name, full name, "
    "status, financial status, fulfillment status, order status, url, link, product url, permalink, "
    "page url, page location, url key, ip, ip address, discount, discount code, discount amount, tax, "
    "taxes, tax status, tax class, tax class name, shipping, shipping method, shipping price, subtotal, "
    "total, total price, order total, grand total, row total, total amount, payment method, cost per "
    "item, compare at price, variant compare at price, lineitem compare at price, source, published, "
    "curated, verified, verified buyer, verified purchase, featured, is featured, visibility, seo "
    "title, meta title, meta description, meta keyword, meta keywords, seo description, reply, reply "
    "date, reply text, merchant reply, average rating, rating count, review count, number of reviews, "
    "reviews count, latitude, longitude, hours, is open, open, platform, device, updated at, modified, "
    "modified at, last modified, paid at, fulfilled at, cancelled at, session number, page, page "
    "number, referrer, user agent, example id, query id, query class, split, version, small version, "
    "large version, position, rank, image position, image alt text, date sale price starts, date sale "
    "price ends, special price from date, special price to date, new from date, new to date, parent, "
    "parent id, parent sku, grouped products, upsells, cross sells, attribute set code, attribute set, "
    "website, product websites, store view code, store, shop name, note, notes, purchase note, tags, "
    "tag, funny, cool, email, reviewer photo, picture urls, review images, location, published at, user "
    "type, occupation, age, birth, received at, sent at, message id, template suffix, gift card, "
    "availability, condition, warehouse, created by, channel, campaign, coupon, currency rate, product "
    "title url, imdb id, tmdb id, tags list, metadata, stars count, views, sales, sales count, sold, "
    "订单编号, 订单号, 子订单编号, 主订单编号, 交易号, 支付单号, 数量, 购买数量, 订购数量, 商品数量, "
    "宝贝总数量, 库存, 库存数量, 收货人, 收货人姓名, 收货地址, 客户姓名, 客户地址, 联系电话, 联系手机, "
    "手机, 电话, 地址, 运费, 支付方式, 配送方式, 运送方式, 物流单号, 物流公司, 备注, 订单备注, "
    "买家留言, 卖家备注, 商家备注, 状态, 订单状态, 退款状态, 退款金额, 订单金额, 结算金额, 余额支付, "
    "应付金额, 实付金额, 买家应付货款, 买家实际支付金额, 买家实付金额, 总金额, 总价, 合计, 优惠金额, "
    "折扣, 成本价, 店铺, 店铺名称, 店铺id, 省, 市, 省份, 城市, 国家, 重量, 长度, 宽度, 高度, 链接, "
    "商品链接, 上架时间, 下架时间, 发货时间, 确认收货时间, 修改时间, 更新时间, 外部系统编号, 套餐信息, "
    "联系方式备注, 买家支付宝账号, 宝贝种类, 订单类型, 发票, 发票抬头, 邮编, 订单关闭原因, 销量, "
    "月销量, 评价数, 评论数, 浏览量, 访客数, 收藏数, 序号, 追评时间, 回复时间, 是否匿名, "
    "是否上传合同照片, 平台, 渠道, 设备, 图片评价, 晒图, 解释内容, 手机订单, 页码"
)
"""What no table of ours has a column for."""

ORDERS = (
    "order id, order number, order no, order status, quantity, qty, lineitem quantity, payment method, "
    "financial status, fulfillment status, shipping method, invoice no, invoice number, transaction id, "
    "order item id, basket id, 订单编号, 订单号, 主订单编号, 购买数量, 订购数量, 订单状态, 支付方式, "
    "收货人, 应付金额, 实付金额"
)
"""Columns that only orders have."""

DETAILS = {
    "color": ("color, colour, color name, product color, 颜色, 颜色分类"),
    "size": ("size, size name, 尺码, 尺寸, 大小"),
    "material": ("material, fabric, 材质, 面料, 材料"),
    "gender": ("gender, sex, target gender, 性别, 适用性别"),
    "age group": ("age group, 适用年龄"),
    "style": ("style, 风格, 款式"),
    "pattern": ("pattern, 图案, 花型"),
    "season": ("season, 季节, 适用季节"),
    "model": ("model, model number, model name, 型号"),
    "condition": ("condition, 成色, 新旧程度"),
    "flavour": ("flavour, flavor, scent, 口味, 香型"),
    "year": ("release year, year, 年份"),
    "origin": ("origin, country of origin, made in, 产地"),
}
"""Columns of a catalogue that are details of an item, by the name of the detail."""

KINDS = {
    "view": (
        "view, pv, click, clk, views, page view, pageview, product viewed, view item, viewed, detail, "
        "product view, browse, product detail, product clicked, impression click, detail view, 浏览, "
        "点击, 查看, 访问, 浏览商品, 点击商品"
    ),
    "cart": (
        "cart, add to cart, addtocart, add cart, product added, basket, add to basket, added to cart, "
        "add, 加购, 加入购物车, 加购物车, 购物车"
    ),
    "buy": (
        "buy, purchase, purchased, order, transaction, order completed, checkout completed, bought, "
        "pay, sale, paid, ordered, 购买, 下单, 支付, 成交, 付款, 已购买"
    ),
    "favourite": (
        "fav, favourite, favorite, wishlist, add to wishlist, like, collect, product added to wishlist, "
        "save, bookmark, 收藏, 加收藏, 喜欢, 关注, 点赞"
    ),
    "rate": ("rate, rating, review, 评分, 评价"),
}
"""Our kinds of events to the words that logs have for them."""

LABELS = {
    "positive": ("positive, pos, good, 好评, 正面, 积极, 正, 正向, 满意"),
    "neutral": ("neutral, neu, 中评, 中性, 一般, 中立"),
    "negative": ("negative, neg, bad, 差评, 负面, 消极, 负, 负向, 不满意"),
}

LABEL_NUMBERS = (
    ("0", "1"), ("-1", "1"), ("1", "2"), ("0", "4"), ("-1", "0", "1"), ("0", "1", "2"), ("1", "2", "3"),
    ("0", "2", "4"),
)  # fmt: skip
"""Numbers that data sets write for labels, the worst first; of three the middle one is neutral."""

GRADES = {
    "exact": 3,
    "e": 3,
    "substitute": 2,
    "s": 2,
    "partial": 1,
    "complement": 1,
    "c": 1,
    "irrelevant": 0,
    "i": 0,
    "perfect": 4,
    "excellent": 3,
    "good": 2,
    "fair": 1,
    "bad": 0,
    "highly relevant": 3,
    "relevant": 2,
    "somewhat relevant": 1,
    "not relevant": 0,
    "非常相关": 3,
    "相关": 2,
    "部分相关": 1,
    "弱相关": 1,
    "不相关": 0,
    "无关": 0,
}
"""Words for how well an item fits a query, to our grade."""
