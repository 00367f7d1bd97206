"""Secrets out of traces that are already written: in memory, and in a file.

In: a `Trace`, or the path of one. Out: the same without what is private, and whether anything was found; the file is replaced
where something was. Holds one line of a file, and what `BlockScrubber` holds.

Rule 1  What a recorder would not have written goes: request headers that are not on the list, response headers that name an
        account or a machine; and the credentials in them are searched everywhere else.
Rule 2  A file that has nothing private in it is not touched. One that has is replaced whole or not at all, under its version
        of the format if that is 2; a torn one stays torn.
Rule 3  A body that is still encoded cannot be searched: that counts as a finding, and only recording it again mends it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import attrs

from .._trace_files import plain_name
from ..trace import Block, Ending, Head, Trace, TraceWriter, iter_trace
from .scrub import BlockScrubber, Find, Secrets

__all__ = ("Finding", "scrub_file", "scrubbed", "scrubbed_header")

_SANITIZED = "-sanitized"


@attrs.frozen
class Finding:
    """What was found in a trace."""

    secrets: bool
    """Whether anything private was there, and was replaced."""
    encoded: str
    """The encoding of a body that could not be searched; empty as a rule."""

    def __bool__(self) -> bool:
        return self.secrets or bool(self.encoded)


def scrubbed(trace: Trace, find: Find | None = None, *, keep: tuple[str, ...] = ()) -> tuple[Trace, Finding]:
    """Return a trace without what is private, and what was found. `find`, `keep`: as those of `Secrets`."""
    secrets = Secrets(find, keep=keep)
    header = scrubbed_header(trace, secrets)
    scrubber = BlockScrubber(secrets)
    blocks = [one for block in trace.blocks for one in scrubber.feed(block)] + scrubber.close()
    headers = secrets.response_headers(trace.headers)
    secrets.found |= headers != trace.headers
    clean = attrs.evolve(header, headers=headers, blocks=tuple(blocks), error=secrets.text(trace.error))
    return _marked(clean, secrets), Finding(secrets.found, trace.encoding)


def scrub_file(path: str, find: Find | None = None, *, keep: tuple[str, ...] = (), write: bool = True) -> Finding:
    """Replace what is private in the file of a trace, and return what was found. `write` False: only look."""
    secrets = Secrets(find, keep=keep)
    encoded = ""
    items = _items(path, secrets)
    if not write:
        for item in items:
            encoded = encoded or (Trace(headers=item.headers).encoding if isinstance(item, Head) else "")
        return Finding(secrets.found, encoded)
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{os.getpid()}-{name}")
    try:
        header = next(items)
        assert isinstance(header, Trace)
        with TraceWriter(beside, header, max_bytes=1 << 62) as writer:
            for item in items:
                assert not isinstance(item, Trace)
                encoded = encoded or (Trace(headers=item.headers).encoding if isinstance(item, Head) else "")
                writer.write(item)
        if secrets.found:
            os.replace(beside, path)
    finally:
        for left in (beside, plain_name(beside)):
            with suppress(FileNotFoundError):
                os.remove(left)
    return Finding(secrets.found, encoded)


def _items(path: str, secrets: Secrets) -> Iterator[Trace | Head | Block | Ending]:
    """Yield the parts of a trace without what is private."""
    scrubber = BlockScrubber(secrets)
    provenance = ""
    for item in iter_trace(path):
        if isinstance(item, Trace):
            header = scrubbed_header(item, secrets)
            header = _marked(header, secrets)
            provenance = header.provenance
            yield header
        elif isinstance(item, Head):
            headers = secrets.response_headers(item.headers)
            secrets.found |= headers != item.headers
            yield attrs.evolve(item, headers=headers)
        elif isinstance(item, Block):
            yield from scrubber.feed(item)
        else:
            yield from scrubber.close()
            error = secrets.text(item.error)
            known = _sanitized(item.provenance or provenance, secrets)
            yield attrs.evolve(item, error=error, provenance="" if known == provenance else known)


def scrubbed_header(trace: Trace, secrets: Secrets) -> Trace:
    """Return the header of a trace without what is private."""
    for name, value in trace.request_headers:
        secrets.add_header(name, value)
    secrets.add_query(trace.path)
    headers = secrets.request_headers(trace.request_headers)
    secrets.found |= headers != trace.request_headers
    return attrs.evolve(
        trace,
        path=secrets.path(trace.path),
        request_headers=headers,
        request=None if trace.request is None else secrets.json(trace.request),
        request_body=None if trace.request_body is None else secrets.mask(trace.request_body),
        notes=secrets.text(trace.notes),
    )


def _marked(trace: Trace, secrets: Secrets) -> Trace:
    return attrs.evolve(trace, provenance=_sanitized(trace.provenance, secrets))


def _sanitized(provenance: str, secrets: Secrets) -> str:
    if not secrets.found or provenance.endswith(_SANITIZED):
        return provenance
    return (provenance.removesuffix("-unscrubbed") or "recorded") + _SANITIZED
