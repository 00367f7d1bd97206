"""Log probabilities: how likely each token was.

A log probability is a natural logarithm, at most 0 for a real probability; senders write -9999.0 for "very unlikely".

A stream may carry twenty entries for each token. An entry with an empty `extra` and a list of small numbers takes 330
bytes of memory, where its JSON has 60; one that creates them on access takes 170. So `extra` and `bytes` of an entry
are properties over their slots, in which the tolerant reader may leave a number. The alternatives take most of the time
to decode, and few read them: in `top_logprobs` it may leave their JSON.

    extra         the number of byte lists that this entry and its alternatives keep, but for those that are still JSON;
                  none of them has unknown fields
    bytes         any number: the bytes are those of `token` in UTF-8
    top_logprobs  the JSON of the alternatives, each exactly in the format (`_decode/logprobs_reader.py` has proved it), as
                  long as `extra` is a number

A value created on access is kept, and the caller may change it. `kept_extra`, `kept_bytes` and `kept_tops` read the slots
and create nothing. Cost: 0.1 us to read `extra` or `bytes`, 0.3 us if it has to be created; 0.8 us an alternative.
"""

from typing import Any

import attrs
import jiter

from ._base import F32, NULL, U8, Received, Wire

__all__ = ("ChatChoiceLogprobs", "ChatCompletionTokenLogprob", "TopLogprobs")


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class TopLogprobs(Received):
    """One of the likeliest tokens at a position."""

    token: str
    """The token as text."""
    logprob: F32
    """Its log probability."""
    bytes: list[U8] | None = attrs.field(default=None, metadata=NULL)
    """Its UTF-8 bytes, each 0 to 255: a token can be part of a character. None if it has none."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionTokenLogprob(Received):
    """A token that the model wrote, and what else it could have written there."""

    token: str
    """The token as text."""
    logprob: F32
    """Its log probability, or -9999.0 outside the 20 likeliest."""
    bytes: list[U8] | None = attrs.field(default=None, metadata=NULL)
    """Its UTF-8 bytes, each 0 to 255. None if it has none."""
    top_logprobs: list[TopLogprobs] = attrs.field(factory=list)
    """The likeliest tokens at this position, as many as the request asked for (`top_logprobs`) or fewer."""


def _make_when_asked(cls: Any) -> None:
    """Make `extra` and `bytes` of `cls` create their value if their slot has a number."""
    extra_slot, bytes_slot = cls.kept_extra, cls.kept_bytes = EXTRA_SLOT, BYTES_SLOTS[cls]

    def extra(self: Any) -> Any:
        kept = extra_slot.__get__(self)
        if type(kept) is int:
            if cls is ChatCompletionTokenLogprob:
                _ = self.top_logprobs  # from here on they would not be known for the reader's
            kept = {}
            extra_slot.__set__(self, kept)
        return kept

    def bytes(self: Any) -> Any:
        kept = bytes_slot.__get__(self)
        if type(kept) is int:
            kept = list(self.token.encode())
            bytes_slot.__set__(self, kept)
        return kept

    cls.extra = property(extra, extra_slot.__set__, doc=extra_slot.__doc__)
    cls.bytes = property(bytes, bytes_slot.__set__, doc=bytes_slot.__doc__)


def _make_tops_when_asked(cls: Any) -> None:
    """Make `top_logprobs` of `cls` create the alternatives if its slot has their JSON."""
    slot = cls.kept_tops = TOPS_SLOT

    def top_logprobs(self: Any) -> Any:
        kept, extra = slot.__get__(self), EXTRA_SLOT.__get__(self)
        if type(kept) is not bytes or type(extra) is not int:  # as a caller made it
            return kept
        tops, lists = [], 0
        for entry in jiter.from_json(kept):
            numbers = entry["bytes"]
            # A list of numbers that are all the bytes of its token is not kept: see the head of this module.
            same = numbers is not None and bytes(numbers) == entry["token"].encode()
            lists += numbers is not None and not same
            top = TopLogprobs(entry["token"], entry["logprob"], None)
            BYTES_SLOTS[TopLogprobs].__set__(top, 0 if same else numbers)
            EXTRA_SLOT.__set__(top, 0)
            tops.append(top)
        slot.__set__(self, tops)
        EXTRA_SLOT.__set__(self, extra + lists)
        return tops

    cls.top_logprobs = property(top_logprobs, slot.__set__, doc=slot.__doc__)


EXTRA_SLOT: Any = vars(Wire)["extra"]
"""The slot of `extra`: a number until `extra` is read for the first time."""

BYTES_SLOTS: dict[Any, Any] = {cls: vars(cls)["bytes"] for cls in (TopLogprobs, ChatCompletionTokenLogprob)}
"""The slot of `bytes`, likewise."""

TOPS_SLOT: Any = vars(ChatCompletionTokenLogprob)["top_logprobs"]
"""The slot of `top_logprobs`, likewise: JSON until it is read for the first time."""

_make_when_asked(TopLogprobs)
_make_when_asked(ChatCompletionTokenLogprob)
_make_tops_when_asked(ChatCompletionTokenLogprob)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatChoiceLogprobs(Received):
    """The log probabilities of a choice, or of the piece of it that a chunk carries."""

    content: list[ChatCompletionTokenLogprob] | None = attrs.field(default=None, metadata=NULL)
    """Log probabilities of the text, one for each token."""
    refusal: list[ChatCompletionTokenLogprob] | None = attrs.field(default=None, metadata=NULL)
    """Log probabilities of the refusal, one for each token."""
