"""The one table of what is private in an HTTP exchange: names of headers and parameters, and shapes of keys.

In: a name, in any case. Out: whether it is kept, or names a credential. `SHAPES`: what keys look like, as bytes.

A shape is a literal beginning, which is searched first since that is fast, and what follows it. Only letters, digits, `-`,
`_` and `.` belong to a key, so that no shape reaches across JSON syntax; each is at the beginning of a word, so that no
search begins in the middle of a long one (linear whatever the bytes). Lengths are the shortest that were seen, less a few.

Known weaknesses: a key of no known shape is found by its value alone (`scrub.Secrets.add`); one that a model says token by
token is spread over many events, a piece in each, and is not found.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import attrs

__all__ = ("FRAMING", "SHAPES", "SHORTEST", "Shape", "is_credential", "is_kept", "is_private", "looks_like_a_key")

KEPT = ("content-type", "accept", "anthropic-version", "openai-beta")
"""Request headers that are recorded; others only where the user adds them."""

PRIVATE = (
    *("set-cookie", "set-cookie2", "*organization*", "*organisation*", "*project*", "*-ray", "*-ray-id", "*ray-id*"),
    *("via", "forwarded", "*-ip", "*-addr", "*-address", "x-forwarded-*", "x-served-by", "x-backend*", "x-upstream*"),
    *("*api-base*", "*-host", "x-host-*", "*hostname*", "*upstream-service*", "report-to", "nel"),
)
"""Response headers that are left out: they name an account, a machine or a way through a network."""

FRAMING = frozenset(
    "content-length content-type content-encoding transfer-encoding connection keep-alive date retry-after".split()
)
"""Response headers in which a short value, `1` say, is never taken for a credential."""

_CREDENTIAL = re.compile(
    r"(?:^|[-_.]|api|access|secret|auth|session|client)"
    r"(?:authorization|key|key-?id|token|secret|cookie2?|password|passwd|credentials?|signature|sig|pwd|code|auth)$",
    re.IGNORECASE,
)
"""Names of request headers and of query parameters whose value is a credential."""


@attrs.frozen
class Shape:
    """What a kind of key looks like."""

    of: str
    """Whose it is."""
    begins: bytes
    """Its first characters, always the same."""
    pattern: re.Pattern[bytes]
    """The whole key, where a word begins."""


# Where a word begins: not after a character of a word, or after an escape of JSON or of a URL (`\\nsk-…`, `\\u003dsk-…`,
# `%3Dsk-…`), whose last character would be taken for one.
_WORD_BEGINS = rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
_SOME = rb"[A-Za-z0-9_-]"
# Not all in lower case: `sk-learn-in-a-nutshell-part-one` is a title.
_MIXED = rb"(?=[a-z_-]*[A-Z0-9])"

_TABLE: tuple[tuple[str, bytes, bytes], ...] = (
    ("Anthropic", b"sk-ant-", _SOME + rb"{16,}"),
    ("OpenAI, DeepSeek, OpenRouter, LiteLLM and others", b"sk-", _MIXED + _SOME + rb"{16,}"),
    ("Stripe, ElevenLabs", b"sk_", _MIXED + rb"[A-Za-z0-9_]{16,}"),
    ("Langfuse", b"pk-lf-", _SOME + rb"{16,}"),
    ("OpenAI session", b"sess-", _MIXED + rb"[A-Za-z0-9]{24,}"),
    ("Google", b"AIza", _SOME + rb"{30,}"),
    ("Google OAuth", b"ya29.", rb"[A-Za-z0-9_.-]{19,}[A-Za-z0-9_-]"),
    ("Hugging Face", b"hf_", rb"[A-Za-z0-9]{20,}"),
    ("Hugging Face organisation", b"api_org_", rb"[A-Za-z0-9]{20,}"),
    ("Groq", b"gsk_", rb"[A-Za-z0-9]{20,}"),
    ("xAI", b"xai-", rb"[A-Za-z0-9]{20,}"),
    ("Perplexity", b"pplx-", rb"[A-Za-z0-9]{20,}"),
    ("NVIDIA", b"nvapi-", _SOME + rb"{20,}"),
    ("Fireworks", b"fw_", _MIXED + rb"[A-Za-z0-9]{16,}"),
    ("Cerebras", b"csk-", rb"[A-Za-z0-9]{20,}"),
    ("Together", b"tgp_v1_", _SOME + rb"{20,}"),
    ("Replicate", b"r8_", rb"[A-Za-z0-9]{20,}"),
    ("Databricks", b"dapi", rb"[a-f0-9]{32}(?:-[0-9])?(?![A-Za-z0-9])"),
    ("Jina", b"jina_", _SOME + rb"{20,}"),
    ("Voyage", b"pa-", _MIXED + _SOME + rb"{24,}"),
    ("Tavily", b"tvly-", _MIXED + _SOME + rb"{16,}"),
    ("LangSmith", b"lsv2_", rb"[a-z]{2}_[a-f0-9_]{20,}"),
    ("Anyscale", b"esecret_", rb"[A-Za-z0-9]{16,}"),
    ("GitHub", b"gh", rb"[pousr]_[A-Za-z0-9]{20,}"),
    ("GitHub, fine-grained", b"github_pat_", rb"[A-Za-z0-9_]{20,}"),
    ("GitLab", b"glpat-", _SOME + rb"{16,}"),
    ("Slack", b"xox", rb"[abposr]-[A-Za-z0-9-]{10,}"),
    ("AWS", b"AKIA", rb"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("AWS, temporary", b"ASIA", rb"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("AWS Bedrock", b"ABSK", rb"[A-Za-z0-9]{40,}"),
    ("PyPI", b"pypi-", _SOME + rb"{40,}"),
    ("npm", b"npm_", rb"[A-Za-z0-9]{30,}"),
    ("SendGrid", b"SG.", rb"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("JSON web token", b"eyJ", rb"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)

SHAPES = tuple(
    Shape(of, begins, re.compile(_WORD_BEGINS + re.escape(begins) + follows)) for of, begins, follows in _TABLE
)
"""Every shape of a key that is known."""
SHORTEST = 15
"""The fewest characters of a key with one of these shapes: Slack's `xoxb-` and ten more."""


def is_kept(name: str, more: tuple[str, ...] = ()) -> bool:
    """Return whether a request header is recorded; `more`: patterns (`x-my-*`) that the user adds."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in (*KEPT, *map(str.lower, more)))


def is_private(name: str) -> bool:
    """Return whether a response header is left out."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in PRIVATE)


def is_credential(name: str) -> bool:
    """Return whether a request header or a query parameter of that name carries a credential."""
    return _CREDENTIAL.search(name) is not None


def looks_like_a_key(value: str) -> bool:
    """Return whether a value begins like a key, and is long enough to be one: `sk-12345`."""
    raw = value.encode("utf-8", "replace")
    return len(raw) >= 8 and any(len(one.begins) > 2 and raw.startswith(one.begins) for one in SHAPES)
