"""What is private is replaced wherever it stands and however it is cut; lengths, boundaries and JSON stay as they are."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.in_process import Answering
from helpers.measure import best
from helpers.strategies import cut
from helpers.tier import scaled
from streamkit import Accumulator, RecordingTransport
from streamkit._recording.scrub import HELD, BlockScrubber, Secrets
from streamkit._recording.secret_table import SHAPES
from streamkit.trace import Block, Trace, read_trace

ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "-_"
HEX = "0123456789abcdef"


def word(rng: random.Random, letters: str, count: int) -> str:
    return "".join(rng.choice(letters) for _ in range(count))


# Thirty and more shapes as they are given out: beginning, letters, how many. Independent of the table in the code.
KEYS: dict[str, tuple[str, str, int]] = {
    "openai": ("sk-", ALNUM, 48),
    "openai project": ("sk-proj-", URLSAFE, 124),
    "openai service": ("sk-svcacct-", URLSAFE, 124),
    "openai admin": ("sk-admin-", URLSAFE, 124),
    "anthropic": ("sk-ant-api03-", URLSAFE, 95),
    "anthropic admin": ("sk-ant-admin01-", URLSAFE, 95),
    "openrouter": ("sk-or-v1-", HEX, 64),
    "deepseek": ("sk-", HEX, 32),
    "litellm": ("sk-", URLSAFE, 22),
    "langfuse secret": ("sk-lf-", HEX + "-", 36),
    "langfuse public": ("pk-lf-", HEX + "-", 36),
    "stripe": ("sk_live_", ALNUM, 24),
    "google": ("AIza", URLSAFE, 35),
    "google oauth": ("ya29.", URLSAFE, 120),
    "hugging face": ("hf_", string.ascii_letters, 34),
    "groq": ("gsk_", ALNUM, 52),
    "xai": ("xai-", ALNUM, 80),
    "perplexity": ("pplx-", ALNUM, 48),
    "nvidia": ("nvapi-", URLSAFE, 64),
    "fireworks": ("fw_", ALNUM, 24),
    "cerebras": ("csk-", string.ascii_lowercase + string.digits, 48),
    "together": ("tgp_v1_", URLSAFE, 43),
    "replicate": ("r8_", ALNUM, 37),
    "databricks": ("dapi", HEX, 32),
    "jina": ("jina_", ALNUM, 60),
    "voyage": ("pa-", URLSAFE, 43),
    "tavily": ("tvly-", ALNUM, 32),
    "langsmith": ("lsv2_pt_", HEX, 32),
    "github": ("ghp_", ALNUM, 36),
    "github server": ("ghs_", ALNUM, 36),
    "github fine-grained": ("github_pat_", ALNUM + "_", 82),
    "gitlab": ("glpat-", URLSAFE, 20),
    "slack": ("xoxb-", string.digits + "-" + ALNUM, 50),
    "aws": ("AKIA", UPPER, 16),
    "aws temporary": ("ASIA", UPPER, 16),
    "sendgrid": ("SG.", URLSAFE, 22),
    "npm": ("npm_", ALNUM, 36),
    "pypi": ("pypi-", URLSAFE, 120),
}


def key_of(name: str, rng: random.Random) -> str:
    begins, letters, count = KEYS[name]
    found = begins + word(rng, letters, count)
    return f"{found}.{word(rng, URLSAFE, 43)}" if name == "sendgrid" else found


def token(rng: random.Random) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps({"a": word(rng, ALNUM, 20)}).encode()).decode().rstrip("=")] * 2
    return ".".join([*parts, word(rng, URLSAFE, 43)])


def nobody() -> Secrets:
    return Secrets(environ={})


def knowing(*values: str) -> Secrets:
    secrets = nobody()
    for value in values:
        secrets.add(value)
    return secrets


class TestShapes:
    @pytest.mark.parametrize("name", KEYS)
    def test_a_key_of_each_shape_is_found_wherever_a_word_begins(self, name: str) -> None:
        rng = random.Random(name)
        for _ in range(scaled(50)):
            key = key_of(name, rng)
            for before, after in (
                ("", ""), ("key=", "&x=1"), ('{"k":"', '"}'), ("Bearer ", "\r\n"), ("a\\n", "\\n"), ("\\u003d", " "),
                ("%3D", "%26"), ("(", ")"), ("`", "`"), ("key: ", ". Next"), ("é", "é"),
            ):  # fmt: skip
                text = f"{before}{key}{after}"
                expected = before + "x" * len(key) + after
                found = nobody().text(text)
                assert expected == found

    def test_a_web_token_is_found(self) -> None:
        rng = random.Random(1)
        for _ in range(100):
            found = token(rng)
            assert f'"{"x" * len(found)}"' == nobody().text(f'"{found}"')

    def test_the_table_knows_as_many_as_there_are(self) -> None:
        assert len(SHAPES) >= 30

    def test_ten_thousand_ids_that_are_no_keys_stay(self) -> None:
        """Ids as senders write them. The number of those that are taken for a key is counted: it is none."""
        rng = random.Random(7)
        kinds: tuple[Any, ...] = (
            lambda: f"chatcmpl-{word(rng, ALNUM, 29)}",
            lambda: f"call_{word(rng, ALNUM, 24)}",
            lambda: (
                f"{word(rng, HEX, 8)}-{word(rng, HEX, 4)}-4{word(rng, HEX, 3)}-{word(rng, HEX, 4)}-{word(rng, HEX, 12)}"
            ),
            lambda: f"fp_{word(rng, HEX, 10)}",
            lambda: f"gen-{rng.randrange(10**9)}-{word(rng, ALNUM, 20)}",
            lambda: f"toolu_{word(rng, ALNUM, 24)}",
            lambda: f"msg_{word(rng, ALNUM, 24)}",
            lambda: f"req_{word(rng, HEX, 32)}",
            lambda: word(rng, HEX, 64),
            lambda: base64.b64encode(rng.randbytes(60)).decode(),
            lambda: base64.urlsafe_b64encode(rng.randbytes(60)).decode(),
            lambda: "task-" + word(rng, ALNUM, 24),  # ends like the beginning of a key
            lambda: "-".join(word(rng, string.ascii_lowercase, 6) for _ in range(4)),
        )
        taken = [one for n in range(10_000) if (one := kinds[n % len(kinds)]()) != nobody().text(one)]
        assert [] == taken

    def test_words_that_begin_like_a_key_stay(self) -> None:
        for text in (
            "sk-learn-in-a-nutshell-part-one",
            "risk-averse0123456789abcdef",
            "the pa-system",
            "sess-",
            "AIzawa",
        ):
            assert text == nobody().text(text)

    @pytest.mark.parametrize(
        "piece", [b"eyJ", b"eyJa.", b"sk-", b"sk-a", b"ghp_", b"AIza", b"\\neyJaaaaaaaaa.", b"xoxb-1"]
    )
    def test_the_search_is_linear_whatever_the_bytes(self, piece: bytes) -> None:
        small, large = (piece * (size // len(piece)) for size in (100_000, 400_000))
        once, four_times = best(lambda data: nobody().mask(data), small, large, enough=8)
        assert four_times < 8 * once + 0.01  # quadratic were 16


class TestValues:
    def test_a_long_value_is_found_in_bodies_a_short_one_is_not(self) -> None:
        secrets = knowing("correct horse battery", "test", "EMPTY", "1")
        body = b'{"a":"test","b":1,"c":"correct horse battery","d":"EMPTY"}'
        assert b'{"a":"test","b":1,"c":"xxxxxxxxxxxxxxxxxxxxx","d":"EMPTY"}' == secrets.mask(body)

    def test_a_short_value_with_a_keys_shape_is_found(self) -> None:
        assert b"x: xxxxxxxx." == knowing("sk-12345").mask(b"x: sk-12345.")

    def test_as_json_and_urls_write_it(self) -> None:
        value = 'pa"ss/wörd=1&\\2.3'
        secrets = knowing(value)
        for form in (
            json.dumps(value),
            json.dumps(value, ensure_ascii=False),
            json.dumps(value).replace("/", "\\/"),
            json.dumps(value).replace("&", "\\u0026"),
            json.dumps(value).replace("&", "\\u0026").replace("=", "\\u003d"),
        ):
            found = secrets.text(form)
            assert "ss" not in found
            assert len(form.encode()) == len(found.encode())
            json.loads(found)
        assert "q=" + "x" * 32 == secrets.text("q=pa%22ss%2Fw%C3%B6rd%3D1%26%5C2.3")

    def test_an_escape_before_it_stays_an_escape(self) -> None:
        value = "nabcdefghijklmnopqrst"
        # "\nabc…" is a line break and the value without its first letter: that is no reason to break the JSON.
        assert {"a": "\n" + "x" * 20} == json.loads(knowing(value).mask(b'{"a":"\\nabcdefghijklmnopqrst"}'))
        assert {"a": "\\" + "x" * 21} == json.loads(knowing(value).mask(b'{"a":"\\\\nabcdefghijklmnopqrst"}'))

    @pytest.mark.parametrize(
        "value",
        [
            "1234567890123456",
            "-0.12345678901234e-5",
            "1,2,3,4,5,6,7,8,9",
            '{"a":[1234567,1234567]}',
            "[1,2,true,false,null]",
        ],
    )
    def test_what_could_stand_outside_of_a_string_never_breaks_json(self, value: str) -> None:
        for document in (
            f'{{"a":[{value}]}}',
            f'{{"a":"{value}"}}' if '"' not in value else "[]",
            json.dumps({"a": value}),
        ):
            found = knowing(value).text(document)
            assert len(document) == len(found)
            json.loads(found)

    @given(
        st.text(alphabet='ab1-."\\{}[],:é/=&\n ', min_size=16, max_size=30),
        st.recursive(st.text(alphabet='ab1"\\n', max_size=9) | st.integers() | st.none() | st.booleans(), st.lists),
        st.booleans(),
    )
    def test_json_stays_json_of_the_same_length(self, value: str, around: Any, ascii_only: bool) -> None:
        document = json.dumps(
            {"a": around, value: [value, f"{around}{value}", 1234567890123456]}, ensure_ascii=ascii_only
        )
        found = knowing(value, "1234567890123456").text(document)
        assert len(document.encode()) == len(found.encode())
        inside = json.loads(found)["a"]
        assert type(around) is type(inside)
        if value.strip() == value and value.strip("x"):
            assert json.dumps(value.strip(), ensure_ascii=ascii_only)[1:-1] not in found or not re.search("[ab]", value)

    def test_the_environments_keys_are_values_other_variables_are_not(self) -> None:
        environ = {"MY_API_KEY": "a" * 20, "GH_TOKEN": "b" * 20, "THE_SECRET": "c" * 20, "KEYBOARD": "d" * 20}
        found = Secrets(environ=environ).text("a" * 20 + " " + "b" * 20 + " " + "c" * 20 + " " + "d" * 20)
        assert "x" * 20 + " " + "x" * 20 + " " + "x" * 20 + " " + "d" * 20 == found

    def test_what_was_replaced_before_is_nothing_new(self) -> None:
        secrets = knowing("x" * 40)
        assert "x" * 40 == secrets.text("x" * 40)
        assert not secrets.found


class TestHeaders:
    def test_request_headers_are_kept_by_a_list_and_what_the_user_adds(self) -> None:
        headers = [
            ("Content-Type", "application/json"),
            ("X-Mine", "1"),
            ("User-Agent", "u"),
            ("Anthropic-Version", "v"),
        ]
        assert (headers[0], headers[3]) == nobody().request_headers(headers)
        assert (headers[0], headers[1], headers[3]) == Secrets(environ={}, keep=("x-mi*",)).request_headers(headers)

    def test_response_headers_that_name_an_account_or_a_machine_go(self) -> None:
        gone = [
            "Set-Cookie",
            "openai-organization",
            "openai-project",
            "CF-RAY",
            "x-litellm-model-api-base",
            "Via",
            "x-served-by",
        ]
        headers = [(name, "1") for name in [*gone, "Content-Type", "x-request-id", "Server"]]
        assert (*headers[-3:],) == nobody().response_headers(headers)

    def test_credentials_of_the_request_are_found_in_what_is_kept(self) -> None:
        secrets = nobody()
        secrets.add_header("Authorization", "Bearer token-of-nobody-1")
        secrets.add_header("X-Api-Key", "key-without-a-shape")
        secrets.add_header("Cookie", "session=0123456789abcdefg; theme=dark")
        basic = base64.b64encode(b"me:password-in-the-basic").decode()
        secrets.add_header("Proxy-Authorization", f"Basic {basic}")
        secrets.add_header("Content-Type", "application/json")
        text = f"token-of-nobody-1 key-without-a-shape 0123456789abcdefg password-in-the-basic {basic} application/json"
        assert text[-16:] == secrets.text(text)[-16:]
        assert "" == secrets.text(text)[:-16].replace("x", "").strip()

    def test_a_short_credential_is_replaced_where_it_is_the_whole_value(self) -> None:
        secrets = nobody()
        secrets.add_header("Authorization", "Bearer 1")
        headers = (("x-echo", "Bearer 1"), ("x-n", "1"), ("content-length", "1"), ("x-m", "10"))
        expected = (("x-echo", "Bearer x"), ("x-n", "x"), ("content-length", "1"), ("x-m", "10"))
        assert expected == secrets.response_headers(headers)

    def test_credentials_in_a_query_are_replaced_whatever_their_length(self) -> None:
        secrets = nobody()
        path = "/v1/m:stream?key=test&alt=sse&access_token=a%2Fb&max_tokens=5&monkey=1"
        secrets.add_query(path)
        assert "/v1/m:stream?key=xxxx&alt=sse&access_token=xxxxx&max_tokens=5&monkey=1" == secrets.path(path)
        assert secrets.found


KEY = "sk-proj-Ab0_dE1fGh2iJk3lMn4oPq5r"
BODY = f'data: {{"choices":[{{"delta":{{"content":"your key is {KEY}, keep it"}}}}]}}\n\ndata: [DONE]\n\n'.encode()


class TestBlocks:
    def test_cut_anywhere_it_is_found_and_the_boundaries_stay(self) -> None:
        expected = BODY.replace(KEY.encode(), b"x" * len(KEY))
        for secrets in (nobody, lambda: knowing(KEY)):
            for at in range(len(BODY) + 1):
                scrubber = BlockScrubber(secrets())
                found = [one for block in (Block(1, BODY[:at]), Block(2, BODY[at:])) for one in scrubber.feed(block)]
                found += scrubber.close()
                assert [(1, expected[:at]), (2, expected[at:])] == [(one.t, one.data) for one in found]

    @given(
        st.lists(
            st.sampled_from([KEY, "token of nobody/1", "\n", "data: ", '"', "\\n", "sk-", "a", "eyJ", ".", " "]),
            max_size=12,
        ),
        st.data(),
    )
    def test_whatever_the_cut_the_same_bytes_are_replaced(self, parts: list[str], data: st.DataObject) -> None:
        body = "".join(parts).encode()
        whole = knowing("token of nobody/1").mask(body)
        pieces = data.draw(cut(body))
        scrubber = BlockScrubber(knowing("token of nobody/1"))
        found = [one for n, piece in enumerate(pieces) for one in scrubber.feed(Block(n, piece))] + scrubber.close()
        assert [len(piece) for piece in pieces] == [len(one.data) for one in found]
        assert [*range(len(pieces))] == [one.t for one in found]
        assert whole == b"".join(one.data for one in found)

    def test_a_block_that_ends_an_event_is_settled_at_once(self) -> None:
        scrubber = BlockScrubber(knowing("token of nobody/1"))
        for block in BODY.replace(KEY.encode(), b"none").split(b"\n\n")[:-1]:
            assert [Block(0, block + b"\n\n")] == scrubber.feed(Block(0, block + b"\n\n"))

    def test_one_word_without_end_is_held_no_longer_than_its_limit(self) -> None:
        scrubber = BlockScrubber(nobody())
        given_ = 0
        for _ in range(40):
            given_ += sum(len(one.data) for one in scrubber.feed(Block(0, b"A" * 8000)))
            assert scrubber._size <= HELD + 8000
        assert given_ > 200_000
        assert 320_000 == given_ + sum(len(one.data) for one in scrubber.close())

    def test_a_users_function_sees_whole_lines_and_its_findings_go(self) -> None:
        seen: list[str] = []

        def find(text: str) -> list[str]:
            seen.append(text)
            return re.findall(r"[\w.]+@[\w.]+", text)

        scrubber = BlockScrubber(Secrets(find, environ={}))
        found = (
            scrubber.feed(Block(0, b'data: "ann@exam')) + scrubber.feed(Block(1, b'ple.org"\n\n')) + scrubber.close()
        )
        assert [b'data: "xxxxxxxx', b'xxxxxxx"\n\n'] == [one.data for one in found]
        assert all(text.endswith("\n") or not text for text in seen)


def test_an_exchange_in_which_the_key_stands_everywhere_is_recorded_without_it(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    body = BODY.replace(b"keep it", b"k\xc3\xa9ep it")
    for at in range(0, len(body), 3):
        answer = Trace(
            status=200,
            headers=(("X-Echo", f"Bearer {KEY}"), ("Content-Type", "text/event-stream")),
            blocks=(Block(0, body[:at]), Block(0, body[at:])),
        )
        path = tmp_path / f"{at}.trace.jsonl"
        with httpx.Client(transport=RecordingTransport(Answering(answer), path), headers={"api-key": KEY}) as http:
            got = http.post(f"http://s.test/v1?api_key={KEY}", json={"messages": [{"content": f"my key: {KEY}"}]})
        assert body == got.content
        raw = path.read_bytes()
        assert KEY.encode() not in raw
        trace = read_trace(path)
        assert body.replace(KEY.encode(), b"x" * len(KEY)) == trace.body
        assert [len(block.data) for block in answer.blocks if block.data] == [len(block.data) for block in trace.blocks]
        assert "recorded-sanitized" == trace.provenance
        assert {"messages": [{"content": f"my key: {'x' * len(KEY)}"}]} == trace.request
        assert f"/v1?api_key={'x' * len(KEY)}" == trace.path
        accumulator = Accumulator()
        accumulator.feed(trace.body)
        assert accumulator.close().ok or accumulator.snapshot() is not None


def test_not_scrubbing_is_one_explicit_argument_and_the_trace_says_so(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    transport = RecordingTransport(Answering(Trace(blocks=(Block(0, BODY),))), tmp_path / "x.jsonl", scrub=False)
    with httpx.Client(transport=transport, headers={"api-key": KEY}) as http:
        http.get("http://s.test/")
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("recorded-unscrubbed", BODY) == (trace.provenance, trace.body)
    assert ("api-key", KEY) in trace.request_headers


def test_what_a_users_function_finds_goes_from_the_request_too(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    find = re.compile(r"[\w.]+@[\w.]+").findall
    transport = RecordingTransport(Answering(Trace(blocks=(Block(0, b"x\n"),))), tmp_path / "x.jsonl", scrub=find)
    with httpx.Client(transport=transport) as http:
        http.post("http://s.test/?u=a@b.c", json={"user": "ann@example.org"})
    trace = read_trace(tmp_path / "x.jsonl")
    assert ({"user": "x" * 15}, "/?u=xxxxx") == (trace.request, trace.path)
