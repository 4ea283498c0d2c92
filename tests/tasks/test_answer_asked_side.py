"""Which side of a product a question asks for, as customers ask it."""

from __future__ import annotations

import pytest

from retailor.tasks.answer.forms.asked_side import asks_for_bad_side

UP_TO_IT = """
can I use it in heavy rain?
does it work on hard floors?
is it ok for small dogs?
does it work on greasy pans?
can it be used on wet grass?
does it stay put on a wobbly table?
is it suitable for oily skin?
does it help with itchy skin?
can I read it in dim light?
does it fit in a small bag?
will it hold a heavy laptop?
does it clean burnt pots?
is it good for loud rooms?
does it cover scratched floors?
can a small child use it?
does it remove rust?
does it get rid of bad smells?
does it stop leaks?
will it fix a leaking tap?
does it block noise?
is it quiet?
is it sturdy?
is it easy to set up?
is the sound clear?
does it dry fast?
will it last?
大雨天能用吗
小狗能吃吗
适合油腻皮肤吗
硬地板能用吗
能装重物吗
小孩能用吗
能除臭吗
能去异味吗
能隔音降噪吗
防水吗
防滑吗
结实吗
安静吗
小房间能放下吗
would this suit someone with weak wrists?
is this okay on damp skin after a shower?
can you wash it if it gets greasy?
will my small kitchen have space for it?
is it thick enough for cold nights?
can it take a hard knock?
would it cut through tough cardboard?
does it keep drinks warm on a slow train ride?
is the fabric breathable in damp weather?
does it take out rust stains?
will it mask a burnt smell in the kitchen?
does this work for dead batteries?
can the case survive a fall onto concrete?
does it pick up small crumbs?
is it safe with sticky little fingers?
would it be comfortable for a heavy person?
can I get it in a small size?
does it come in dark blue?
is there a dark version?
do you find the instructions clear?
is the handle sturdy?
is the fit true to size?
has anyone used it on rough trails?
does it soften hard water?
能洗掉油腻的锅吗
皮肤容易过敏能用吗
小户型适合吗
硬水地区可以用吗
湿头发能用吗
能治好漏水的水龙头吗
老人用方便吗
重的东西放得下吗
薄被子能洗吗
暗的房间看得清吗
做工精细吗
小手能握住吗
can I put hot soup in it?
does it hold up in rough seas?
is it suitable for damp basements?
can it lift heavy furniture?
does the cream calm irritated skin?
is it okay for hard of hearing people?
does it grip wet dishes well?
is the bag waterproof?
would a small woman be comfortable in it?
do you sell it in a small pack?
is it gentle enough for itchy scalps?
does it really stop snoring noise?
can you fold it into a small pouch?
is it good value?
do the batteries last long?
婴儿敏感皮肤可以用吗
能不能去油污
小个子穿合适吗
旧手机慢的能加速吗
掉毛的狗能用吗
声音清楚吗
卫生间潮湿能放吗
破洞能补吗
can it get wet?
能用太阳能充电吗
"""
OF_THE_BAD_SIDE = """
is it heavy?
is it too heavy to carry?
is it hard to clean?
does it leak?
does it leak in heavy rain?
is it loud?
does it get hot and burn?
does the zip jam?
does it smell bad?
is there a strong smell?
does it have a heavy smell?
is it difficult to assemble?
does it rust?
does it scratch the floor?
does it feel cheap?
does it wobble?
is it too small?
does it fall apart after a year?
will it crack if I drop it?
does the colour fade?
会漏水吗
重不重
吵不吵
噪音大吗
味道大吗
有异味吗
会生锈吗
容易坏吗
硬不硬
会掉色吗
难装吗
会卡住吗
贵不贵
会不会太小
会不会太厚
is it likely to leak?
are the straps uncomfortable?
is the motor noisy?
has anyone had it leak?
do the seams rip easily?
is the material thin and flimsy?
did yours arrive late?
is it a heavy bag?
does the fan make a loud buzz?
does it get stuck?
will it tear if the cat scratches it?
do the buttons stick?
is it bulky in a backpack?
does it leave stains on clothes?
are there any problems with the charger?
is the screen too dim outdoors?
does the paint peel off?
is the lid loose?
any noise at night?
does it wear out quickly?
is it overpriced?
are the edges rough?
does it slip on tiles?
does the handle get too hot?
关门声大不大，吵吗
用久了会松吗
材质是不是很薄
容易断吗
背着沉不沉
会不会掉毛
有没有毛刺
装起来麻烦吗
夏天穿闷不闷
质量差吗
有什么问题吗
会起球吗
声音模糊吗
is the plastic cheap?
is the noise a problem?
did anyone find it hard to open?
does the coating flake or peel?
do the legs wobble on carpet?
is it difficult for old people to use?
is it tight around the waist?
does it burn your fingers?
are there sharp or rough edges?
is the cable stiff?
does it tip over when full?
is shipping slow?
味道刺鼻吗
是不是很吵
用起来卡不卡
穿着扎吗
封口会漏吗
螺丝松不松
线会不会断
拿着重吗
容易卡住吗
客服态度敷衍吗
does the filter clog?
does the cover leak?
is it bad for the environment?
the kettle, does it rust?
"""


@pytest.mark.parametrize("question", UP_TO_IT.strip().split("\n"))
def test_bad_words_of_what_it_is_used_with_do_not_ask_for_the_bad_side(question: str) -> None:
    assert not asks_for_bad_side(question)


@pytest.mark.parametrize("question", OF_THE_BAD_SIDE.strip().split("\n"))
def test_bad_words_said_of_the_product_do(question: str) -> None:
    assert asks_for_bad_side(question)
