"""Which fields of a message go on to the next connection, and which framing is none. Pure."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("Headers", "has_both", "kept")

Headers = Iterable[tuple[bytes, bytes]]

# Of one connection, not of the message (RFC 9110, Section 7.6.1), or written anew for the next one.
_OF_THE_CONNECTION = frozenset(
    b"connection expect host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
_BOTH = frozenset((b"content-length", b"transfer-encoding"))


def kept(headers: Headers, *others: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields that go on: not those of the connection, those that `Connection` names, and `others`."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    gone = {*_OF_THE_CONNECTION, *others, *(name.strip() for name in named.lower().split(b","))}
    return [(name, value) for name, value in headers if name.lower() not in gone]


def has_both(headers: Headers) -> bool:
    """Return whether a message has both framings, by which requests are smuggled (RFC 9112, Section 6.3)."""
    return _BOTH.issubset(name.lower() for name, _ in headers)
