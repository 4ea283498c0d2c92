# ruff: noqa: E501 (a kind a line)
"""What a question asks for and what a passage tells: the kinds of things that shops are asked about.

A hand-written table, the same for every shop: how customers ask for a kind in English and Chinese, how a
passage that tells it reads, and what a number of that kind is measured in. It stands between a question and
an answer of another kind: a guarantee of two years does not say how long a battery lasts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from retailor.retrieval.tokens import UNITS, content_words, words
from retailor.scripts import HAN
from retailor.tasks.answer.question.rule_kinds import RULES
from retailor.text.quantities import parse_quantities

Sort = Literal["fact", "word", "opinion", "rule"]
"""'fact': told by a passage of the kind. 'word': told by a passage that has the very word. 'opinion': as well
told in words that no table knows. 'rule': of the shop; what a customer lived through does not tell it."""


@dataclass(frozen=True)
class Kind:
    """A kind of thing asked for: how it is asked, how it is told, the dimensions of its quantities."""

    name: str
    sort: Sort
    asks: re.Pattern[str]
    tells: re.Pattern[str]
    dimensions: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    """Kinds that a question for this one is not for, though it has their words."""


_MATERIALS_EN = (
    r"\b(?:leather|cotton|wood(?:en)?|plastics?|metal|steel|silicone|rubber|nylon|polyester|wool|silk|linen|glass|"
    r"alumin(?:i)?um|bamboo|ceramic|copper|brass|titanium|vinyl|paper|cardboard|foam|velvet|denim)\b"
)
_MATERIALS_ZH = "真皮|牛皮|皮革|塑料|木头|实木|木制|玻璃|硅胶|金属|不锈钢|陶瓷|纯棉|含棉|羊毛|丝绸|尼龙|涤纶|橡胶|亚克力|钛合金|铝合金"
_COLOURS_EN = r"\b(?:black|white|red|blue|green|yellow|pink|gr[ea]y|brown|purple|orange|beige|navy|silver|golden|ivory|turquoise)\b"
_COLOURS_ZH = "[黑白红蓝绿黄粉灰紫棕橙金银青]色"
_FEATURES = (
    r"\b(?:wi-?fi|bluetooth|gps|nfc|hdmi|ethernet|cameras?|screens?|display|resolution|pixels?|alarms?|timers?|remote|"
    r"zippers?|pockets?|lids?|handles?|hood|straps?|pillow|magnet\w*|headphone jack|touch ?screen|calories|protein|"
    r"caffeine|sugar|gluten|lactose|vegan|vegetarian|organic|halal|kosher|alcohol)\b|"
    r"\b[45]g\b|蓝牙|无线网|wifi|摄像头|屏幕|分辨率|像素|遥控|定时|口袋|拉链|盖子|手柄|把手|蛋白质|热量|咖啡因|麸质|酒精|纯素|有机|清真"
)

# name | sort | how it is asked | how it is told | dimensions | kinds it is asked over
_TABLE: tuple[tuple[str, Sort, str, str, str, str], ...] = (
    # measures
    ("weight", "fact", r"\bweigh\w*|\bwi?ei?ghts?\b|\bwiegh\w*|\bhow (?:heavy|light)\b|\bheavier\b|\blighter\b|\btoo heavy\b|is (?:it|this) heavy|how many (?:kgs?|kilos?|kilograms?|grams?|pounds?|lbs?|(?:ounces?|oz) (?:is|are))\b|多重|重量|几斤|多少斤|多少克|多少公斤|(?<![严贵年慎隆尊低音深减味道口])[重轻沉](?:不[重轻沉]|[吗么])|多沉|毛重|[轻重]一[些点]|更[轻重]", r"weigh|heavy|light(?:weight)?\b|重|轻|沉", "mass", ""),
    ("load", "fact", r"\bheaviest\b|max(?:imum)?\.? (?:load|weight|user)|weight (?:limit|capacity|rating)|how (?:much|heavy|many (?:kg|kilos|pounds|lbs)).{0,30}\b(?:bear|hold up|support|carry|lift)|how heavy (?:may|can|could|should).{0,30}\bbe\b|承重|载重|限重|最重|能承受|撑得住|多重的|多胖", r"\bloads?\b|\bbears?\b|weight (?:limit|capacity)|\bsupports?\b|holds? up to|承重|载重|限重|承受", "mass", "weight age"),
    ("content", "fact", r"how much.{0,30} (?:is|comes|are) in\b|net (?:weight|contents?|wt)|how much .{0,20}\bin (?:one|a|an|each|every) \w+|净含量|净重|一[袋瓶盒支管罐包桶]\D{0,4}(?:多少|几)|分量", r"\bnet\b|contents?\b|volume|净含量|净重|容量", "mass volume", "weight volume price"),
    ("volume", "fact", r"capacity|\bvolume\b|how much .{0,24}(?:fit|hold|contain|take)s?\b|holds? (?:more|most|less)|how many (?:lit(?:er|re)s|ml|gallons?|ounces|oz|cups)\b|how much (?:milk|water|liquid|coffee|tea|space|room)|roomy|容量|装多少|能装|装得下|多少升|几升|多少毫升|容积", r"capacity|volume|\bholds?\b|lit(?:er|re)s?\b|容量|容积|净含量|升", "volume", "price"),
    ("memory", "fact", r"how much (?:storage|memory)|storage capacity|\bram\b|how many (?:gb|gigs?)|内存|存储|几个?g\b", r"storage|memory|\bram\b|[gmt]b\b|内存|存储", "memory", ""),
    ("size", "fact", r"\bhow (?:big|large|small|tall|high|wide|deep|thick)\b|what(?:'s| is)? (?:the )?size|\bsizes?\b|dimensions?|measure(?:s|ments?)?\b|diameter|\blength\b|\bwidth\b|\bheight\b|\bdepth\b|thickness|\bhow long (?:is|are)\b|how many (?:cm|inches|feet|met(?:er|re)s)|多大|多长(?!时间)|多高|多宽|多深|多厚|多粗|尺寸|大小|长度|宽度|高度|直径|占地|占多大", r"\bsize|dimension|length|width|height|depth|diameter|thickness|measures?\b|\b(?:long|wide|tall|thick)\b|尺寸|[长宽高厚]|直径|大小", "length", ""),
    ("power", "fact", r"\bwatts?\b|wattage|how (?:powerful|strong)\b.{0,20}(?:motor|engine|it\b|blender|speaker|vacuum|drill)?|\bpower (?:rating|output|consumption)|what(?:'s| is) the power\b|功率|多少瓦|几瓦", r"\bpower\b|\bwatts?\b|\boutput\b|功率|瓦", "power", "size"),
    ("voltage", "fact", r"\bvolt(?:s|age)?\b|\b(?:110|120|220|230|240) ?v\b|电压|多少伏|几伏", r"volt|电压|伏", "voltage", "size power"),
    ("brightness", "fact", r"how bright|\blumens\b|brightness|多亮|亮度|流明|亮不亮", r"lumen|bright|亮|流明", "brightness", "size"),
    ("frequency", "fact", r"\b[gmk]?hz\b|frequency|refresh rate|频率|赫兹|刷新率", r"hz\b|frequency|refresh rate|频率|赫兹|刷新率", "frequency", "size"),
    ("range", "fact", r"how far\b|what(?:'s| is) the range|\brange\b.{0,12}\?|reach(?:es)?\b.{0,12}\bfar|signal\b.{0,24}\b(?:reach|cover|far)|(?:reach|cover)(?:es|s)?\b.{0,12}\d+ ?(?:m|met(?:er|re)s?|feet|ft|yards?)\b|多远|距离|范围|覆盖", r"\brange\b|distance|reach|距离|范围|远", "length", "size"),
    ("temperature", "fact", r"temperatures?|how (?:hot|cold|warm)\b|degrees|celsius|fahrenheit|温度|多少度|几度|多冷|多热|零下|耐热|耐温|耐高温", r"temperature|degrees|°|℃|温|度", "temperature", "size"),
    ("speed", "fact", r"how fast\b|\bspeeds?\b|\brpm\b|\bmph\b|km/h|多快|速度|转速|几转|几速", r"speed|\brpm\b|\bmph\b|km/h|速|转", "", ""),
    # time
    ("guarantee", "fact", r"warrant\w*|guarante\w*|保修|质保|保固|三包|联保", r"warrant|guarante|保修|质保|保固|联保", "time", "size time age"),
    ("opened", "fact", r"(?:after|once|when|since).{0,14}\bopen(?:ed|ing)?\b|开封|打开(?:以|之)?后|开盖后", r"\bopen(?:ed|ing)?\b|开封|开盖", "time", "size time shelf lasting"),
    ("shelf", "fact", r"\bexpir\w*|shelf.life|best.before|use.by\b|go (?:bad|off|stale)|保质期|过期|有效期|保存多久|能放多久", r"expir|shelf.life|best.before|use.by|保质期|过期|有效期|开封后", "time", "size time"),
    ("running", "fact", r"(?:batter(?:y|ies)|charge)\b.{0,30}\b(?:last|life|long|hours?|enough)|how (?:long|many hours).{0,40}\b(?:batter\w*|charge|play(?:back)?|run(?:s|time)?)\b|battery.life|play.?time|run.?time|续航|充.{0,4}电.{0,8}(?:用|放|玩|播|撑|听)|电.{0,3}够|电池.{0,4}(?:用|耐)|几个?小时|待机", r"(?:charge|battery).{0,30}(?:last|hours?|days?|life|dead|hold)|(?:last|play|run)s? .{0,12}hours?|battery|charge|续航|充电|没电|有电|电池", "time", "size charging batteries lasting"),
    ("charging", "fact", r"how (?:long|fast|quickly).{0,30}\b(?:re)?charg(?:e|ing)\b(?! last)|charging (?:ports?|cables?|time)|which port|\busb|charge[sd]? (?:through|via|with|by)|充电口|接口|充满|充多久|怎么充|type-?c", r"\busb|type-?c|\bports?\b|charg(?:es|ing|er|e time)|接口|充电|充满", "", "size time"),
    ("boiling", "fact", r"\bboil(?:s|ing)?\b|烧开|烧水|煮沸", r"boil|烧开|烧水|水就开|沸", "", "size time"),
    ("age", "fact", r"what age|\bhow old\b|\bage (?:range|group|limit)|\bages?\b|(?:month|year)s?.old\b|newborns?\b|几岁|多大的?(?:宝宝|孩子|小孩|婴儿|猫|狗|可以|能)|几个月(?:大|的|可以|能)|年龄|适合多大|岁", r"\bage[sd]?\b|years?\b(?!.{0,6}(?:warrant|guarant))|\bmonths?\b|\bmos\b|toddler|newborn|adults?\b|weeks? of age|年龄|个月|岁|新生儿|周龄", "", "size"),
    ("year", "fact", r"what year|which year|when was (?:it|this)|release date|哪一?年|什么时候(?:出|上市)", r"\b(?:19|20)\d\d\b|\d年", "", ""),
    ("time", "fact", r"\bhow (?:long|quickly|soon|many (?:hours|minutes|days|weeks|months))\b(?! (?:is|are)\b)|how long (?:is|are) (?:the )?(?:wait|cycle|movie|film|video|course)|多久|多长时间|几分钟|几天|多少天", r"\btime\b|hours?|minutes?|\bmins?\b|seconds?|days?|weeks?|months?|时间|小时|分钟|天|周|月|秒", "time", "size"),
    # what it is
    ("material", "fact", rf"materials?\b|\bmade (?:of|from|out of|with)\b|what.{{0,14}}\bmade\b(?! in)|fabric|{_MATERIALS_EN}|材质|材料|面料|什么做|做的|用料|料子|什么布|{_MATERIALS_ZH}", rf"material|made (?:of|from)|fabric|{_MATERIALS_EN}|材质|材料|面料|[木棉钢铁铝铜皮竹]|{_MATERIALS_ZH}", "", "origin"),
    ("colour", "fact", rf"colou?rs?\b|\bshades?\b|\bhue\b|颜色|哪种色|什么色|色号|\b(?:is|are|in|have|this|comes?) (?:(?:it|they|this|that|a|the|in|also|available|really) ){{0,3}}{_COLOURS_EN}|{_COLOURS_ZH}", rf"colou?r|shade|颜色|{_COLOURS_EN}|{_COLOURS_ZH}", "", ""),
    ("origin", "fact", r"where.{0,24}\b(?:made|manufactured|produced|from|built)\b|made in\b|country of origin|产地|哪.{0,3}(?:产|制造)|在哪.{0,4}(?:生产|产|造|做)|哪国|国产|进口", r"made in|origin|manufactured|imported|产自|产地|制造|国产|进口|生产", "", "material"),
    ("brand", "fact", r"\bbrand\b|who (?:makes|made|manufactures|produces)|manufacturer|品牌|牌子|厂家|谁家", r"brand|manufacturer|\bby\b|品牌|厂家|制造商", "", "material"),
    ("model", "fact", r"model (?:number|no\b|name)|(?:which|what)(?:'s| is)?(?: the)? model|model\?|part number|型号|货号|款号", r"\bmodel|part number|型号|货号", "", "time"),
    ("price", "fact", r"\bprices?\b|\bcosts?\b|how much (?:is|are) (?:it|this|that|they|these|the)\b|how much (?:does|do) (?:it|this|that|they) (?:go|sell) for|多少钱|多少(?:元|块|美元|美金|欧元|人民币)|价格|价钱|售价|怎么卖", r"\bprices?\b|\bcosts?\b|[$€£¥]|价格|售价|元", "money", ""),
    ("author", "fact", r"\bauthors?\b|who (?:wrote|writes)|作者|谁写", r"author|written by|作者|著", "", ""),
    ("people", "fact", r"how many (?:people|persons|adults|kids|children|guests|men)|(?:two|three|four|five|six|\d) (?:adults|people|persons|men)|几个?人|多少人|人数|[一二两三四五六\d]个?人", r"\b(?:people|persons?|adults|sleeps)\b|places|seats|人", "people", "age size"),
    ("protection", "fact", r"\bspf\b|sun protection|protection factor|防晒指数|防晒系数|防晒值", r"\bspf\b|protection factor|防晒指数|防晒系数", "", "size"),
    ("standard", "fact", r"(?:safety|which|what) (?:\w+ )?standards?\b|certif\w*|\bnorms?\b|标准|认证|质检", r"standard|certif|\ben ?\d|\bce\b|标准|认证|\bgb\b", "", ""),
    ("clothes", "fact", r"true to size|runs? (?:small|large|big|tight)|size up|sizing|\bwaist\b|sleeves?\b|inseam|尺码|码数|腰围|袖长|合身|偏[大小]", r"true to size|runs? (?:small|large)|sizing|waist|sleeve|尺码|码|腰围|合身|偏[大小]", "", "size"),
    ("device", "fact", r"(?:laptop|tablet|phone|monitor|macbook|ipad|iphone|notebook)s?\b.{0,16}\b(?:sizes?|inch|fit)|(?:sizes?|inch).{0,16}\b(?:laptop|tablet|phone|notebook)|[电脑机]\S{0,4}寸|几寸的?电脑", r"laptop|tablet|phone|notebook|macbook|ipad|电脑|手机|寸", "", "size volume"),
    ("batteries", "fact", r"(?:what|which|how many)\b.{0,16}\bbatter(?:y|ies)|batter(?:y|ies) (?:included|needed|required)|(?:need|takes?|uses?)\b.{0,12}\bbatter|什么电池|几号电池|带电池|用电池|几节", r"batter(?:y|ies).{0,12}(?:includ|requir|type)|\baaa?\b|lithium|cr20\d\d|batteries|号电池|锂电|电池类型", "", ""),
    # use
    ("dishwasher", "word", r"dish.?washer|洗碗机", r"dish.?washer|洗碗机", "", "cleaning machine"),
    ("machine", "word", r"washing machine|machine.wash\w*|washable|\btumble|机洗|洗衣机|水洗", r"machine.wash|washable|washing machine|hand.wash|机洗|洗衣机|水洗|手洗", "", "cleaning"),
    ("toxic", "fact", r"toxic|poison\w*|\bbpa\b|harmful|phthalate\w*|有毒|中毒|毒|双酚|甲醛|有害", r"toxic|poison|\bbpa\b|harm|phthalate|lead.free|毒|双酚|甲醛|有害", "", "liking safe"),
    ("tests", "fact", r"test\w*.{0,12}\banimals?|animals?.{0,12}\btest|cruelty|动物.{0,6}实验|实验.{0,6}动物|零残忍", r"\banimals?\b|cruelty|动物", "", ""),
    ("water", "opinion", r"water.?(?:proof|resist\w*|tight)|\bleak\w*|\brain\w*|\bget wet|splash|swim|shower|submer|downpour|(?:stay|keep|kept|remain)\w*\b.{0,24}\bdry\b|防水|下雨|大雨|淋|沾水|进水|漏水|会?湿", r"water|rain|splash|leak|\bdry\b|soak|\bwet\b|ipx|drizzle|storm|防水|雨|渗|漏|湿|防泼|水珠", "", ""),
    ("assembly", "opinion", r"assembl\w*|\bset.?up\b|\binstall\w*|put (?:it )?together|\bpitch\b|安装|组装|搭(?!配)|好装", r"assembl|set.?up|install|pitch|goes up|put together|安装|组装|搭", "", "size"),
    ("wireless", "fact", r"\bwireless(?:ly)?\b|\bcordless\b|cable.?free|need (?:a |any )?(?:cable|cord|wire)s?\b|无线(?!网)", r"wireless|cordless|bluetooth|\bwired?\b|\bcables?\b|\bcords?\b|无线|蓝牙|有线|线缆", "", "connection"),
    ("noise", "fact", r"noise.?(?:cancel|reduc|isolat)\w*|\banc\b|降噪|隔音", r"noise.?(?:cancel|reduc|isolat)|\banc\b|降噪|隔音", "", "sound"),
    ("folding", "fact", r"\bfold(?:s|ed|ing|able)?\b|collapsible|折叠|能折", r"\bfold|collaps|折", "", "size"),
    ("rechargeable", "fact", r"rechargeable|可充电|能充电|充电的", r"recharg|\bcharg|usb|充电", "", ""),
    ("feature", "word", _FEATURES, "", "", "size"),
    ("flight", "word", r"hand luggage|carry.?on\b|(?:plane|flight|airplane|aircraft)s?\b|\btsa\b|飞机|登机|随身行李|托运", r"hand luggage|carry.?on\b|\b(?:plane|flight|airplane|aircraft)|飞机|登机|行李", "", ""),
    ("person", "fact", r"who (?:designed|invented|founded|owns|runs)|founder|designer|\bceo\b|创始人|谁设计|设计师|创办", r"designed by|designer|founder|设计师|创始人", "", ""),
    ("edition", "word", r"(?:previous|older|last|earlier|next|new(?:er)?) (?:one|model|version|generation|edition)|successor|上一[代款]|[老旧新]款|下一代|上代", r"previous|older|earlier|successor|generation|edition|上一[代款]|[老旧]款|下一代|上代", "", "model"),
    # what customers think
    ("smell", "opinion", r"scent\w*|smell\w*|fragran\w*|perfume\w*|stink\w*|odou?r\w*|aroma|气味|异味|香味|什么味|味道|闻|香不香|臭|香精", r"scent|smell|fragran|perfume|stink|stench|odou?r|reek|aroma|味|香|臭|闻", "", ""),
    ("flavour", "fact", r"flavou?rs?\b|\btaste|口味|好吃|好喝", r"flavou?r|tast|口味|好吃|好喝", "", ""),
    ("sound", "opinion", r"\bsounds?\b|audio|\bbass\b|treble|nois\w*|\bloud\w*|quiet|音质|声音|好听|低音|噪音|吵", r"sound|bass|treble|hiss|noise|loud|quiet|[音杂低高]音|音[质色]|声|好听|吵", "", "size"),
    ("texture", "opinion", r"greasy|oily|sticky|absorb\w*|油|黏|粘|吸收|质地|清爽", r"greas|oily|stick|absorb|silky|texture|film|油|黏|粘|吸收|滑|清爽|稠", "", ""),
    ("cleaning", "opinion", r"(?:easy|hard|difficult)\b.{0,6}\bto (?:clean|wash)|\bclean(?:s|ed|ing)?\b|\bwash(?:ed|ing)?\b|好.{0,2}洗|难洗|清洗|清洁|擦", r"clean|wash|rins|wip|scrub|洗|擦|锈|干净", "", ""),
    ("comfort", "opinion", r"comfort\w*|\bsoft\w*|itch\w*|scratch|shoulders?|舒服|舒适|累不累|柔软|扎不扎|软不软", r"comfort|shoulder|soft|gentle|scratch|rough|hard\b|stiff|舒服|柔软|肩|扎|硬|软", "", ""),
    ("quality", "opinion", r"quality|well.made|workmanship|flimsy|cheaply|reliable|any good\b|质量|做工|品质|靠谱|好用", r"quality|well.made|workmanship|flimsy|solid|cheap|质量|做工|品质|手感|精细|粗糙", "", ""),
    ("durability", "opinion", r"durab\w*|\bbreak\b|\bbroke\b|\brip\b|\btear\b|wear out|fall apart|surviv\w*|hold up|destroy|sturd\w*|耐用|结实|咬.{0,1}坏|会坏|断|散架", r"durab|brok|break|apart|pieces|destroy|tough|surviv|sturd|worn|\btorn\b|耐用|结实|坏|断|散|碎|扎实", "", ""),
    ("lasting", "opinion", r"how (?:long|many years) (?:will|does|do|would|can|should) (?:it|this|that|they|these|one) last|life ?span|用几年|几年.{0,2}坏|用多久|寿命", r"durab|(?<!battery )\blast(?:s|ed)\b|\b(?:for|after).{0,16}(?:weeks?|months?|years?)\b|worn|wear|fell apart|still (?:works|going|like new)|耐用|结实|用了.{0,6}[年月周天]|坏|散架", "", "time"),
    ("value", "opinion", r"\bworth\b|\bvalue\b|expensive|overpriced|bargain|good price|值不值|值这|值得|性价比|划算|贵不贵|贵[吗么]|实惠", r"worth|value|price|money|expensive|cheap|bargain|值|性价比|价|贵|实惠|钱", "", "price"),
    ("liking", "opinion", r"\b(?:cat|dog|pet|puppy|kitten|kid|child|baby|son|daughter|people|customers|buyers)s?\b.{0,24}\b(?:like|love|enjoy|eat|happy|satisfied|go for|think|say)|[猫狗].{0,6}(?:喜欢|爱|吃)|(?:孩子|宝宝|大家).{0,6}(?:喜欢|爱)", r"ador|lov(?:e|ing)|like|enjoy|happy|喜欢|爱", "", "age people"),
    ("safe", "opinion", r"\bsafe(?:ty)?\b|dangerous|\bstab(?:le|ility)\b|tip over|wobbl\w*|安全|稳|放心|危险", r"safe|danger|tips? over|trust|stable|wobbl|安全|稳|放心|危险|倒", "", "age"),
    ("effect", "opinion", r"\beffect\w*|(?:see|make|notice).{0,8}difference|\bresults?\b|效果|有用吗|管用", r"effect|difference|result|效果|有用|管用", "", ""),
    ("connection", "opinion", r"connect(?:ion|s|ed)?\b|drops? out|\bpair(?:s|ing)?\b|\blag|连接|断连|断线|配对|掉线|连得", r"connect|pair|drop|\blag|连|断|配对", "", ""),
    ("heat", "opinion", r"heats?\b|heated|evenly|受热|加热|烫", r"heat|\bhot\b|burn|warm|cold|even|热|糊|凉|火候|烫", "", ""),
    ("delivery", "opinion", r"arriv\w*.{0,12}\b(?:quick|fast|time|late)|(?:shipping|delivery)\b.{0,10}\b(?:fast|quick|slow|good)|fast (?:shipping|delivery)|发货快|物流快|快递快|发货慢|到得快", r"deliver|arriv\w*(?! (?:with|broken|damaged|cracked|scratched)\b)|\bship|parcel|物流|发货|快递|到了", "", ""),
    ("service", "opinion", r"customer service|support team|\bseller|客服|售后|卖家|服务态度", r"service|seller|replied|replaced|客服|售后|卖家", "", ""),
    ("packing", "opinion", r"packag\w*|\bpacked\b|(?:in|the) box\b|包装|盒子", r"pack|\bbox|wrap|carton|cardboard|包装|盒|纸箱", "", "material"),
    # rules of the shop
    *RULES,
)  # fmt: skip

_COUNTED = re.compile(
    r"\bhow many (?:different |kinds of |types of |other )?([a-z]+)"
    rf"|[几多]少?[种个条张片根节把颗](?:不同的?)?([{HAN}]{{1,4}}?)(?=[？?吗呢]|$)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b|[一二两三四五六七八九十百千]",
    re.IGNORECASE,
)
_WANTS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|tall|high|big|large|wide|deep|thick|heavy|old|far|fast|hot|cold|bright|often|small|quickly)\b"
    r"|\bwhat (?:size|age|length|height|width|weight|diameter|number|is the (?:size|weight|length|age))\b"
    r"|\b(?:weight|dimensions?|measurements?|diameter|length|height|width)\b|what does it weigh"
    r"|多少|几[个件只岁天年月斤度种]|多[大长高宽重久远快厚亮]|尺寸|重量|容量",
    re.IGNORECASE,
)


def _kind(name: str, sort: Sort, asks: str, tells: str, dimensions: str, over: str) -> Kind:
    asked, told = re.compile(asks, re.IGNORECASE), re.compile(tells or asks, re.IGNORECASE)
    return Kind(name, sort, asked, told, frozenset(dimensions.split()), frozenset(over.split()))


MAX_WORDS = 14
"""Longer questions tell a story: what they ask for is one of many things that they speak of."""
_WORD = re.compile(rf"[a-z0-9'’-]+|[{HAN}]{{2}}", re.IGNORECASE)

_SENTENCE = re.compile(r"[^.!?。！？;；\n]+[.!?。！？;；]?")

KINDS = tuple(_kind(*row) for row in _TABLE)


def wants_number(question: str) -> bool:
    """Whether the question asks for a number or a measure."""
    return _WANTS_NUMBER.search(question) is not None


def gives_number(text: str) -> bool:
    """Whether a text has a number, in digits or in words."""
    return _NUMBER.search(text) is not None


@lru_cache(maxsize=4096)
def asked(question: str) -> tuple[Kind, ...]:
    """The kinds that a question asks for: of those whose words it has, the ones no other is asked over."""
    return _in_words_of(question, KINDS)


@lru_cache(maxsize=4096)
def rules_asked(question: str) -> tuple[Kind, ...]:
    """The rules of the shop that a question asks for, those of a long story's last question among them."""
    if len(_WORD.findall(question)) > MAX_WORDS:
        question = next((each for each in reversed(_SENTENCE.findall(question)) if each[-1] in "?？"), "")
    return _in_words_of(question, [kind for kind in KINDS if kind.sort == "rule"])


