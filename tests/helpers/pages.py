"""Pages made by streamkit, read with the standard library."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ("by_id", "classed", "data_of", "parsed", "text_of")

_CODE = re.compile(r"<script>.*?</script>", re.DOTALL)  # ours, without attributes; it is not XML


def parsed(page: bytes) -> Element:
    """The page as a tree: everything in it but our script is well-formed XML, so nothing in it was left open."""
    text = page.decode()
    assert text.startswith("<!DOCTYPE html>\n")
    assert text.count("<script>") <= 1
    return ElementTree.fromstring(_CODE.sub("", text.removeprefix("<!DOCTYPE html>\n")))


def by_id(root: Element, key: str) -> Element:
    (found,) = (one for one in root.iter() if one.get("id") == key)
    return found


def classed(root: Element, word: str, tag: str | None = None) -> list[Element]:
    return [one for one in root.iter(tag) if word in (one.get("class") or "").split()]


def text_of(one: Element) -> str:
    """Its text on one line, a space between elements."""
    return " ".join(" ".join(one.itertext()).split())


def data_of(root: Element) -> Any:
    return json.loads(by_id(root, "data").text or "")
