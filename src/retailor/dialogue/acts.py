# ruff: noqa: E501 (an act a line)
"""What a customer does with a turn: greets, asks, compares, is upset. One hand-written table, two languages."""

from __future__ import annotations

import re
from functools import lru_cache

# name | English | Chinese
_TABLE: tuple[tuple[str, str, str], ...] = (
    # about the conversation
    ("upset", r"ridiculous|(?:so|very|really|extremely) (?:angry|upset|annoyed|frustrat\w+|disappointed)|\b(?:furious|outrag\w+|unacceptable|scam\w*|rip.?off|useless|pathetic|disgusting|fraud)\b|\bi(?:'m| am) (?:angry|fed up|sick of)|worst (?:shop|store|service|company|experience)|(?:shop|store|service|you) (?:is|are) (?:the worst|terrible|awful|horrible|a joke|rubbish)|(?:\b(?:i|we|my|our)\b|\b(?:file|make|lodge|submit)\b).{0,24}\bcomplain\w*|^complain\w*|never (?:buy|order|shop)\w* (?:here|from you|again)|nobody (?:answers|replies|helps)|waste of (?:my )?(?:time|money)|what the hell|\bwtf\b|(?:arrived|came|is) (?:broken|damaged|defective)", r"投诉|差评|气死|气炸|太差|垃圾|骗子|骗人|坑人|坑爹|忍无可忍|受够了|什么破|烂透|太过分|过分了|无语|不理人|没人理|没人管|再也不(?:买|来)|生气|愤怒|火大|退钱|恶心|欺骗|(?:收到|到手|寄来).{0,6}(?:坏|破|碎|烂)"),
    ("human", r"(?:speak|talk|chat|connect|transfer|put)\w*\b.{0,16}\b(?:human|person|agent|someone|somebody|representative|manager|supervisor|staff|colleague|operator)|\b(?:real|live|actual) (?:person|human|agent)|(?:want|need|get me|give me|like) (?:an?|some|any) (?:human|person|agent|representative|manager|supervisor|operator)|human being|customer (?:service|support)(?: please)?$|call me back", r"人工|转接|真人|找.{0,4}(?:客服|经理|老板|店长)|客服人员|联系客服|叫.{0,4}(?:经理|店长)"),
    ("order", r"\bi(?:'d| would)? (?:want|like|need|demand)(?: to)? (?:get )?(?:a refund|a replacement|my money back|return (?:my|the|an?) (?:order|item|purchase))|where(?:'s| is| are) my\b.{0,12}\b(?:order|parcel|package|delivery|stuff)|\b(?:track|cancel|change)\b.{0,12}\b(?:my|the|an?) (?:order|parcel|package)|(?:order|parcel|package) (?:status|number|has not|hasn't|did ?n.?t|is late|never)|my (?:order|parcel|package|refund)\b.{0,20}\b(?:yet|late|missing|lost|arrive)|haven't received", r"我的(?:订单|快递|包裹|货)|查.{0,3}(?:订单|物流|快递)|订单号|取消订单|还没(?:收到|到货|发货)|(?:我要|要求|申请)(?:退货|退款|换货|赔)|(?:买的|收到的|到手).{0,6}(?:坏|破|碎|有问题|少了|错了)|(?:快递|包裹).{0,4}(?:到哪|在哪|丢)|改(?:地址|订单)"),
    ("buy", r"\badd\b.{0,20}\b(?:cart|basket|bag)\b|check ?out\b|place (?:an|the|my) order|\b(?:buy|order|purchase|reserve) (?:it|this|that|them|one)\b(?! (?:for|from))|i(?:'ll| will) (?:buy|order) ", r"购物车|下单|结账|结算|买单|(?:就|要)买(?:这|它|那)|帮我(?:买|订)|^(?:那?我?就?)?(?:[买要](?:这|它|那)[个款件]?|买第[一二三四五六七八九十\d]+[个款件])(?:吧|了|啦)?[。！!]*$"),
    ("greet", r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b(?: there| all| everyone)?", r"^(?:你好|您好|哈喽|嗨|在吗|在不在|早上好|下午好|晚上好|亲)(?:[呀啊吗，,。！!]|$)+"),
    ("thanks", r"\b(?:thanks|thank you|thx|cheers|much appreciated)\b(?: (?:a lot|so much|very much|again))?", r"谢谢(?:你|您|啦|了)?|多谢|感谢|谢啦|谢了"),
    ("bye", r"\b(?:good)?bye\b|see you|have a (?:nice|good) (?:day|one)|that(?:'s| is| will be) all\b|nothing else", r"再见|拜拜|没别的了|没有别的了|就这些|没事了|先这样|不用了|回头见"),
    ("shop", r"(?:get|have|send) (?:it|this|that|them)\b.{0,14}\b(?:by|before|until) (?:\w+day|tomorrow|tonight|christmas|next|the)|contact (?:you|details)|phone number|\b(?:do|can|will|would|are|when|where|how|what time)\b[\w' ]{0,12}\b(?:you|your (?:shop|store))\b (?:guys )?(?:\w+ )?(?:open|close|ship|deliver|send|accept|take|charge|offer|located|based|wrap|give|price.?match|have (?:a |any )?(?:shop|store|branch|showroom|discounts?|sales?|vouchers?|newsletter))\w*|opening (?:hours|times)|business hours|your (?:\w+ )?(?:policy|address|phone|e-?mail|hours|terms)|(?:return|refund|shipping|delivery|payment|privacy|warranty) (?:policy|options|methods|costs?|fees?|terms)", r"营业|几点(?:开|关|上班|下班)|开门|关门|地址|电话(?:是|多少|号)|门店|实体店|(?:你们|本店|店里).{0,6}(?:在哪|发货|包邮|支持|接受|送货|开票|打折)|运费|邮费|包邮|发票|付款|支付方式|怎么(?:付|支付|退货|换货|退款)"),
    ("chitchat", r"\bweather\b|\bjokes?\b|(?:what(?:'s| is)|do you have a) (?:your )?name\b|who are you|are you (?:a |an )?(?:robot|bot|human|machine|ai|real|single|there|funny|ok)|how are you|how(?:'s| is) it going|what's up|you(?:'re| are) (?:\w+ )?(?:funny|nice|cute|smart|great|sweet|stupid|silly|kind|helpful)|i(?:'m| am) (?:bored|tired|lonely|hungry)|do you (?:like|love|sleep|dream|eat)|tell me (?:a story|something (?:funny|interesting))|who (?:will|won|is going to) win|meaning of life|favou?rite|sing (?:me|a)|president|football|\bmarry me\b", r"天气|笑话|你叫什么|你是谁|你是(?:机器人|真人|人)|你多大|你几岁|讲个|唱(?:首|个)?歌|无聊|你吃(?:饭|了)|吃了吗|你真(?:好|棒|可爱|聪明|逗|笨)|你好(?:可爱|聪明|笨)|我爱你|喜欢你|哈哈.{0,4}(?:不错|好笑|逗)|几点了|你会什么|心情|聊聊天|足球|总统|人生"),
    ("fine", r"^(?:ok(?:ay)?|great|nice|cool|perfect|good|fine|alright|all right|i see|got it|sounds good|yes|no|yep|nope|sure|wow|lol|ha(?:ha)+|never ?mind|forget it|no,? thanks?|not interested)\b[.!, ]*(?:ok|then|great|so)?[.!]*$", r"^(?:那?算了|不要了|好的?|行|可以|嗯+|哦+|知道了|明白了?|不错|真不错|哈哈+|太好了|挺好|没问题|好吧|对|是的)[呀啊吧了的，。！!~]*$"),
    # what is wanted
    ("similar", r"\b(?:similar|(?:more|some\w*|any\w*|ones?|others?|products?|items?|things?|else|models?) like (?:it|this|that|these|those|the)|alternatives?|same kind|in that style|comparable)\b|\bmore (?:like|of (?:these|this|that))", r"类似|相似|差不多的|同类|替代|这样的|这种的"),
    ("recommend", r"recommend\w*|suggest\w*|any ideas|what (?:would|should|do) you (?:recommend|suggest|think i)|what (?:should|can) i (?:get|buy|give)|\bgifts?\b(?![ -]?(?:wrap|card))|\bpresents?\b|surprise me|bestsell\w*|popular|goes (?:well )?with", r"推荐(?:一下|点|些)?(?:什么|哪[些款个种])?|建议|送(?:给)?.{0,8}(?:礼物|朋友|妈|爸|老婆|老公|女友|男友|人)|礼物(?!包装|盒)|买什么好|热销|畅销|爆款|搭配"),
    ("compare", r"\bcompar\w+|\bversus\b|\bvs\.?\b|difference between|what(?:'s| is) the difference|differ\b|side by side|\bbetter\b.{0,30}\bor\b|(?:which|what)(?: one)? (?:of (?:the|these|those) (?:two|both)|is (?:better|lighter|heavier|bigger|smaller|larger|longer|cheaper))|which (?:one )?(?:costs|weighs|holds|lasts|has (?:the )?(?:better|more|less|fewer|higher|lower|longer|bigger)|is (?:the )?(?:better|lighter|heavier|bigger|smaller|larger|longer|cheaper))|which of (?:the two|both|them)\b", r"比较|对比|相比|比一比|比一下|比比|哪个(?:更|比较)|和.{1,30}(?:哪个|哪款|谁|比)|有什么(?:区别|不同|差别)|区别|(?:两个|两款|这俩|俩).{0,4}(?:哪|谁|区别)"),
    ("cheaper", r"\bcheaper\b|less expensive|lower price|(?:too|bit|so|very|not (?:so|that|too|as|very)) (?:expensive|pricey|dear)|more affordable|for less\b|costs? less|smaller budget", r"便宜(?:一?点|一?些|的)|更便宜|太贵|贵了|实惠点|价格低|再便宜"),
    ("dearer", r"more expensive|pricier|higher.end|more premium|better quality one", r"贵一?[点些]|更贵|高档|高端"),
    ("cheapest", r"\bcheapest\b|lowest price|least expensive|most affordable|low(?:est)? (?:cost|priced)", r"最便宜|最低价|价格最低|最实惠"),
    ("dearest", r"most expensive|priciest|highest price", r"最贵|价格最高"),
    ("least", r"\b(?:smallest|lightest|shortest|lowest|least|fewest)\b", r"最(?:小|轻|短|低|少|薄)"),
    ("most", r"\b(?:biggest|largest|heaviest|longest|tallest|highest|strongest|most powerful|brightest|roomiest)\b", r"最(?:大|重|长|高|多|强|亮)"),
    ("best", r"\bbest(?:.rated| rated| reviewed| reviews)?\b|highest rat\w+|top.?rated|most stars", r"评分最高|评价最好|口碑最好|最好的"),
    ("sort", r"(?:any\w*|something|ones?) (?:that (?:is|are) |with )?(?:a )?(?:better|higher)[ -](?:rat\w+|reviews?)|(?:cheapest|lowest(?: price)?|most expensive|best(?:.rated)?|highest rated) first|sort(?:ed)? by|order(?:ed)? by (?:price|rating)|from (?:cheap|low)\w* to", r"从低到高|从高到低|便宜的(?:在前|排前)|(?:评价|评分|口碑).{0,3}(?:更[好高]|好一?点|高一?点)的?|按.{0,4}(?:价格|评分)|排序|排一下"),
    ("more", r"^(?:some |a few |a bit )?more\b(?:,? please)?[.!]?$|(?:another|a different) one$|next ones?$|(?:show|see|any|got|give me)(?: me| us)? (?:some )?(?:more|others?|different ones)\b|what else|anything else|next page|more (?:results|options)|^(?:and )?(?:any |something |some )?(?:more|else)\b.{0,12}\b(?:from|of|by) (?:this|that|the same|them|their|its)\b", r"还有(?:别的|其他|吗|没有)|再来[几一]|更多|换一?[批个款]|其他的吗|别的吗|下一页"),
    ("smaller", r"\b(?:smaller|lighter|shorter|less heavy|not so (?:big|heavy|long))\b|too (?:big|heavy|large|long)\b", r"[小轻短][一]?[点些]|更[小轻短]|太[大重长]"),
    ("larger", r"\b(?:bigger|larger|heavier|longer|taller|roomier)\b|too (?:small|short)\b", r"[大重长高]一?[点些]|更[大重长高]|太[小短]"),
    ("brand", r"\b(?:same|that|this|their|its) brand\b|(?:from|by) (?:them|the same (?:brand|maker|company))", r"(?:同一?个?|这个?|那个?|他家|它家).{0,2}(?:品牌|牌子)|同品牌"),
    ("find", r"\b(?:look(?:ing)?|search(?:ing)?) for|show (?:me|us)|\bfind\b|(?:do|have) you (?:\w+ )?(?:have|got|sell|stock|carry|any)\b|\bi(?:'m| am|'d| would)? (?:also )?(?:need|want|like|after|love)\b|\b(?:also )?needs?\b|\bany\b [\w' -]+\?|got any|\bgive me\b|^(?:and )?(?:some|any)\b|please$|there (?:any|a)\b", r"有没有|有.{1,14}[吗嘛么]|有什么|有哪些|想[买要看找]|我要|要[个款]|看看|找|来[个一]|哪款|哪种|需要|给我|买[个款点]|求"),
    ("refine", r"\b(?:only|just|instead|rather)\b|^(?:and|but|or)\b|\bones\b|^(?:what|how) about\b|^in\b|\bin (?:a )?(?:different|another)\b|\b(?:under|below|over|above|within|less than|more than|at least|at most|up to|between|around|without|with|not|no)\b|made (?:of|from)|^[\w-]+\?$", r"的呢[？?]?$|呢[？?]?$|换|不要|只要|要.{1,12}的|以下|以内|以上|之间|左右|超过|^(?:那|还|要)|的(?:有吗|有没有)|的[。！!]?$"),
    ("colours", r"\b(?:other|different|another|more) colou?rs?\b", r"(?:别的|其他|其它|换个|不同).{0,2}颜色"),
    ("tell", r"show (?:it|this|that)(?: to)? me|see (?:it|that) again|tell me (?:more )?about|more (?:info\w*|details?|about)|describe|details?\b|what (?:is|about) (?:it|this)\b|information|let me see|i(?:'ll| will) take", r"介绍|详细|说说|讲讲|具体|详情|了解|参数"),
    ("back", r"\bback to\b|\b(?:again|earlier|before|previous|first)\b.{0,14}\b(?:mention\w*|talk\w*|show\w*|saw|ask\w*)|(?:returning|going back) to|you showed", r"刚才|刚刚|之前|前面(?:说|看|提)|回到|说回|一开始"),
    ("opinions", r"what do (?:people|customers|buyers|others|users|the reviews?) (?:say|think)|\breviews?\b|\bratings?\b|\bany good\b|is (?:it|this|that) (?:good|worth)|opinions?|feedback|\bcomplaints?\b|\bcomplain\b|downsides?|drawbacks?|\bpros\b|worth (?:it|buying)", r"评价|口碑|大家.{0,4}(?:觉得|说)|好不好|好用吗|怎么样|值得买|[优缺]点|抱怨"),
    ("question", r"\?\s*$|？|^(?:is|are|does|do|did|can|could|will|would|has|have|what|which|who|where|when|why|how)\b|\bhow (?:much|many|long|big|heavy|tall|old|far|fast)\b", r"[？?]|[吗嘛么]$|多少|多[大重长高久宽深]|几[个年天人克斤公只]|什么|怎么|哪[里儿个款种]|如何|是否|能不能|会不会|可以.{0,8}吗|有没有|[^有]没有|重吗|行不行"),
)  # fmt: skip

_ACTS = tuple((name, re.compile(f"{en}|{zh}", re.IGNORECASE)) for name, en, zh in _TABLE)
ACTS = tuple(name for name, _, _ in _TABLE)

_CHATTER = re.compile(
    r"\b(?:hi|hello|hey|there|ok(?:ay)?|well|hm+|um+|oh|so|then|please|thanks|thank you|haha|lol|sorry|actually|now|also|maybe|great|nice|"
    r"i(?:'m| am|'d| would|'ll| will)?(?: also| still| really)? (?:looking (?:for|to)|search(?:ing)? for|need|want|like|love|after|would like)(?: to (?:buy|get|see|have|order))?|"
    r"(?:can|could|would|will) you|show me|give me|find me|get me|let me see|tell me|(?:do|have) you (?:also )?(?:have|got|sell|stock|carry)|have you got|got any|are there|is there|what about|how about|"
    r"(?:my|our) (?:\w+ )?(?:also )?needs?|(?:make|keep) (?:it|that|them|this)|let's|any(?:thing)?|some(?:thing)?|only|just|instead|rather|the|ones?|those|these|them|that|got|sell|and|but|or|"
    r"to go with (?:it|this|that)|made (?:of|from)|a few|kinds? of|sort of|good|cheapest first|want|need)\b|"
    r"谢谢你?|多谢|再(?=[看来找])|请问|麻烦|你们|您们|我们|我也?想(?:要|买|看看?|找)?(?:个|一个|一款|点)?|我(?:还|也)?(?:要|需要)|还想|想买|想要|想看|想找|看看|看一下|给我|来[个一]|有没有|有吗|有哪些|有什么|哪款好?|哪种好?|"
    r"好的|好吧|那?算了|那就|那个|这个|另外|还有|换成|只要|一款|一个|买个|买点|找个|找一下|推荐|之类的?|[呢吗嘛么吧呀啊哦]|的有|(?:^|(?<=[\s，,。]))(?:有|要|那|嗯|亲)",
    re.IGNORECASE,
)  # fmt: skip


@lru_cache(maxsize=1024)
def acts(said: str) -> frozenset[str]:
    """The names of the acts whose words the turn has."""
    return frozenset(name for name, pattern in _ACTS if pattern.search(said))


def without(said: str, *names: str) -> str:
    """The turn without the words of these acts."""
    for name, pattern in _ACTS:
        if name in names:
            said = pattern.sub(" ", said)
    return said


def without_chatter(said: str) -> str:
    """What is looked for: the turn without the words that only ask for it."""
    rest = _CHATTER.sub(" ", said)
    rest = re.sub(r"[?？!！。;；:：]+|[,，、]\s*(?=[,，、]|$)|^\s*[,，、.]+", " ", rest)
    return re.sub(r"^(?:的|an? )|(?<=\s)(?:的)$", "", " ".join(rest.split())).strip(" ,，.的")
