# ruff: noqa: E501 (a kind a line)
"""Questions as customers put them, to be asked of a catalogue that has attributes and no questions.

Each kind has its own wordings, most of which never name the attribute; `ANY` name it. They are dealt out in
turn to learning, choosing and judging, so that no wording serves two of them. `STRANGERS` are questions about
other kinds of goods.
"""

from __future__ import annotations

from typing import Literal

Use = Literal["learn", "choose", "judge"]
_USES: tuple[Use, ...] = ("learn", "choose", "judge")

_ENGLISH: dict[str, str] = {
    "weight": "How heavy is it?|What does it weigh?|How much does this weigh?|Is it light enough to carry about?|Will my scales show more than a kilo?|how many grams is it|What would I have to lift?|Can you tell me the weight please?|Whats its weight in kg",
    "size": "How big is it?|What are the measurements?|How much room does it take up?|what size is this|How large is this exactly?|Would it fit on a narrow shelf, how wide is it?|Can someone give me the dimensions?|How many cm is it?|Is it bigger than a sheet of paper?",
    "material": "What is it made of?|What's this made from?|Which material did they use?|Is that real or plastic?|What stuff is it?|is it made out of something natural|What fabric or material is this?|What does it consist of?|Tell me what it is made out of",
    "colour": "What colour is it?|Which shade is it?|What does it look like, dark or light?|which color will I get|Is the one in the picture the real colour?|What color is this one?|In which colour does it come?|Is it rather bright?|What hue does it have?",
    "guarantee": "How long is the guarantee?|What if it breaks after a year, am I covered?|Is there a warranty?|For how many years is it guaranteed?|how long does the warranty last|Do I get a guarantee with it?|How long am I covered if something fails?|Warranty period?|What guarantee do you give on this?",
    "volume": "How much does it hold?|How many litres fit in?|What is the capacity?|How much can I pour into it?|is a pint too much for it|How much fits inside?|What volume is it?|How many ml are in there?|Is there room for two litres?",
    "content": "How much is in one pack?|How much do I get?|What is the net content?|How many grams are in it?|Is it a big bag?|how much product is inside|How much comes in a jar?|What quantity is in there?|Net weight?",
    "power": "How powerful is it?|How many watts does it have?|How strong is the motor?|What is the wattage?|does it use much electricity|How much power does it draw?|What output does it have?|Is it strong?|Power rating?",
    "age": "From what age is it?|Is it for babies or older kids?|How old should the child be?|Can my 1 year old use it?|what age group is this for|At which age can they start?|Is it suitable for a toddler?|For which ages?|My son is two, is that too young?",
    "model": "Which model is this?|What is the model number?|Do you have the exact type designation?|Model no?|which version is it exactly|What do I write down to order a spare part, which model?|Can I have the model code?|What's it called, the model I mean?|Model name?",
    "price": "How much is it?|What does it cost?|What's the price?|How expensive is it?|how much do you want for it|What do I have to pay for one?|Price please?|How much does it go for?|Is it under twenty?",
    "origin": "Where is it made?|Which country does it come from?|Is it made in Europe?|Where do they manufacture it?|where was this produced|What's the country of origin?|Is it imported?|Where does it come from?|In which country was it built?",
    "brand": "What brand is it?|Who makes this?|Which company is behind it?|Who is the manufacturer?|what make is it|Is it from a known brand?|By whom is it made?|Which brand is this one?|Whose product is it?",
    "load": "How much weight can it take?|What is the maximum load?|Will it hold a heavy person?|What's the weight limit?|how many kilos does it bear|How heavy may the user be?|Is it strong enough for 100 kg?|Max load?|What is the most it can support?",
    "temperature": "What temperature is it good for?|How cold can it get?|How hot may it be?|Down to how many degrees?|which temperature range|Is it warm enough below zero?|What temperature does it stand?|Is it for winter?|How warm is it?",
    "brightness": "How bright is it?|How many lumens?|Does it light up a whole path?|What is the brightness?|is it bright enough to read by|How much light does it give?|Lumen output?|Is it strong at night?|How far can I see with it?",
    "range": "How far does it reach?|What is the range?|Does it work two floors away?|How far apart can they be?|what distance does it cover|Will it reach the garden?|How many metres does it work over?|Range?|Does it still work from the next house?",
    "people": "How many people is it for?|Is it big enough for four?|How many can sleep in it?|For how many persons?|how many of us fit|Can the two of us use it?|Room for how many?|How many adults?|Is it for one or two?",
}  # fmt: skip
_CHINESE: dict[str, str] = {
    "weight": "多重？|有多重啊|拿着沉不沉？|大概几斤？|重量是多少？|一只手拿得动吗？|称过吗，多少克？|重不重？|会不会很沉",
    "size": "多大？|尺寸是多少？|占地方吗？|有多长多宽？|大小怎么样|放得进小柜子吗？|具体几厘米？|比A4纸大吗？|规格多大",
    "material": "什么材质？|用什么做的？|是什么料子？|什么材料的|是塑料的还是别的？|主要成分是什么？|请问是啥做的|材质是真的吗？|面料是什么",
    "colour": "什么颜色？|是哪种颜色的？|颜色深不深？|发的是什么颜色|跟图片上一个色吗？|有色差吗，到底什么色？|颜色是哪个？|是浅色的吗？|啥颜色",
    "guarantee": "保修多久？|质保几年？|坏了保修吗？|保修期多长|坏了能修多长时间？|有质保吗？|售后保几年？|过一年坏了还管吗？|质保时间",
    "volume": "能装多少？|容量多大？|几升的？|能装两升水吗？|装得多吗|多少毫升？|容积是多少？|一次能倒多少进去？|大概能盛多少",
    "content": "一份有多少？|净含量多少？|一包多重？|量大吗？|里面有多少克|一瓶能有多少？|净重几斤？|分量足不足，多少克？|到手有多少",
    "power": "功率多大？|多少瓦？|费电吗？|劲儿大不大？|功率是几瓦|马力强吗？|输出多少？|电机多大功率？|用电多少",
    "age": "几岁能用？|多大的孩子合适？|一岁宝宝可以吗？|适合什么年龄？|几个月可以用|刚出生的能用吗？|适用年龄？|多大开始用？|两岁半能用吗",
    "model": "什么型号？|型号是多少？|具体是哪一款？|型号发一下|请问货号是什么？|要配件该报什么型号？|是哪个型号的？|型号叫什么？|哪一型",
    "price": "多少钱？|什么价？|价格是多少？|怎么卖？|卖多少|一个多少钱？|现在什么价位？|要花多少钱？|报个价",
    "origin": "产地是哪里？|哪里生产的？|哪国的？|是进口的吗？|在哪做的|哪个地方产的？|国产还是进口？|原产地？|从哪来的",
    "brand": "什么牌子？|哪家的？|谁家生产的？|品牌是哪个？|厂家是谁|是大牌吗，什么牌子？|哪个公司做的？|啥品牌？|是哪个厂的",
    "load": "能承重多少？|最多能放多重？|一百斤的人能用吗？|承重几公斤？|限重多少|太胖的能坐吗？|最大承重？|能撑住多重？|多重会塌",
    "temperature": "多少度？|能扛多冷？|适合什么温度？|零下能用吗？|最低几度|冬天够暖吗？|耐多高的温度？|温标是多少？|最热能到几度",
    "brightness": "多亮？|多少流明？|够亮吗？|晚上照得清吗？|亮度是多少|能照多远？|光强不强？|亮度几何？|最亮多少",
    "range": "能用多远？|距离多远？|隔一层楼行吗？|有效范围？|多少米内能用|信号能到院子吗？|最远几米？|范围大吗？|走远了还能用吗",
    "people": "几个人用？|能睡几个人？|四个人够吗？|适合几人？|容纳多少人|一家三口行吗？|最多几个人？|两个人挤不挤？|几人份",
}  # fmt: skip
_ANY_EN = "What is the {name}?|Can you tell me the {name}?|{name}?|I am looking for the {name}, what is it?|What about the {name}?|which {name} does it have|Could you look up the {name}?|What {name} has it got?|Please say what the {name} is"
_ANY_ZH = "{name}是什么？|{name}是多少？|{name}？|请问{name}|想知道{name}|{name}怎么样？|能告诉我{name}吗？|这款的{name}是哪种？|麻烦看下{name}"
_STRANGERS_EN = (
    "Does it fit a 2015 Ford Focus?|How many pages does it have?|Is it gluten free?|What is the waist size?|Does it have Bluetooth?|Which laptops does it work with?|"
    "Who is the author?|How much caffeine is in it?|Does it come with a remote control?|Is the heel high?|What is the screen resolution?|How many calories per serving?|"
    "Can I pay by instalments?|Do you ship to Norway?|Is it available in a longer sleeve?|Does it need a graphics driver?|How long is the film?|Does it support HDMI 2.1?|"
    "When is the next bus to the shop?|Is it dubbed in French?|Does the engine need diesel?|How many megapixels does it have?|Can I collect it in person?|Do you send an invoice?|"
    "Is it good for growing tomatoes?|What does the founder do today?|Which operating system runs on it?"
)
_STRANGERS_ZH = (
    "能装进福特车里吗？|有多少页？|含麸质吗？|腰围多少？|有蓝牙吗？|支持哪些笔记本？|作者是谁？|咖啡因含量多少？|带遥控器吗？|鞋跟多高？|屏幕分辨率多少？|一份多少卡路里？|"
    "可以分期付款吗？|能寄到国外吗？|袖子能加长吗？|要装显卡驱动吗？|电影多长？|有HDMI接口吗？|门店几点开门？|有中文配音吗？|发动机加什么油？|多少像素？|可以自提吗？|能开发票吗？|"
    "种番茄好用吗？|创始人现在做什么？|用的什么系统？"
)

