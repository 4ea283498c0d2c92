"""Every kind of reader keeps the contract."""

from __future__ import annotations

import json
from typing import Any

from retailor.testing.readers import ReaderContract


def dumped(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row, ensure_ascii=False).encode() for row in rows]


class TestAmazon2014(ReaderContract):
    reader = "amazon-2014"

    def lines(self) -> list[bytes]:
        return dumped(
            [
                {
                    "reviewerID": f"A{i}", "asin": "0000013714", "reviewerName": "J. M.", "helpful": [2, 3],
                    "reviewText": "Très bon achat", "overall": 5.0, "summary": "Heavenly Highway Hymns",
                    "unixReviewTime": 1252800000 + i, "reviewTime": "09 13, 2009",
                }
                for i in range(4)
            ]
        )  # fmt: skip

    def rows(self) -> dict[str, int]:
        return {"events": 4, "reviews": 4}


class TestAmazon2014Literals(TestAmazon2014):
    """The old files hold Python literals."""

    def lines(self) -> list[bytes]:
        return [repr(json.loads(line)).encode() for line in super().lines()]


class TestAmazon2018(ReaderContract):
    reader = "amazon-2018"

    def lines(self) -> list[bytes]:
        return dumped(
            [
                {
                    "overall": 5.0, "verified": True, "reviewTime": "06 17, 2018", "reviewerID": f"A{i}",
                    "asin": "B004LLIKVU", "style": {"Gift Amount:": " 50"}, "reviewerName": "john",
                    "reviewText": "好 gift.", "summary": "Five Stars", "unixReviewTime": 1529193600,
                }
                for i in range(3)
            ]
        )  # fmt: skip

    def rows(self) -> dict[str, int]:
        return {"events": 3, "reviews": 3}


class TestAmazon2023(ReaderContract):
    reader = "amazon-2023"

    def lines(self) -> list[bytes]:
        return dumped(
            [
                {
                    "rating": 4.0, "title": "Such a lovely scent", "text": "Café", "images": [],
                    "asin": "B00YQ6X8EO",
                    "parent_asin": "B00YQ6X8EP", "user_id": f"AGKHL{i}", "timestamp": 1588687728923,
                    "helpful_vote": 1, "verified_purchase": True,
                }
                for i in range(3)
            ]
        )  # fmt: skip

    def rows(self) -> dict[str, int]:
        return {"events": 3, "reviews": 3}


class TestMetadata2023(ReaderContract):
    reader = "amazon-2023"

    def lines(self) -> list[bytes]:
        return dumped(
            [
                {"main_category": "All Beauty", "title": f"Crème {i}", "average_rating": 4.8, "price": None,
                 "store": "Howard", "details": {"Package": "7 x 5"}, "parent_asin": f"B{i}"}
                for i in range(3)
            ]
        )  # fmt: skip

    def rows(self) -> dict[str, int]:
        return {"items": 3}


class TestQuestions(ReaderContract):
    reader = "amazon-questions"

    def lines(self) -> list[bytes]:
        return [
            repr({"questionType": "yes/no", "asin": f"B{i}", "answerTime": "Jun 27, 2014",
                  "unixTime": 1403852400, "question": "Does it fit a 5″ pipe?",
                  "answerType": "?", "answer": "It's fine"}).encode()
            for i in range(3)
        ]  # fmt: skip

    def rows(self) -> dict[str, int]:
        return {"questions": 3}


class TestTaobao(ReaderContract):
    reader = "taobao"
    file_name = "UserBehavior.csv"
    broken = b"100370,1968385,1875258,pv"

    def lines(self) -> list[bytes]:
        # ids are numbers in the real file; text in one keeps the encodings apart
        kinds = enumerate(("pv", "buy", "fav", "cart"))
        return [f"用户{i},{2268318 + i % 2},2520377,{kind},{1511544070 + i}".encode() for i, kind in kinds]

    def rows(self) -> dict[str, int]:
        return {"items": 2, "events": 4}


class TestTable(ReaderContract):
    reader = "tabular"
    file_name = "ratings.csv"
    n_header = 1
    broken = b"u9,i9"
    tables = {  # noqa: RUF012
        "events": {
            "columns": {"user_id": "user", "item_id": "item", "rating": "stars", "time": "when"},
            "constants": {"kind": "rate"},
        }
    }

    def lines(self) -> list[bytes]:
        rows = [f"ü{i},i{i},{1 + i},2024-01-0{1 + i} 10:00:00" for i in range(4)]
        return [line.encode() for line in ["user,item,stars,when", *rows]]

    def rows(self) -> dict[str, int]:
        return {"events": 4}


class TestQuotedTable(TestTable):
    """The same through the record by record path."""

    def lines(self) -> list[bytes]:
        return [
            b'"user",item,stars,when',
            *(b'"' + line.replace(b",", b'",', 1) for line in super().lines()[1:]),
        ]


class TestJsonTable(ReaderContract):
    reader = "tabular"
    file_name = "reviews.jsonl"
    tables = {  # noqa: RUF012
        "reviews": {
            "columns": {
                "user_id": "who.id",
                "item_id": "item",
                "rating": "stars",
                "text": "body",
                "time": "at",
            },
            "time_unit": "ms",
        }
    }

    def lines(self) -> list[bytes]:
        return dumped(
            [
                {"who": {"id": i}, "item": "x", "stars": 5, "body": "schön", "at": 1588687728923 + i}
                for i in range(3)
            ]
        )

    def rows(self) -> dict[str, int]:
        return {"reviews": 3}


class TestPolarity(ReaderContract):
    reader = "amazon-polarity"
    file_name = "train.dat"
    broken = b"no label here"

    def lines(self) -> list[bytes]:
        return ["A fine café$LABEL$1".encode(), b"Junk!$LABEL$0", b"Well.$LABEL$1"]

    def rows(self) -> dict[str, int]:
        return {"reviews": 3}


class TestEvidence(ReaderContract):
    reader = "semipqa"
    file_name = "ranking_dev.csv"
    n_header = 1
    broken = b"1\t2"

    def lines(self) -> list[bytes]:
        rows = [f"{q}\t{n}\tWhat age für this?\tage: {n}\t{n % 2}" for n, q in enumerate((7, 7, 8, 7))]
        return [line.encode() for line in ["qid\tqa_pair_id\tquestion\tcandidate\tlabel", *rows]]

    def rows(self) -> dict[str, int]:
        return {"questions": 2}