def _in_words_of(question: str, known: Sequence[Kind]) -> tuple[Kind, ...]:
    found = [kind for kind in known if kind.asks.search(question)]
    over = frozenset().union(*(kind.over for kind in found))
    return tuple(kind for kind in found if kind.name not in over)


@lru_cache(maxsize=65536)
def told(passage: str) -> frozenset[str]:
    """The names of the kinds that a passage may tell."""
    return frozenset(kind.name for kind in KINDS if kind.tells.search(passage))


@lru_cache(maxsize=65536)
def dimensions(text: str) -> frozenset[str]:
    """The dimensions of a text's quantities."""
    return frozenset(quantity.dimension for quantity in parse_quantities(text))


def tells(kind: Kind, question: str, passage: str) -> bool:
    """Whether the passage may tell what the question asks of this kind."""
    if kind.sort == "word" and kind.tells.pattern == kind.asks.pattern:
        return bool(_said(kind, question) & _said(kind, passage))
    known = told(passage)
    if kind.name in known or not kind.dimensions & dimensions(passage):
        return kind.name in known
    # A quantity of its dimension tells it, unless the passage says that it is another thing's.
    return not any(each.name in known and each.dimensions & kind.dimensions for each in KINDS)


def _said(kind: Kind, text: str) -> set[tuple[str, ...]]:
    return {tuple(content_words(found.group())) for found in kind.asks.finditer(text)}


def of_another_kind(question: str, passage: str, source: str) -> bool:
    """Whether the passage cannot answer, whatever words it shares: it tells no kind that is asked for.

    A rule of the shop is told by the shop alone; a measure by a number; things that are counted by their name.
    Opinions have no words of their own, so a question for nothing else refuses nothing.
    """
    kinds = asked(question) if len(_WORD.findall(question)) <= MAX_WORDS else ()
    if rules := rules_asked(question):
        return source in ("review", "title") or not any(tells(kind, question, passage) for kind in rules)
    facts = [kind for kind in kinds if kind.sort != "opinion"]
    if not facts:
        return not _counts(question, passage)
    if not any(tells(kind, question, passage) for kind in kinds):
        return True
    measured = any(kind.dimensions for kind in facts) and wants_number(question)
    return measured and source != "attribute" and not gives_number(passage)


def _counts(question: str, passage: str) -> bool:
    """Whether the passage names what the question counts; true where it counts nothing."""
    found = _COUNTED.search(question)
    if not found:
        return True
    things = set(content_words(found[1] or found[2])) - UNITS
    return not things or bool(things & set(words(passage)))
