"""The repeated elements of an XML feed as rows, read as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any
from xml.etree import ElementTree

from retailor.errors import DataError
from retailor.shop.files.packed import BROKEN

ROWS = ("item", "entry", "product", "offer", "row", "record", "article")
_BATCH = 5_000
_PIECE = 1 << 20
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_LONGEST_SIGN = len(b"<!DOCTYPE")
_MOST_CHILDREN = 1_000

Row = dict[str, str]


def xml_rows(name: str, stream: IO[bytes]) -> Iterator[list[tuple[int, Row]]]:
    """Batches of the number of an element, from 1, and its fields: names without their namespaces to texts.

    A row is the first of ROWS that stands in the file; of a field that stands there twice the first counts.
    Raises DataError for broken XML, and for a document type, which can make a small file a huge one.
    """
    parser: Any = ElementTree.XMLPullParser(["start", "end"])
    batch: list[tuple[int, Row]] = []
    n, row_tag, depth, at, tail = 0, "", 0, 0, b""
    try:
        for piece in iter(lambda: stream.read1(_PIECE), b""):  # type: ignore[attr-defined]
            letters = tail + piece.replace(b"\0", b"")  # of UTF-16 too, and over the ends of pieces
            tail = letters[1 - _LONGEST_SIGN :]
            if _DOCTYPE.search(letters):
                raise DataError("its document type may hold entities: export it without one.", path=name)
            parser.feed(piece)
            for event, element in parser.read_events():
                tag = _local(element.tag)
                if event == "start":
                    depth += 1
                    if not row_tag and tag in ROWS and depth > 1:
                        row_tag, at = tag, depth
                    continue
                if tag == row_tag and depth == at:
                    n += 1
                    batch.append((n, _fields(element)))
                    element.clear()
                    if len(batch) == _BATCH:
                        yield batch
                        batch = []
                depth -= 1
        parser.close()
    except ElementTree.ParseError as error:
        raise DataError(f"the XML is cut off or broken ({error}).", path=name) from None
    except BROKEN as error:
        raise DataError(f"the packed file is cut off or corrupt ({error}).", path=name) from None
    if batch:
        yield batch
    if not n:
        raise DataError(f"this XML holds none of <{'>, <'.join(ROWS)}>: export it as CSV or JSON.", path=name)


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


def _fields(element: ElementTree.Element) -> Row:
    row: Row = {}
    for child in list(element)[:_MOST_CHILDREN]:
        text = (child.text or child.get("href") or "").strip()
        if text:
            row.setdefault(_local(child.tag), text)
    return row
