"""Entries of log probabilities that are written exactly in the format are proved, and mean what decoding them means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamkit import dumps
from streamkit._decode.logprobs_reader import read_exact, read_tokens, written

TOP = '{"token":"a","logprob":-0.5,"bytes":[97]}'


def array(*tops: str) -> bytes:
    return ('[{"token":"b","logprob":-1.25,"bytes":[98],"top_logprobs":[%s]}]' % ",".join(tops)).encode()


def decoded(found: bytes) -> list[Any]:
    noted: list[Any] = []
    tokens = read_tokens(json.loads(found), "", lambda *note: noted.append(note))
    assert not noted
    return tokens


EXACT = {
    "no alternative": array(),
    "one": array(TOP),
    "twenty": array(*[TOP] * 20),
    "with spaces": array(TOP, TOP).replace(b":", b": ").replace(b",", b", "),
    "no bytes": array(TOP.replace("[97]", "null")),
    "no byte": array(TOP.replace("[97]", "[]")),
    "every width of a byte": array(TOP.replace("[97]", "[0,9,10,99,100,199,200,249,250,255,2,25,26]")),
    "escapes": array(TOP.replace('"a"', '"\\\\ \\" \\n \\u00e9 \\u0000 \\/"')),
    "other scripts": array(TOP.replace('"a"', '"\u0434\u1000\U0001f600"')),
    "an exponent": array(TOP.replace("-0.5", "-1.5e-07")),
    "a positive number": array(TOP.replace("-0.5", "0.0")),
    "brackets in a token": array(TOP.replace('"a"', '"},{[]:"')),
    "two tokens": array(TOP)[:-1] + b"," + array(TOP, TOP)[1:],
}


@pytest.mark.parametrize("found", EXACT.values(), ids=list(EXACT))
def test_entries_in_the_format_mean_what_decoding_them_means(found: bytes) -> None:
    tokens = read_exact(found)
    assert tokens is not None
    other = decoded(found)
    assert [[one.kept_bytes for one in each.top_logprobs] for each in other] == [
        [one.kept_bytes for one in each.top_logprobs] for each in tokens
    ]
    assert [one.kept_extra for one in other] == [one.kept_extra for one in tokens]
    assert [dumps(one) for one in other] == [dumps(one) for one in tokens]
    assert other == tokens
    assert repr(other) == repr(tokens)


OTHER = {
    "nothing": b"",
    "no entry": b"[]",
    "null": b"null",
    "an object": b'{"token":"a"}',
    "a byte above 255": array(TOP.replace("97", "256")),
    "a byte with a leading zero": array(TOP.replace("97", "097")),
    "a byte below 0": array(TOP.replace("97", "-1")),
    "a byte that is a fraction": array(TOP.replace("97", "97.0")),
    "true": array(TOP.replace("97", "true")),
    "a comma at the end of the bytes": array(TOP.replace("97", "97,")),
    "a comma at the end of the alternatives": array(TOP + ","),
    "a comma between nothing": array(TOP, "", TOP),
    "no comma": array(TOP + TOP),
    "a comma at the end": array(TOP)[:-1] + b",]",
    "something after the end": array(TOP) + b",",
    "two arrays": array(TOP) + b"," + array(TOP),
    "half of a surrogate pair": array(TOP.replace('"a"', '"\\ud83d"')),
    "a surrogate pair": array(TOP.replace('"a"', '"\\ud83d\\ude00"')),
    "an escape that is none": array(TOP.replace('"a"', '"\\x"')),
    "a control character": array(TOP.replace('"a"', '"\t"')),
    "a line end between values": array(TOP).replace(b",", b",\n"),
    "not UTF-8": array(TOP).replace(b'"a"', b'"\xff"'),
    "half of a surrogate pair as bytes": array(TOP).replace(b'"a"', b'"\xed\xa0\xbd"'),
    "a whole number": array(TOP.replace("-0.5", "-1")),
    "a number with a leading zero": array(TOP.replace("-0.5", "-00.5")),
    "no digit after the point": array(TOP.replace("-0.5", "-1.")),
    "infinity": array(TOP.replace("-0.5", "-Infinity")),
    "a number that is not finite": array(TOP.replace("-0.5", "1.5e999")),
    "null for a number": array(TOP.replace("-0.5", "null")),
    "an unknown field": array(TOP.replace("}", ',"id":5}')),
    "a field twice": array(TOP.replace("}", ',"token":"b"}')),
    "fields in another order": array('{"logprob":-0.5,"token":"a","bytes":[97]}'),
    "a field less": array('{"token":"a","logprob":-0.5}'),
    "null for alternatives": array(TOP).replace(b"[" + TOP.encode() + b"]", b"null"),
    "a second token in another form": array(TOP)[:-1] + b',{"token":"a","logprob":-0.5}]',
}


@pytest.mark.parametrize("found", OTHER.values(), ids=list(OTHER))
def test_anything_else_is_left_to_the_decoder(found: bytes) -> None:
    assert read_exact(found) is None


NUMBERS = {
    "-0.5": True, "0.0": True, "-0.0": True, "1.0": True, "-9999.0": True, "0.0001": True, "-4.59677854": True,
    "-0.0018978118896484375": True, "1.5e-07": True, "-0.50": False, "0.00001": False, "-1.5e-7": False,
    "0.1000": False, "123456789.12345678912": False, "1.5E-07": False,
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_entries_are_written_with_the_same_bytes_where_that_is_said(number: str) -> None:
    found = array(TOP.replace("-0.5", number))
    tokens = read_exact(found)
    assert tokens is not None
    encoded = b"[" + b",".join(dumps(one) for one in tokens) + b"]"
    assert NUMBERS[number] is (encoded == found)
    assert (encoded if NUMBERS[number] else None) == written(tokens)


@pytest.mark.parametrize("text", ['"\\u00e9"', '"\\/"', '"\\u0001"'])
def test_escapes_that_are_written_in_another_way_are_in_doubt(text: str) -> None:
    for found in (
        array(TOP.replace('"a"', text)),
        array(TOP).replace(b":", b": "),
        array(TOP, TOP).replace(b",", b", "),
        array(TOP, TOP)[:-1] + b", " + array(TOP)[1:],
    ):
        tokens = read_exact(found)
        assert tokens
        assert written(tokens) is None
    assert written(list(read_exact(array(TOP)) or ())) is None, "entries from elsewhere"
