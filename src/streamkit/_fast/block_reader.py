"""Read blocks of bytes into events and the response: owns sniffer, decoder, fast lane and their state between blocks.

    raised = reader.read(block, out)      every block; out: a list for events, or None
    reader.close(out)                     the end of the bytes

The first bytes go to the sniffer, which decides whether this is an event stream. Then each event takes the fast lane if
a template matches it, or else the reference path: decoder, then assembler. No other module settles, pauses or wakes the
lane, or adds to a counter: `events`, `chunks`, `size` and `blocks` are right whenever they are read.

Rule 1: both ways mean the same. Before anything that the lane does not see, its templates are suspended (`pause`).
Rule 2: the lane takes single blocks by itself (`lane.take`); `settle` counts them before anything else happens.
Rule 3: when its budget is empty the lane sleeps for a number of events, and blocks are read as if there were none.
Rule 4: there is no lane before it can pay: a template costs as much as an event, and most streams have at most 25
        chunks. It begins after `_LATE` events, or at once if the current block has `_MANY_EVENTS`.
        The first few events of a stream are not learned from: whether a number varies, or usage is repeated, shows later.
Rule 5: an event is learned from only if it is like another one (`likeness`). Those before it in its block are read in one
        piece, as without a lane: one by one they take twice as long.

Cost: about 0.5 us a block in addition to decoder, lane and assembler.
"""

from __future__ import annotations

from itertools import takewhile

from .. import events as ev
from .._decode.sniff import Sniffer, begins_with_document, read_body
from .._fold.assembler import Assembler
from ..errors import FormatError, LimitError, RemoteError, SenderError
from ..limits import Limits
from ..sse import CR, Comment, Discarded, EventDecoder
from ..types import CreateChatCompletionStreamResponse
from .cutting import begins_data, end_of_event, next_data, some_events
from .lane import LEAST_VALUES, Lane
from .learning import ASIDE, BETWEEN, FEW, LENT, LIKE, PROMISED, TRUSTED, UNLIKE, whole_event
from .likeness import EARLY

__all__ = ("BlockReader",)

Out = list[ev.Event] | None

_LATE, _MANY_EVENTS = 16, 28  # events; benches/ratios.py, section beginnings, says what they cost each class of length
_MANY = 65536  # bytes to read at once on the reference path, where the fast lane sleeps
_PIECE = (
    262144  # bytes of a block above the limit of an event to read at once: the lane reads no faster from larger ones
)
_SEVERAL = 2  # choices or calls, for which a large block is looked at before anything is learned
_PROMISING = 10  # events of each choice that a block must have left, so that templates for all of them pay
_FINISH = b'"finish_reason":"'  # in an event that nothing is learned from
_NAP = 8  # events to sleep for once all choices have finished: most likely usage and the end follow
_UNSEEN = 2  # events at the beginning of a stream that are not learned from
_SECURITY = 16  # events ahead that must fit, for a lane that has spent everything to get more
_SAMPLE = 4096  # bytes, at the beginning and in the middle of a block, that show how many events it has
_HEAD = 4096  # bytes of a body that is not a stream, to be quoted in its error
_LEAST_EVENT = 100  # bytes: an event with a chunk in it is hardly ever smaller
_NEARLY = 8  # events: a lane that sleeps for no more is woken, as another piece of the block costs as much as it saves
_TAIL = 4096  # bytes of an event that is not yet whole, to be kept for the fast lane: they are copied with each block


