# ruff: noqa: E501 (a pattern a line)
"""Which side of a product a question asks for: 'does it leak?' asks for the bad one, 'is it dry?' for the good.

A bad word asks for the bad side only where it is said of the product. 'Can I use it in heavy rain?', 'is it ok for
small dogs?', 'does it remove rust?' and 小狗能吃吗 have bad words and ask whether the product is up to something.
"""

from __future__ import annotations

import re
from functools import lru_cache

from retailor.scripts import HAN
from retailor.tasks.answer.forms.sides import BAD, GOOD, listed

# Further words of questions: verbs and nouns of the bad side as they stand behind 'does it' and 'are there any'.
_BAD_ASKED = listed("""
wobble scratch fade peel rattle rattles squeak squeaks creak creaks shrink shrinks stain stains slip slips tip tips burn stick bend bends
warp warps break breaks breaking flicker lag overheat clog irritate irritates itch itches hurt hurts shed sheds pill leaking rusting jamming
burning smelling slipping rattling squeaking fading peeling cracking tearing noise noises odour odor problem problems issue issues trouble
complaint complaints fault faults defect defects bad harmful toxic 掉毛 起球 变形 开裂 打滑 毛病 缺点 问题 卡纸 发热 发烫 差吗 差不差
""")  # fmt: skip
_HAN_WORD = re.compile(f"[{HAN}]")
_BAD_EN = frozenset(word for word in (*BAD, *_BAD_ASKED) if not _HAN_WORD.search(word))
_GOOD_EN = frozenset(word for word in GOOD if not _HAN_WORD.search(word))
# 'Is it loud enough?' asks for the good side by a word of the bad one; 味道大吗 for the bad one by none.
_ENOUGH = re.compile(r"\benough\b|够", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"有(?:没有)?[^，。？?]{0,3}味|味(?:道|儿)?[^，。？?好]{0,2}[大重浓]|(?:噪音|动静)[^，。？?]{0,2}大"
)

# A condition: 'will it crack if I drop it?'; and what two words say that one could.
_CONDITION = re.compile(r"\b(?:if|when|after|once|while|because)\b[^,;.?!]*")
_PUTS_UP_WITH = re.compile(r"\b(?:can|could|may) (?:\w+ ){1,3}(?:get|be) (?:\w+ )?(?:wet|damp|soaked)\b")
_BREAKS = re.compile(r"\b(?:wear|fall|come|give|peel|break)(?:s|ing)? (?:out|apart|off|loose|down)\b")
_TOO = re.compile(r"\btoo (?!for\b|to\b|and\b|or\b|if\b|in\b|on\b|with\b)[a-z]+")
_CLAUSE = re.compile(r"[,;:.?!，。？！；：]+|\b(?:and|but|or)\b")
_TOKEN = re.compile(r"[a-z]+(?:['’-][a-z]+)*|\d+")
# A circumstance: 'in heavy rain', 'on hard floors', 'for a small dog'.
_CIRCUMSTANCE = re.compile(
    r"\b(?:in|on|under|for|with|against|during|through|at|over|by|from|of|around|near|inside|between|without|into|onto|out|off)\b"
    r"(?:\s+(?!(?:it|they|this|these|does|do|is|are|will|can|would|too|very)\b)[\w'’-]+){1,5}"
)
# An end: 'hard to clean' asks of what is hard; 'likely to leak' of what leaks.
_END = re.compile(r"\b([\w'’-]+) to (?!the\b|a\b|my\b|it\b)\w+(?: [\w'’-]+)*")
_LEADS_ON = frozenset(listed("""
likely going tend tends prone start starts started begin begins seem seems appear appears have has used known
"""))  # fmt: skip
_BETWEEN = frozenset(listed("""
a an the any some no not such too so very really quite rather bit little lot lots much many more ever still easily quickly often always
strong bad nasty awful horrible terrible big huge constant weird funny chemical plastic
"""))  # fmt: skip
# What may stand before a bad word that is said of the product, be it 'a heavy bag' or 'any noise'.
_SAID_OF_IT = frozenset(listed("""
is are was were be been being isn't aren't have has had having got make makes get gets getting feel feels look looks seem seems sound sounds
there it they this that these those cause causes leave leaves give gives any
"""))  # fmt: skip
# What takes a bad thing away, or puts up with it.
_REMEDIES = frozenset(listed("""
remove removes removing stop stops stopping fix fixes prevent prevents preventing reduce reduces block blocks cover covers hide hides clean
cleans kill kills treat treats absorb absorbs eliminate eliminates rid help helps handle handles hold holds carry carries fit fits resist
resists survive survives mend repair repairs patch seal seals dissolve mask masks heal relieve relieves soothe cut cuts filter filters take
takes withstand detect detects
"""))  # fmt: skip
# Of these there may be a version: 'is there a small one?', 'does it have a dark cover?'.
_VERSIONS = frozenset(listed("""
small dark cheap hard slow tight heavy thin
"""))  # fmt: skip
_ARTICLES = frozenset(listed("""
the a an your its their my our this that these those any
"""))  # fmt: skip
_FUNCTION = frozenset(listed("""
to for in on at of with and or but if when than as by from after before over during under the a an it its my your our their this that these
those me you us them is are was does do did can will would inside outside there here then now at all again much enough at too either though
while once because so every each without within up down out off apart away off together easily quickly often ever still yet already
immediately
"""))  # fmt: skip

