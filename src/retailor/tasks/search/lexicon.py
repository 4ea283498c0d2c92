# ruff: noqa: E501 (word lists)
"""Words of filters that everybody uses, English and Chinese: bounds, colours, and brands by their Chinese names."""

from __future__ import annotations

CUES = {
    "most": r"at most|up to|max(?:imum)?(?: of)?|under|below|less than|cheaper than|lighter than|shorter than|smaller than|lower than|within|<=?|≤|budget(?: of| is)?|only (?:have|got|spend)|can spend|预算|低于|小于|少于|便宜于|最多|至多|轻于|短于|最高",
    "least": r"at least|min(?:imum)?(?: of)?|over|above|more than|longer than|heavier than|larger than|bigger than|higher than|starting (?:at|from)|>=?|≥|高于|大于|超过|多于|至少|最少|最低|重于|长于",
    "not": r"(?:\b(?:not|no|never|nothing|[a-z]+n['’]t)\s+(?:(?:go|be|cost)\s+)?|不(?:要|能|可|得)?|别)",
    "about": r"around|about|roughly|approx(?:imately)?\.?|大约|大概|约",
    "or less": r"or (?:less|under|below|cheaper|lighter|shorter|smaller)|and (?:under|below)|max(?:imum)?\b|以下|以内|之内|以里|封顶|内",
    "or more": r"or (?:more|over|above|higher|larger|bigger|longer|heavier)|and (?:up|above|over|more)|(?:及|或)?以上|起步|起|往上",
    "or so": r"or so|ish\b|左右|上下",
}
"""Regular expressions: 'most', 'least' and 'about' stand before a number, 'not' before the first two, which it
turns round, the others after the number."""

NUMERALS_ZH = "零一二两三四五六七八九十百千万"

_COLOURS = {
    "black": "黑", "white": "白", "red": "红 大红 酒红", "blue": "蓝 天蓝 深蓝 navy", "green": "绿 墨绿", "yellow": "黄",
    "orange": "橙 橘", "purple": "紫 violet", "pink": "粉 粉红", "grey": "灰 gray 深灰 浅灰", "brown": "棕 褐 咖啡",
    "silver": "银", "gold": "金 golden", "beige": "米 米白 cream", "turquoise": "青 teal", "transparent": "透明 clear",
}  # fmt: skip
COLOURS = {word: colour for colour, others in _COLOURS.items() for word in (colour, *others.split())}
"""A word for a colour to the colour's English name; Chinese ones without the 色 that follows them."""

BRANDS_ZH = {
    "惠普": "hp", "戴尔": "dell", "联想": "lenovo", "苹果": "apple", "三星": "samsung", "索尼": "sony", "佳能": "canon",
    "爱普生": "epson", "兄弟": "brother", "施乐": "xerox", "利盟": "lexmark", "飞利浦": "philips", "英特尔": "intel",
    "华为": "huawei", "小米": "xiaomi", "华硕": "asus", "宏碁": "acer", "微软": "microsoft", "罗技": "logitech", "金士顿": "kingston",
    "松下": "panasonic", "夏普": "sharp", "东芝": "toshiba", "富士通": "fujitsu", "理光": "ricoh", "尼康": "nikon", "博世": "bosch",
    "西门子": "siemens", "任天堂": "nintendo", "谷歌": "google", "欧莱雅": "l'oreal", "资生堂": "shiseido", "耐克": "nike",
    "阿迪达斯": "adidas", "彪马": "puma", "优衣库": "uniqlo", "雀巢": "nestle", "乐高": "lego", "美泰": "mattel", "西部数据": "western digital",
    "希捷": "seagate", "闪迪": "sandisk", "威宝": "verbatim", "雷蛇": "razer", "海信": "hisense", "海尔": "haier", "美的": "midea",
}  # fmt: skip
"""Brands that Chinese customers call by another name than their catalogues do, in lower case."""