class BlockReader:
    """Reads the blocks of one stream into `assembler`. `fast`: whether events may take the fast lane.

    `lane`: the fast lane while it is awake, else None; `sniffer`: while it is open what kind of body this is, else
    None.
    """

    __slots__ = (
        "_asleep",
        "_assembler",
        "_blocks",
        "_decoder",
        "_early",
        "_event_limit",
        "_head",
        "_looks",
        "_reducer",
        "_response_limit",
        "_size",
        "_slept_at",
        "_tail",
        "_value_limit",
        "_wake_at",
        "lane",
        "sniffer",
    )

    def __init__(self, assembler: Assembler, limits: Limits, *, fast: bool) -> None:
        self._assembler = assembler
        self._reducer = assembler.reducer
        self._response_limit, self._event_limit = limits.max_response_bytes, limits.max_event_bytes
        self._value_limit = limits.max_event_values
        # The last few blocks that may be one event each, until a lane begins; None if none may begin any more.
        self._early: list[bytes] | None = [] if fast and limits.max_event_values >= LEAST_VALUES else None
        self.lane: Lane | None = None
        self._asleep: Lane | None = None  # the lane while it sleeps
        self._slept_at = self._wake_at = 0  # events
        self._looks = False  # whether the lane learns from the event that is being read
        self._decoder = EventDecoder(max_event_bytes=limits.max_event_bytes, max_comments=limits.max_comments)
        self.sniffer: Sniffer | None = Sniffer(limits.max_event_bytes)
        self._head = b""  # how the bytes began, until there is a chunk in them: perhaps a text that says what is wrong
        self._tail = b""  # the beginning of an event that may take the fast lane
        self._size = 0
        self._blocks = 0

    # --- what is known

    @property
    def size(self) -> int:
        """Bytes read so far."""
        self.settle()
        return self._size

    @property
    def blocks(self) -> int:
        """Blocks read so far that were not empty."""
        self.settle()
        return self._blocks

    @property
    def known(self) -> Assembler:
        """The assembler, with everything that the fast lane took counted in it."""
        self.settle()
        return self._assembler

    @property
    def counts(self) -> tuple[int, int]:
        """Events and chunks so far. Reading it changes nothing and settles nothing: another thread may do it."""
        unsettled = 0 if self.lane is None else self.lane.unsettled
        return self._assembler.events + unsettled, self._reducer.chunks + unsettled

    @property
    def comments(self) -> int:
        """Comments read so far."""
        return self._decoder.comments

    @property
    def last_event_id(self) -> str:
        """The last event ID so far."""
        return self._decoder.last_event_id

    @property
    def amid(self) -> bool:
        """Whether the bytes so far end inside an event."""
        sniffer = self.sniffer
        return bool(self._tail or self._decoder.held or (sniffer is not None and sniffer.held.strip()))

    @property
    def head(self) -> bytes:
        """Return the first bytes, until they contain a chunk."""
        return self._head if self.sniffer is None else bytes(self.sniffer.held)

    # --- the fast lane

    def settle(self) -> None:
        """Count what the fast lane took, one event a block."""
        if self.lane is not None:
            events, size = self.lane.settle()
            if events:
                self.lane.likeness.fitted(events)
            self._blocks += events
            self._assembler.events += events
            self._size += size
            self._assembler.data_bytes += size - events * self.lane.overhead

    def pause(self) -> None:
        """Suspend the templates: something is about to happen that the fast lane does not see."""
        if self.lane is not None:
            self.lane.pause()

    def retire(self) -> None:
        """Stop using the fast lane."""
        self.settle()
        self.abandon()

    def abandon(self) -> None:
        """Stop using the fast lane, and count nothing that it took: the stack ended somewhere inside it."""
        self.lane = self._asleep = self._early = None

    def no_bytes(self) -> None:
        """Stop asking what kind of body this is: the stream is fed as chunks."""
        self.sniffer = None
        self.stop()

    def reconnect(self) -> None:
        """Forget an event that has not ended: the sender repeats it, over another connection."""
        self._tail = b""
        self._decoder.reconnect()
        if self.sniffer is not None:
            self.sniffer = Sniffer(self._event_limit)

    def stop(self) -> None:
        """Count what the fast lane took, and let it take no more: something is about to happen that it does not see."""
        self.settle()
        self.pause()

    # --- blocks

    def read(self, block: bytes, out: Out) -> SenderError | None:
        """Read the next block; return what strict=True has to raise when all of it is read."""
        if len(block) > self._event_limit >= _PIECE:
            return self._read_pieces(block, out)
        lane = self.lane
        if lane is not None:
            self.settle()
        elif self._asleep is not None:
            lane = self._woken(block)
        if not block:
            return None
        self._blocks += 1
        self._size += len(block)
        if self.sniffer is not None:
            try:
                block = self.sniffer.feed(block)
            except LimitError as error:
                self._assembler.fail(error, "limit", out)
                return None
            if not self.sniffer.decided or self.sniffer.body:
                return None
            self.sniffer = None
        beginning, arrived = not self._reducer.chunks, block
        held, self._tail = self._tail, b""
        if held:
            block = held + block
        if self._early is not None and self._pays(block, self._early):
            lane = self._begin(self._early, block)
        if lane is not None:
            lane.disarm()
            if self._size > self._response_limit or len(block) > self._event_limit:
                lane = None  # a limit may be met, and the reference path knows at which event
            elif held and len(block) < _TAIL and begins_data(block, 0, len(block)):
                self._tail = block  # of blocks smaller than an event, most end none
                return None
        if lane is None:
            raised = self._read(block, out)
        elif self.lane is not None and (lane.refused or lane.current is None) and self._is_event(block):
            raised = self._read_alone(lane, block, out)
        else:
            raised = self._read_with(lane, block, out)
        if beginning:
            self._begun(arrived)
        if self._assembler.outcome is not None:
            if self.lane is not None or self._asleep is not None:
                self.retire()  # no event can take it any more: let go of its templates
            self._early = None
        elif self.lane is not None:
            self._prepare(self.lane)
        return raised

    def _prepare(self, lane: Lane) -> None:
        """Make the lane ready for the next block."""
        if lane.current is None:
            if self._reducer.settled:
                self._sleep(lane, _NAP)
        elif not self._tail and self._decoder.between_events:
            lane.arm(min(self._response_limit - self._size, self._event_limit), self._assembler.events)

    def _woken(self, block: bytes) -> Lane | None:
        """Return the lane that sleeps if `block` may have as many events as it still sleeps for."""
        asleep = self._wake_at - self._assembler.events
        wakes = len(block) // _LEAST_EVENT >= asleep and block.count(b"\n") // 2 + 1 >= asleep
        return self._asleep if wakes else None

    def _begun(self, arrived: bytes) -> None:
        """Keep how the bytes begin until there is a chunk in them."""
        if self._reducer.chunks:
            self._head = b""
        elif len(self._head) < _HEAD:
            self._head += arrived[: _HEAD - len(self._head)]

    def _read_pieces(self, block: bytes, out: Out) -> SenderError | None:
        """Read a block that may hold an event over the limit piece by piece, so that only such an event leaves the
        lane."""
        blocks, raised = self.blocks, None
        for start in range(0, len(block), _PIECE):
            raised = self.read(block[start : start + _PIECE], out) or raised
        self.settle()
        self._blocks = blocks + 1
        return raised

    def _pays(self, block: bytes, early: list[bytes]) -> bool:
        """Return whether a lane may pay from here on: rule 4."""
        if self._assembler.events >= _LATE:
            return True
        # Two line ends an event: what has more is not what a lane reads. Pairs of bytes take ten times as long to count.
        if len(block) >= _MANY_EVENTS * _LEAST_EVENT // 2:
            for most in (_MANY // 4, _MANY):
                if block.count(b"\n", 0, most) >= 2 * _MANY_EVENTS:
                    return True
                if len(block) <= most:
                    break
        if self._assembler.events >= _LATE - EARLY and len(block) < _TAIL:
            early.append(block)
            if len(early) > EARLY:
                del early[0]
        return False

    def _begin(self, early: list[bytes], block: bytes) -> Lane:
        """Open the fast lane, which may spend more if `block` has many events; `early`: what it may compare the next ones
        with."""
        assembler = self._assembler
        self.lane = lane = Lane(self._reducer, assembler.context.unknown, assembler.anomalies, early)
        if len(block) > _SAMPLE:
            lines = min(block.count(b"\n", at, at + _SAMPLE) for at in (0, len(block) // 2))
            lane.budget.expect(lines * len(block) // (2 * _SAMPLE))
        self._early = None
        return lane

    def _is_event(self, block: bytes) -> bool:
        """Return whether `block` is one whole event of data."""
        whole = block.startswith(b"data") and end_of_event(block, 0, CR in block) == len(block)
        return whole and self._decoder.between_events

    def _read_alone(self, lane: Lane, block: bytes, out: Out) -> SenderError | None:
        """Read a block that is one event, where no template can fit: like `_read_with`, in half of the time."""
        if lane.current is not None:
            lane.ask()
            if lane.budget.spent and not self._trusts(lane, block, len(block), returns=False):
                self._rest(lane)
                return self._read(block, out)
            lane.pause()
        if _FINISH not in block and lane.likeness.knows(block):
            lane.budget.spend(LIKE, 0)
            self._looks = True
            raised = self._read(block, out)
            self._looks = False
        else:
            raised = self._pass(lane, block, out)
            lane.budget.spend(2 * UNLIKE)
        if not lane.untried:
            self._rest(lane)
        return raised

    def _read_with(self, lane: Lane, block: bytes, out: Out) -> SenderError | None:
        """Read a block in the fast lane as far as it fits, and the rest event by event."""
        end, raised = len(block), None
        lane.likeness.ahead.clear()
        returns = CR in block  # once: asked for each event, 80,000 of them in one block would be quadratic
        if at := self._unseen(block, returns):
            raised = self._pass(lane, block[:at], out)
        while at < end:
            asleep = 0
            if self.lane is None:
                asleep = self._wake_at - self._assembler.events
                if asleep <= _NEARLY:
                    asleep = 0
                    self._wake(lane)
            between = self._decoder.between_events
            ready = lane.current is not None and between
            refused, lane.refused = ready and lane.refused, False  # `take` has just looked at this event
            if ready and not refused:
                start = at
                at, events = lane.run(block, at, out, self._assembler.events)
                if events:
                    lane.likeness.fitted(events)
                    self._assembler.events += events
                    self._assembler.data_bytes += at - start - events * lane.overhead
                    if at == end:
                        break
            if ready and lane.budget.spent and not self._trusts(lane, block, end if refused else at, returns):
                self._rest(lane)
                continue
            if asleep:  # read as many events as the lane sleeps for
                stop = end_of_event(block, at + min(asleep * self._event_size, _MANY), returns)
            elif between and end - at < _TAIL and begins_data(block, at, end):
                self._tail = block[at:]
                break
            elif not block.startswith(
                b"data", at
            ):  # comments, blank lines: read everything up to the next line of data
                stop = next_data(block, at)
                if ready and stop < end:
                    lane.budget.spend(BETWEEN)
                if not ready and not self._decoder.held:
                    lane.likeness.pass_by()
                    raised = self._pass(lane, block[at:stop], out) or raised
                    at = stop
                    self._rest(lane)
                    continue
            else:
                if refused:
                    lane.ask()
                like, stop, passed = lane.likeness.first(block, at, 1 if ready else _MANY, returns)
                if passed and not ready:
                    raised = self._pass(lane, block[at:like], out) or raised
                elif passed:
                    raised = self._read(block[at:like], out) or raised
                if passed:
                    lane.budget.spend(ASIDE + UNLIKE * passed, passed)
                if like < stop:
                    lane.budget.spend(ASIDE + LIKE, 0)
                    lane.following = block[stop : stop + 2 * (stop - like)]
                    affords = not lane.budget.spent or self._trusts(lane, block, stop, returns)
                    self._looks = affords and self._pays_for_all(lane, block, stop, returns)
                    raised = self._read(block[like:stop], out) or raised
                    self._looks, lane.following = False, b""
                at = stop
                self._rest_if_spent(lane, block, at, returns)
                continue
            if stop < 0:
                stop = end
            raised = self._read(block if stop - at == end else block[at:stop], out) or raised
            at = stop
        return raised

    def _unseen(self, block: bytes, returns: bool) -> int:
        """Return where the events at the beginning of a stream end that are not learned from; 0 elsewhere."""
        if self._assembler.events or self._decoder.held:
            return 0
        return sum(map(len, some_events(block, 0, _UNSEEN, returns)))

    def _pays_for_all(self, lane: Lane, block: bytes, at: int, returns: bool) -> bool:
        """Return whether to learn the first template, if the block shows that: with several choices or calls by turns each
        needs one, and enough events after that."""
        choices, left = lane.parallel, (len(block) - at) // self._event_size
        if lane.overhead or not _SEVERAL <= choices <= FEW or left < _MANY_EVENTS or self._assembler.anomalies.trail:
            return True
        if choices > left // _PROMISING:
            lane.likeness.give_up()
            return False
        if not lane.budget.is_enough_for(choices):
            lane.budget.promise(PROMISED if lane.likeness.promises(block, at, returns) else 0)
        return True

    def _trusts(self, lane: Lane, block: bytes, at: int, returns: bool) -> bool:
        """Return whether a lane that has spent everything gets more once, as the block shows that it will pay: the next events
        fit, or those in its middle and near its end would if each choice had a template. Where nothing is ahead, choices
        by turns are trusted to continue."""
        if not lane.budget.promised:
            left, choices = (len(block) - at) // self._event_size, lane.choices
            if at == len(block):
                by_turns = choices > 1 and lane.budget.earned <= choices  # else one fitted while another was silent
                lane.budget.promise(TRUSTED if by_turns and lane.likeness.steady else 0)
            elif choices == 1:
                fitting = takewhile(lane.fits, some_events(block, at, _SECURITY, returns))
                lane.budget.promise(LENT if sum(1 for _ in fitting) == _SECURITY else 0)
            else:
                pays = 1 < choices <= left // _PROMISING and lane.likeness.promises(block, at, returns)
                lane.budget.promise(PROMISED if pays else 0)
        return not lane.budget.spent

    def _pass(self, lane: Lane, block: bytes, out: Out) -> SenderError | None:
        """Read events that nothing is learned from, as without a lane."""
        self.lane = None  # no template is ready, so there is nothing to pause
        raised = self._read(block, out)
        self.lane = lane
        if self._assembler.unaffected:
            lane.resume()
        return raised

    def _read(self, block: bytes, out: Out) -> SenderError | None:
        """Read a block on the reference path; return what strict=True has to raise when all of it is read."""
        raised = None
        try:
            items = self._decoder.feed_raw(block)
        except LimitError as error:
            error.event = self._assembler.events + 1
            self._assembler.fail(error, "limit", out)
            return None
        assembler = self._assembler
        for item in items:
            try:
                if type(item) is bytes:
                    if self.lane is None:
                        assembler.plain(item, out)
                    else:
                        self._data(self.lane, item, block, out)
                elif type(item) is Comment:
                    assembler.keep_alive(item.text, out)
                elif type(item) is Discarded:
                    self.pause()
                    assembler.discarded(item.lines, item.event, out)
                else:
                    self.pause()
                    assembler.event(item, out)  # type: ignore[arg-type]
                    if self.lane is not None:
                        self.lane.miss()
                        self._rest(self.lane)
            except LimitError as error:  # what follows in this block is read as if it were in the next one
                self.pause()
                assembler.fail(error, "limit", out)
            except (FormatError, RemoteError) as error:
                self.pause()
                assembler.fail(error, "anomaly", out)
                raised = error
        return raised

    def _data(self, lane: Lane, data: bytes, raw: bytes, out: Out) -> None:
        """Read an event that is nothing but data; if it is like another one, learn from it what the next ones look like."""
        looks = self._looks or (len(raw) < len(data) and lane.likeness.knows(whole_event(raw, data)))
        trail, chunks = self._assembler.anomalies.trail, self._reducer.chunks
        self._assembler.plain(data, out)
        chunk = self._reducer.last
        if self._reducer.chunks == chunks and self._assembler.unaffected:
            lane.miss()  # for example a ping: nothing was folded, so every template holds
        elif chunk is not None and self._reducer.chunks == chunks + 1:
            lane.pause()
            if looks:
                lane.learn(raw, data, chunk, tuple(trail))
            if lane.current is None and self._assembler.unaffected and not _opens(chunk):
                lane.resume()
        else:
            lane.pause()
            lane.miss()

    def _rest(self, lane: Lane) -> None:
        """Put the lane to sleep if its budget says so: it is not asked for a number of events."""
        if lane.budget.spent or (lane.likeness.tired and not lane.budget.rich):
            self._sleep(lane, lane.budget.lie_down())

    def _sleep(self, lane: Lane, events: int) -> None:
        lane.pause()
        self.lane, self._asleep = None, lane
        self._slept_at, self._wake_at = self._assembler.events, self._assembler.events + events

    def _rest_if_spent(self, lane: Lane, block: bytes, at: int, returns: bool) -> None:
        """Put the lane to sleep as `_rest` does, unless a template has yet to be tried, or more is spent on trust."""
        if not (lane.untried or (lane.budget.spent and self._trusts(lane, block, at, returns))):
            self._rest(lane)

    def _wake(self, lane: Lane) -> None:
        """Wake the lane, and add to its budget what the events earned while it slept."""
        lane.budget.rest(self._assembler.events - self._slept_at)
        lane.likeness.wake()
        self.lane, self._asleep = lane, None

    @property
    def _event_size(self) -> int:
        """About how long the events so far were: those that the lane sleeps for are read at once."""
        assembler = self._assembler
        return max(assembler.data_bytes // max(assembler.events, 1), _LEAST_EVENT)

    # --- the end

    def over(self) -> bool:
        """Return True if the stream has ended, with nothing after its end for `close` to read: as nearly always."""
        if self._assembler.outcome is None or self._tail or self.lane is not None or self._asleep is not None:
            return False
        return self._decoder.between_events

    def close(self, out: Out) -> None:
        """Read what is held, and settle the outcome: the bytes are over."""
        self.stop()
        for lane in (self.lane, self._asleep):
            if lane is not None:
                lane.release()
        if self._assembler.outcome is not None and self._decoder.between_events and not self._tail:
            return None
        if self.sniffer is not None and (text := self.sniffer.give_up()):
            self.sniffer, self._head = None, text
            self._decoder.feed_raw(text)  # no line ends in it
        if self.sniffer is not None:
            return self._close_body(self.sniffer, out)
        try:
            if self._tail:
                self._decoder.feed_raw(self._tail)
            last = self._decoder.close()
        except LimitError as error:
            error.event = self._assembler.events + 1
            raise
        decoder = self._decoder
        return self._assembler.close(
            last,
            decoder.unread,
            decoder.unread_event,
            out,
            head=b"" if self._assembler.events else self._head,
            alive=bool(decoder.comments) or decoder.retry is not None,
            any_bytes=self._size > 0,
        )

    def _close_body(self, sniffer: Sniffer, out: Out) -> None:
        """Read bytes that were not an event stream: an error, a full response, a web page, or nothing at all."""
        data = sniffer.held
        self.sniffer = None
        if self._assembler.outcome is not None:  # it was over the limit
            return None
        if not sniffer.body:
            return self._assembler.end("empty", out)
        found = read_body(data, self._value_limit)
        if found is None and begins_with_document(data, self._value_limit):
            if raised := self._read(data + b"\n\n", out):
                raise raised
            return self.close(out)
        return self._assembler.body(found, data, out)


def _opens(chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return whether a chunk opens a choice or a call: then most likely no template fits the next one."""
    return any(
        choice.delta.role or (choice.delta.tool_calls and choice.delta.tool_calls[0].id) for choice in chunk.choices
    )
