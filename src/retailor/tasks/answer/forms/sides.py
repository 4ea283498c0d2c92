# ruff: noqa: E501 (words a line)
"""Words for and against a product in what customers write and ask of one side of it; of no shop in particular."""

from __future__ import annotations


def listed(words: str) -> tuple[str, ...]:
    """The words of a table of words."""
    return tuple(words.split())


GOOD = listed("""
good well nice fine lovely delightful pleasant decent brilliant fabulous adorable delicious tasty yummy glad enjoy enjoyed comfortable comfy soft sturdy solid durable reliable quiet silent crisp clear bright light lightweight easy easily
simple quick quickly fast smooth smoothly warm dry waterproof watertight strong tough roomy gentle fresh clean beautiful beautifully
helpful friendly accurate secure stable safe fair worth value impressive handy effective effortless effortlessly fits survived survives
holds adores enjoys thrilled flawless flawlessly gorgeous early
好 舒服 舒适 柔软 结实 耐用 扎实 牢固 安静 清晰 清楚 简单 方便 轻松 轻便 快 顺滑 流畅 保暖 暖和 防水 不漏 温和 清爽 干净 漂亮 精美 精致 细致
稳 安全 实惠 划算 值 超值 合适 有效 管用 好用 好吃 爱吃 爱喝 香 精细 严实 放心
""")  # fmt: skip
BAD = listed("""
uncomfortable hard stiff scratchy rough flimsy fragile weak cheap cheaply loose loud noisy hiss hisses hissed buzz muffled tinny dim dark heavy bulky difficult
slow late leak leaks leaked leaking soaked wet damp rust rusts rusted jam jams jammed jamming stuck sticks sticky greasy oily burns burned burnt
smell smells smelled stink stinks reeks stench tear tears tore torn rip rips ripped crack cracks cracked crushed crumbled split splits scratched
peels peeled faded stained wobbly wobbles unstable dangerous tight small overpriced expensive rude unhelpful ignored ignores useless fell falls apart pieces died dies
dead stopped fails failed failure missing crooked painful itchy irritated rash overheats clogs clogged disconnects drops lag lags flickers
不舒服 硬 粗糙 扎 薄 松 吵 噪音 杂音 模糊 暗 重 沉 笨重 难 麻烦 慢 漏 漏水 渗水 湿 生锈 卡 卡住 粘 黏 油腻 糊 臭 刺鼻 异味 破 裂 断 掉 掉色 褪色 晃
不稳 危险 小 太小 贵 太贵 不值 坏 不理 敷衍 推来推去 恶劣 压扁 迟到 散架 过敏 红肿 脱皮 断连 断线 卡顿 闷 刮 毛刺
""")  # fmt: skip
