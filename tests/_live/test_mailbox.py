"""What waits for one subscriber: text that is joined."""

from __future__ import annotations

from helpers.wire import calls, sse
from streamkit import Accumulator
from streamkit._live.mailbox import Mailbox
from streamkit.events import ToolCallDelta
from streamkit.partial_json import PathEvent, StringDelta


def test_pieces_of_arguments_that_are_joined_keep_all_their_path_events() -> None:
    wire = sse(
        *calls(
            '{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"a\\": \\"x"}}',
            '{"index":0,"function":{"arguments":"y"}}',
            '{"index":0,"function":{"arguments":"z\\"}"}}',
        )
    )
    events = Accumulator(path_events=True).feed(wire)
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    for joined in (pieces, pieces[:1], pieces[1:]):
        box = Mailbox("coalesce", 10, lambda: None)  # type: ignore[arg-type,return-value]
        for piece in joined:
            box.put(piece)
        taken = box.take()
        assert isinstance(taken, ToolCallDelta)
        assert "".join(piece.arguments for piece in joined) == taken.arguments
        assert all_of(joined) == list(taken.path_events)
    assert "xyz" == "".join(event.text for event in all_of(pieces) if isinstance(event, StringDelta))


def all_of(pieces: list[ToolCallDelta]) -> list[PathEvent]:
    return [event for piece in pieces for event in piece.path_events]
