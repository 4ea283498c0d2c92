# ruff: noqa: E501, SIM905 (word lists)
"""Words that say nothing about a shop: the commonest of English, in rough order of frequency, and of Chinese."""

from __future__ import annotations

import math

ENGLISH_STOP_WORDS = frozenset(
    """a about above after again against all am an and any are aren't as at be because been before being below between
    both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each either else ever
    every few for from further get gets getting go goes going got had hadn't has hasn't have haven't having he he's her
    here hers herself him himself his how however i i'd i'll i'm i've if in into is isn't it it's its itself just let's
    like may me might more most much must my myself no nor not of off on once one only or other others our ours
    ourselves out over own per quite rather really s same shan't she she's should shouldn't since so some still such t
    than that that's the their theirs them themselves then there there's therefore these they they're they've this those
    though through till to too under until unless up upon us very via was wasn't we we're we've well were weren't what
    what's when where whether which while who whom whose why will with within without won't would wouldn't yet you
    you'd you'll you're you've your yours yourself yourselves im ive dont didnt doesnt cant wont isnt wasnt its etc
    also already although always another anyone anything anyway around away back became become becomes behind beside
    besides beyond came come comes coming done enough even everyone everything far first give gives given gave giving
    keep keeps kept know known knows last later least less lot lots made make makes making many maybe mine near
    neither never next nobody none nothing now often please put rest said say says see seem seems seen several shall
    someone something sometimes soon take takes taken taking tell than thank thanks think thought thus together told
    took toward towards tried try trying two three four five use used uses using want wanted wants went whatever
    whenever wherever whole yes bit able actually almost alone along""".split()
)
_ENGLISH = """time year people way day man thing woman life child world school state family student group country problem
    hand part place case week company system program question work government number night point home water room mother
    area money story fact month right study book eye job word business issue side kind head house service friend father
    power hour game line end member law car city community name president team minute idea kid body information
    parent face level office door health person art war history party result change morning reason research girl guy
    moment air teacher force education good new great little old big high small large different long important young
    public bad early nice best better love easy perfect happy hard full free real sure true short whole clear special
    black white red blue green top open close simple single cheap expensive fast slow quick quickly easily nicely highly
    definitely absolutely extremely pretty super especially probably usually exactly recently finally instead work works
    worked working look looks looked looking find found buy bought buying purchase purchased order ordered send sent
    receive received arrive arrived ship shipped pay paid cost price money need needs needed help feel felt try start
    started stop play read reading run turn move live believe bring happen write provide sit stand lose meet include
    including continue set learn lead understand watch follow create speak allow add spend grow walk win offer remember
    consider appear wait serve die expect build stay fall cut reach remain suggest raise pass sell require report
    decide pull hope hoped recommend recommended recommending wish enjoy enjoyed enjoys loves loved likes liked wonderful
    awesome excellent amazing fantastic favorite beautiful cute cool fun funny interesting disappointed disappointing
    disappointment problem problems issue issues question questions reason reasons thing things stuff way ways time times
    day days week weeks month months year years hour hours minute minutes today yesterday tomorrow ago item items product
    products piece pieces type kind sort amount number couple half pair bit size color quality star stars review reviews
    customer amazon people person everybody friend friends family mom mother dad father husband wife son daughter
    brother sister kids children boy girl guys man men woman women baby lady gave idea choice chance option options
    place places house home store stores shop shopping website online page site list picture pictures photo video
    name number address phone call email letter paper box bag top bottom side front inside outside left right middle
    light dark heavy hot cold warm clean dry wet soft strong weak thick thin sharp smooth rough wide deep low tall
    available ready different similar various certain possible likely useful helpful useless worth wrong correct fine
    okay ok alright glad sorry excited impressed satisfied pleased able unable huge tiny whatever pretty decent poor
    terrible horrible awful worst worse least totally completely simply truly literally basically honestly obviously
    apparently certainly unfortunately hopefully usually currently previously original regular normal standard total
    extra additional main major minor general common popular modern traditional latest current recent past future
    second third fourth final entire complete huge money value deal save saved return returned refund replace replaced
    broke broken break stopped fit fits fitted hold holds held carry wear wearing cook eat drink sleep wash open opened
    fill filled pick picked choose chose chosen check checked change changed leave show showed shown live lived end ended
    talk ask asked answer answered mean means matter care cared wonder guess figure seem turned comes plus minus
    almost nearly basically instead although otherwise anywhere everywhere somewhere nowhere sometimes anytime""".split()