# Chinese: descriptions, which may belong to a noun behind them (小狗, 硬地板), and what undoes a bad thing.
_BAD_ZH = sorted((word for word in (*BAD, *_BAD_ASKED) if _HAN_WORD.search(word)), key=len, reverse=True)
_GOOD_ZH = sorted((word for word in GOOD if _HAN_WORD.search(word)), key=len, reverse=True)
_DESCRIBES_ZH = frozenset(listed("""
硬 粗糙 薄 松 吵 暗 重 沉 笨重 湿 油腻 小 太小 贵 太贵 臭 慢 危险 破 模糊 麻烦 敷衍 闷 糊 坏
"""))  # fmt: skip
_WORD_ZH = re.compile(f"(?:{'|'.join(map(re.escape, sorted((*_BAD_ZH, *_GOOD_ZH), key=len, reverse=True)))})")
_TAIL_ZH = re.compile(r"$|[吗么嘛吧呢啊不没有？?，,。！!一得起了点些]|的[吗么嘛呢吧？?]|的$|的话")
# 洗掉 takes away, 掉色 does not; 皮肤容易过敏能用吗 asks what it can be used for.
_TAKES_AWAY_ZH = re.compile(r"[洗擦卸刷冲清甩拆换扔剪]$")
_UP_TO_ZH = re.compile(r"能|可以|适合|适不适|行不行")
_TOO_ZH = re.compile(r"太(?!阳|空|极|原)")
_REMEDY_ZH = re.compile(r"(?:[除去防隔降消祛抗止治减盖遮补修]|解决|清除|避免|改善|缓解)[^，。？?不没]{0,1}$")


@lru_cache(maxsize=4096)
def asks_for_bad_side(question: str) -> bool:
    """Whether a yes to the question speaks against the product, whether it denies it or not."""
    if _ENOUGH.search(question):
        return False
    if _TOO_MUCH.search(question):
        return True
    return _votes_en(question.lower()) + _votes_zh(question) < 0


def _votes_en(question: str) -> int:
    text = _END.sub(
        lambda found: found[0] if found[1] in _LEADS_ON else found[1], _CONDITION.sub(" ", question)
    )
    text = _PUTS_UP_WITH.sub(" ", text)
    text = _CIRCUMSTANCE.sub(" ", _BREAKS.sub("breaks", text))
    text, n_too = _TOO.subn(" ", text)
    return sum(_votes_of_clause(_TOKEN.findall(clause)) for clause in _CLAUSE.split(text)) - 2 * n_too


def _votes_of_clause(tokens: list[str]) -> int:
    votes = 0
    for place, token in enumerate(tokens):
        behind = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token in _GOOD_EN:
            # 'A strong smell' is no praise of the smell, and 'rips easily' none of how.
            votes += behind not in _BAD_EN and (not place or tokens[place - 1] not in _BAD_EN)
        elif token in _BAD_EN:
            votes -= _said_of_it(token, tokens[:place], behind)
    return votes


def _said_of_it(word: str, before: list[str], behind: str) -> bool:
    """Whether a bad word is said of the product, and not of a thing that it has to do with."""
    undoes = [
        each in _REMEDIES and (not place or before[place - 1] not in _ARTICLES)  # 'the filter' undoes nothing
        for place, each in enumerate(before)
    ]
    rest = [
        (each, undone)
        for each, undone in zip(before, undoes, strict=True)
        if undone or each not in _BETWEEN | _BAD_EN | _GOOD_EN
    ]
    if any(undone for _, undone in rest[-2:]):
        return False
    anchor = rest[-1][0] if rest else ""
    of_a_noun = bool(behind) and behind not in _FUNCTION
    if of_a_noun and word in _VERSIONS and anchor in ("there", "has", "have", "got"):
        return False
    return not of_a_noun or anchor in {"", *_SAID_OF_IT}


def _votes_zh(question: str) -> int:
    votes = -2 * len(_TOO_ZH.findall(question))
    for found in _WORD_ZH.finditer(question):
        word, before, behind = found[0], question[: found.start()], question[found.end() :]
        if word in _GOOD_ZH:
            votes += 1
            continue
        of_a_noun = word in _DESCRIBES_ZH and not _TAIL_ZH.match(behind)
        away = _REMEDY_ZH.search(before) or (word == "掉" and _TAKES_AWAY_ZH.search(before))
        votes -= not (of_a_noun or away or _UP_TO_ZH.search(behind))
    return votes