_UNTOLD_EN = (
    "Is there a video of it in use?|Was it tested by a magazine?|Does it have a patent?|Has it won any prizes?|Does it have wheels?|Can I hang it on the wall?|"
    "Does it tell the time?|Is it sold in airports?|Does it support voice control?|Can it float?|Is there a subscription?|Does it have a lock?|"
    "Can I use it in a sauna?|Is it endorsed by doctors?|Will it work in Australia?|Does it have a fingerprint reader?|Can it be hacked?|Does it come with tickets?|"
    "Is there a trade-in programme?|Are there any celebrities who use it?|Does it fit a Christmas stocking?|Can I lend it to a friend?|Is it popular in Japan?|Which football club is it from?|"
    "What is the story behind it?|Why is it called that?|Who sings in the advert?|How do I become a reseller?|Does it need planning permission?|Is it insured?|"
    "Can it be tuned to a radio station?|Does it have a spirit level?|Does it translate languages?|Can I play chess on it?|Is it licensed by a film studio?|Does it come with a course?|"
    "Is it used by professionals?|Can I attach a camera mount?|Can it be recycled?|Is it suitable for a theatre stage?|Does it have a second seat?|Can my neighbour borrow the spare key?"
)
_UNTOLD_ZH = (
    "有没有使用视频|拿过什么奖吗|能挂墙上吗|有轮子吗|能语音控制吗|有锁吗|能漂在水上吗|有专利吗|是明星代言的吗|医生认可吗|能带进桑拿房吗|有指纹识别吗|"
    "能借给朋友吗|在日本火吗|背后有什么故事|为什么叫这个名字|广告歌是谁唱的|怎么做代理|需要审批吗|有保险吗|能收听广播吗|有水平仪吗|能翻译吗|能下棋吗|"
    "有以旧换新吗|会员能积分吗|能定制花纹吗|有培训课程吗|能装在自行车上吗|剧组用过吗|是上市公司做的吗|能导航吗|带投影吗|能和邻居共用吗|博物馆收藏过吗|有配套的书吗|"
    "会被没收吗|能放进红酒柜吗|考试能带吗|能改造吗|杂志测评过吗|能回收吗"
)
"""About any goods, of what no kind knows and hardly a page tells: nothing but their words can show that."""


def own(kind: str, *, chinese: bool, use: Use) -> list[str]:
    """The wordings for a kind; [] where it has none."""
    said = (_CHINESE if chinese else _ENGLISH).get(kind)
    return _dealt(said, use) if said else []


def named(name: str, *, chinese: bool, use: Use) -> list[str]:
    """Wordings that name the attribute."""
    return [each.format(name=name) for each in _dealt(_ANY_ZH if chinese else _ANY_EN, use)]


def strangers(*, chinese: bool, use: Use) -> list[str]:
    """Questions about other kinds of goods, and about what no page tells."""
    return _dealt(_STRANGERS_ZH if chinese else _STRANGERS_EN, use)


def untold(*, chinese: bool, use: Use) -> list[str]:
    """Questions that may be asked of any goods and that hardly a page tells."""
    return _dealt(_UNTOLD_ZH if chinese else _UNTOLD_EN, use)


def _dealt(wordings: str, use: Use) -> list[str]:
    return wordings.split("|")[_USES.index(use) :: len(_USES)]