OPINIONS = frozenset(
    """great good nice best better bad worst worse perfect excellent awesome wonderful amazing fantastic lovely beautiful
    favorite favourite terrible horrible awful poor decent pretty love loved loves loving like liked happy glad easy hard
    quick fast slow cheap expensive new old big small large little long short many different whole real full sure wrong
    right fine okay ok fun cool cute interesting special various various extra first second third last next top certain
    huge tiny super high low free available able unable ready useful worth unique fresh perfectly great exactly buy
    bought buying give gave work works worked working use get send sent received arrived order ordered recommend made
    thing things lot way time times day days year years one ones people person someone choose visit enjoy add simply
    click find note please across include includes including featuring features leading famous""".split()
)
"""Words that begin no term: opinions about a thing, doings with it, and the emptiest nouns."""
_RANK = {word: rank for rank, word in enumerate(dict.fromkeys(_ENGLISH), start=60)}
_UNKNOWN_SHARE = 1.5e-5  # about the share of the ten-thousandth English word

CHINESE_GENERAL = frozenset(
    """的 了 是 我 你 他 她 它 们 在 有 和 就 不 人 都 一 一个 上 也 很 到 说 要 去 会 着 没有 看 好 自己 这 那 什么 怎么 可以 这个 那个 就是
    还是 但是 不过 因为 所以 如果 非常 比较 感觉 觉得 真的 真是 不错 喜欢 东西 时候 现在 已经 知道 应该 可能 不是 还有 一些 一点 有点 有些
    这样 那样 这么 那么 我们 你们 他们 大家 别人 朋友 今天 昨天 明天 晚上 早上 上午 下午 中午 第一次 第二次 第一 第二 一次 两次 一下 一样 一般
    一直 以后 以前 之前 之后 最后 后来 然后 而且 或者 虽然 即使 只是 只有 只能 不能 不会 不要 不知道 不好 很多 很好 意思 强烈 无语 责任 一点儿 太 更 最 还 再 又 才
    只 把 被 给 让 用 买 卖 来 去 做 没 能 想 看到 听到 收到 拿到 买到 用到 开始 结束 使用 感受 问题 情况 方面 地方 时间 部分 事情 原因
    结果 样子 意思 特别 十分 相当 确实 实在 其实 当然 总之 总体 整体 基本 基本上 完全 绝对 值得 推荐 建议 希望 下次 下回 上次 这次 每次 每天
    几天 几个 两个 三个 一天 两天 三天 一年 半年 个月 小时 分钟 今年 去年 满意 失望 高兴 开心 谢谢 感谢 哈哈 呵呵 好评 差评 评价 差 大 小 多
    少 高 低 快 慢 新 旧 贵 便宜 起来 出来 下来 上去 过来 回来 进去 出去 不到 不了 得很 不得 似的 而已 罢了 什么样 怎么样 为什么 多少 哪里 哪个
    女人 男人 孩子 老婆 老公 妈妈 爸爸 父母 家人 家里 先生 小姐 时 里 后 前 中 下 点 次 年 月 日 天 内容 生活 世界 国家 社会 中国 一种 这种 那种
    人们 个人 关系 作用 程度 水平 方法 方式 能力 机会 过程 作为 成为 认为 以为 发现 决定 需要 必须 同时 另外 此外 甚至 至少 尤其 于是 由于 关于 对于
    根本 简直 居然 竟然 终于 果然 反正 毕竟 难道 到底 究竟 几乎 大概 差不多 左右 以上 以下 之间 之一 其中 其他 别的 各种 所有 任何 每个 某些""".split()
)


def english_share(word: str) -> float:
    """About how often the word is one among all words of general English, from its rank (Zipf's law)."""
    if word in ENGLISH_STOP_WORDS:
        return 0.01
    rank = _RANK.get(word) or _RANK.get(word.removesuffix("s"))
    return 0.06 / rank if rank else _UNKNOWN_SHARE


def surprise(share: float, general: float) -> float:
    """How many nats more often a word is used here than in general; 0 when it is not."""
    return max(0.0, math.log(share / general)) if share > 0 else 0.0
