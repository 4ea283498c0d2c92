"""What a text says by words that everybody knows: praise and blame, the same about every product."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.scripts import CJK

# Words that mean the same about every product: no size, colour, taste or speed.
PRAISE = tuple(re.findall(r"\S+", """
    great excellent amazing awesome perfect perfectly love loved loves wonderful fantastic superb pleased best
    happy recommend recommended delighted 很好 非常好 挺好 不错 满意 喜欢 值得 推荐 给力 好评 赞 棒 完美
"""))  # fmt: skip
BLAME = tuple(re.findall(r"\S+", """
    terrible awful horrible worst waste wasted disappointed disappointing disappointment useless garbage junk
    poor poorly broke refund returned defective bad boring
    很差 太差 垃圾 失望 差评 退货 坏了 后悔 不好 不行 烂 骗 糟糕
"""))  # fmt: skip
_IS_CJK = re.compile(f"[{CJK}]")
_NOT_EN = r"(?:\b(?:not|never|no|hardly|cannot|without)\b|n['’]t\b)\s+(?:\w+\s+){0,2}?"
# "Who doesn't love it?" denies nothing; "for those who don't love it" does.
_NO_DENIAL = re.compile(
    r"((?:^|[^\w\s'’])\s*|\b(?:and|but|so|because|plus)\s+)"
    r"(?:who (?:do(?:es)?|did|would|could)(?:n['’]t| not)\b|what(?:['’]s| is) not to\b)"
)
_NOT_ZH = r"(?:不太|不怎么|不是很|不够|不会|不是|没有|没|不|无法|别)"


@dataclass(frozen=True)
class OpinionWords:
    """Words of praise and of blame, English and Chinese or any other given."""

    praise: tuple[str, ...] = PRAISE
    blame: tuple[str, ...] = BLAME

    def votes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Words of praise less words of blame in each text [n]; a denied one counts for the other side."""
        signs = dict.fromkeys(self.praise, 1) | dict.fromkeys(self.blame, -1)
        pattern = _pattern(signs)
        found = np.zeros(len(texts))
        for row, text in enumerate(texts):
            for match in pattern.finditer(_NO_DENIAL.sub(r"\1", text.lower())):
                sign = signs[match["word"]]
                found[row] += -sign if match["not"] else sign
        return found


def _pattern(words: Sequence[str] | dict[str, int]) -> re.Pattern[str]:
    """One match a word, with what denies it in the group 'not'; the longest of overlapping words wins."""
    ordered = sorted(words, key=len, reverse=True)
    cjk = [re.escape(word) for word in ordered if _IS_CJK.search(word)]
    other = [rf"\b{re.escape(word)}\b" for word in ordered if not _IS_CJK.search(word)]
    # A lone branch keeps the names of the groups unique, as Python wants them.
    return re.compile(f"(?P<not>{_NOT_EN}|{_NOT_ZH})?(?P<word>{'|'.join([*cjk, *other]) or '(?!)'})")
