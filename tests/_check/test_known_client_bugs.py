"""What is known of clients: a table that names nothing which is not there, and the page that is made of it."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from streamkit import CODES
from streamkit._check.known_client_bugs import CLIENTS, clients_of
from streamkit._check.observations import OBSERVATIONS
from streamkit.outcome import REASONS

ROOT = Path(__file__).resolve().parents[2]
THREAD = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/[1-9]\d*")
EVERY = [client for known in CLIENTS.values() for client in known]
TOLD_OF = {**CODES, **{code: row for code, row in OBSERVATIONS.items() if code not in CODES}}


@pytest.mark.parametrize("code", CLIENTS)
def test_every_code_is_an_anomaly_a_trait_or_how_a_stream_ends(code: str) -> None:
    endings = {reason for reason, (name, _) in REASONS.items() if name != "complete"}
    assert code in {*CODES, *OBSERVATIONS, *endings}


@pytest.mark.parametrize("code", CLIENTS)
def test_a_code_stands_in_the_table_only_if_something_is_known_and_nothing_twice(code: str) -> None:
    known = CLIENTS[code]
    assert known
    assert len(known) == len(set(known))


def test_what_a_client_does_is_said_in_a_few_words() -> None:
    assert [] == [client for client in EVERY if not re.fullmatch(r"[^.\s].{1,75}[^.\s]", client.effect)]


def test_a_source_is_the_address_of_a_public_thread() -> None:
    assert [] == [one for one in EVERY if one.source is not None and not THREAD.fullmatch(one.source)]


def test_a_client_is_a_library_or_the_repository_of_its_thread() -> None:
    for client in EVERY:
        if "/" in client.name:
            assert "" == client.version
            assert (client.source or "").startswith(f"https://github.com/{client.name}/")


def test_a_library_has_one_version_wherever_it_was_run() -> None:
    versions: dict[str, set[str]] = {}
    for client in EVERY:
        if client.version:
            versions.setdefault(client.name, set()).add(client.version)
    assert [] == [name for name, found in versions.items() if len(found) > 1]
    assert all(re.fullmatch(r"[0-9.]+", version) for found in versions.values() for version in found)


def test_where_nothing_is_known_there_are_no_clients() -> None:
    assert () == clients_of("more_anomalies")
    assert () == clients_of("no such code")
    assert CLIENTS["null_event"] == clients_of("null_event")


# --- the page


@cache
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_anomalies", ROOT / "docs" / "make_anomalies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_anomalies_is_up_to_date() -> None:
    made = page()
    assert made.page() == made.PAGE.read_text("utf-8"), "write it anew: python docs/make_anomalies.py"


def test_the_page_has_a_section_for_every_code_and_every_trait() -> None:
    text = page().page()
    heads = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert list(TOLD_OF) == heads[: len(TOLD_OF)]
    assert len(heads) == len(set(heads))
    for severity, message, action in TOLD_OF.values():
        assert f"*{severity}.* {message} {action}" in text


def test_the_page_names_every_public_thread() -> None:
    text = page().page()
    assert set() == {one.source for one in EVERY if one.source is not None and f"({one.source})" not in text}
