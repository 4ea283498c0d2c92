from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.text.quantities import parse_quantities

READ = {
    "Prada Candy 1.7 Oz For Women": ["1.7 oz"],
    "Hand Therapy (100ml, 3.4 oz)": ["100 ml", "3.4 oz"],
    'Notebook Silver 43.2 cm (17") 1440 x 900 pixels 4 GB DDR2 250 GB HDD': [
        "43.2 cm",
        "17 in",
        "4 GB",
        "250 GB",
    ],
    "500 g": ["500 g"],
    "6-Count": ["6 count"],
    "$50": ["50 USD"],
    "$1,299.00": ["1299 USD"],
    "2 包": ["2 pack"],
    "两包装": ["2 pack"],
    "1.5L": ["1.5 l"],
    "蒙牛纯牛奶250ml*24盒": ["250 ml", "24 pack"],
    "3.4 x 2.1 inches ; 1.44 ounces": ["3.4 in", "2.1 in", "1.44 oz"],
    '10-13/16" x 13-3/16"': ["10.8125 in", "13.1875 in"],
    "75x75厘米": ["75 cm", "75 cm"],
    "Pack of 3": ["3 pack"],
    "0.66 Fluid Ounce": ["0.66 fl oz"],
    "1.8 pounds (": ["1.8 lb"],
    "6 pc(s)": ["6 count"],
    "199元": ["199 CNY"],
    "-8 °C": ["-8 °C"],
    "950mAh": ["950 mAh"],
    "36 months": ["36 month"],
    "tent for 4 people, 4-Person": ["4 person", "4 person"],
    "two-person dome; three adults; seven people": ["2 person", "3 person", "7 person"],
    "双人帐篷 单人床": ["2 person", "1 person"],
    "三人沙发，住四个人，2人": ["3 person", "4 person", "2 person"],
    "4个人，4个装": ["4 person", "4 count"],
    "第二人称，本人，personal": [],
    # letters whose case or place says that they are no units
    "5G phone, 3M tape, 2 in 1, iPhone 6s, Size 9, 15 Color, dv7-1211ea, DDR2": [],
    "10-20": [],
    "": [],
}


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_quantities(text: str, expected: list[str]) -> None:
    assert [str(quantity) for quantity in parse_quantities(text)] == expected


def test_the_same_amount_in_two_units_has_the_same_base() -> None:
    pairs = [
        ("1 kg", "1000 g"),
        ("1.5L", "1500毫升"),
        ("1 in.", "25.4 mm"),
        ("1 lb", "16 oz"),
        ("2斤", "1公斤"),
    ]
    for left, right in pairs:
        (a,), (b,) = parse_quantities(left), parse_quantities(right)
        assert math.isclose(a.base, b.base) and a.dimension == b.dimension


@given(
    st.floats(0.01, 9999).map(lambda x: round(x, 2)),
    st.sampled_from(["g", "ml", "cm", "W", "GB", "kg", "oz"]),
)
def test_what_is_written_is_read(value: float, unit: str) -> None:
    (found,) = parse_quantities(f"A thing, {value:.2f} {unit}, in blue")
    assert (found.value, found.unit) == (value, unit)


@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    assert all(math.isfinite(quantity.value) for quantity in parse_quantities(text))
