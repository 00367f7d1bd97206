"""Building and handling the types: constructors take what is at hand, values are frozen, everything is explained."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

import streamkit.types
from streamkit import types as t
from streamkit.codec import unstructure
from streamkit.errors import ValidationError
from streamkit.types._base import Wire

SEED = """
Prompt Stop Logprobs CompletionFinishReason Choice ChatCompletionFunctionCall Role FunctionCall CompletionUsage
PromptTokensDetails CompletionTokensDetails ChatCompletionRequestDeveloperMessage
ChatCompletionRequestDeveloperMessageContent ChatCompletionRequestSystemMessage
ChatCompletionRequestMessageContentPartText ChatCompletionRequestMessageContentPartRefusal ImageDetail ImageUrl
ChatCompletionRequestMessageContentPartImage InputAudioFormat InputAudio ChatCompletionRequestMessageContentPartAudio
ChatCompletionRequestUserMessageContentPart ChatCompletionRequestSystemMessageContentPart
ChatCompletionRequestAssistantMessageContentPart ChatCompletionRequestToolMessageContentPart
ChatCompletionRequestSystemMessageContent ChatCompletionRequestUserMessageContent
ChatCompletionRequestAssistantMessageContent ChatCompletionRequestToolMessageContent ChatCompletionRequestUserMessage
ChatCompletionRequestAssistantMessageAudio ChatCompletionRequestAssistantMessage ChatCompletionRequestToolMessage
ChatCompletionRequestFunctionMessage ChatCompletionRequestMessage ChatCompletionMessageToolCall
ChatCompletionResponseMessageAudio ChatCompletionResponseMessage ChatCompletionFunctions FunctionObject ResponseFormat
ResponseFormatJsonSchema ChatCompletionToolType ChatCompletionTool FunctionName ChatCompletionNamedToolChoice
ChatCompletionToolChoiceOption WebSearchContextSize WebSearchUserLocationType WebSearchLocation WebSearchUserLocation
WebSearchOptions ServiceTier ServiceTierResponse ReasoningEffort ChatCompletionModalities PredictionContentContent
PredictionContent ChatCompletionAudioVoice ChatCompletionAudioFormat ChatCompletionAudio CreateChatCompletionRequest
ChatCompletionStreamOptions FinishReason TopLogprobs ChatCompletionTokenLogprob ChatChoiceLogprobs ChatChoice
CreateChatCompletionResponse ChatCompletionResponseStream FunctionCallStream ChatCompletionMessageToolCallChunk
ChatCompletionStreamResponseDelta ChatChoiceStream CreateChatCompletionStreamResponse
""".split()

CLASSES = [cls for name in t.__all__ if attrs.has(cls := getattr(t, name))]
FILES = sorted(Path(streamkit.types.__file__).parent.glob("*.py"))


def test_every_type_of_the_seed_is_there_under_its_name() -> None:
    assert 76 == len(SEED), "75 structs and enums, and the alias of a stream"
    assert [] == [name for name in SEED if name not in t.__all__]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_is_frozen_and_small(cls: type[Wire]) -> None:
    assert issubclass(cls, Wire)
    assert attrs.fields(cls) is not None
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        cls.__setattr__(object.__new__(cls), "extra", {})
    assert not hasattr(object.__new__(cls), "__dict__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_class_and_field_is_explained(path: Path) -> None:
    unexplained = []
    for cls in [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef)]:
        if ast.get_docstring(cls) is None:
            unexplained.append(cls.name)
        for field, after in zip(cls.body, [*cls.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match after:
                    case ast.Expr(value=ast.Constant(value=str())):
                        pass
                    case _:
                        unexplained.append(f"{cls.name}.{field.target.id}")
    assert [] == unexplained


# Words.


def test_a_word_is_a_string() -> None:
    assert "stop" == t.FinishReason.STOP
    assert "stop" == f"{t.FinishReason.STOP}"
    assert t.FinishReason.TOOL_CALLS is t.FinishReason("tool_calls")


def test_an_empty_finish_reason_is_not_a_separate_member() -> None:
    """The codec reads it as `stop`; in a stream it is none, so the class itself must not say."""
    with pytest.raises(ValueError, match="not a valid FinishReason"):
        t.FinishReason("")


def test_a_word_is_converted_to_its_member_and_a_newer_word_stays() -> None:
    assert t.ReasoningEffort.HIGH is t.CreateChatCompletionRequest([], "m", reasoning_effort="high").reasoning_effort
    assert "xhigh" == t.CreateChatCompletionRequest([], "m", reasoning_effort="xhigh").reasoning_effort
    assert t.ImageDetail.LOW is t.ImageUrl("u", "low").detail
    assert t.InputAudioFormat.WAV is t.InputAudio("AA==", "wav").format
    audio = t.ChatCompletionAudio("ash", "pcm16")
    assert (t.ChatCompletionAudioVoice.ASH, t.ChatCompletionAudioFormat.PCM16) == (audio.voice, audio.format)
    assert t.WebSearchContextSize.LOW is t.WebSearchOptions("low").search_context_size


# Content.

TEXT = t.ChatCompletionRequestMessageContentPartText("hi")
IMAGE = t.ChatCompletionRequestMessageContentPartImage("https://a/b.png")


@pytest.mark.parametrize(
    "given, content",
    [
        ("hi", "hi"),
        (TEXT, [TEXT]),
        ([TEXT], [TEXT]),
        (["hi"], [TEXT]),
        (("hi", IMAGE), [TEXT, IMAGE]),
        ({"type": "text", "text": "hi"}, [TEXT]),
        ([{"type": "image_url", "image_url": {"url": "https://a/b.png"}}], [IMAGE]),
        ([], []),
        (iter(["hi"]), [TEXT]),
    ],
)
def test_content_is_taken_as_it_is_at_hand(given: Any, content: Any) -> None:
    assert content == t.ChatCompletionRequestUserMessage(given).content


@pytest.mark.parametrize(
    "given, path",
    [
        ([{"type": "text"}], "$.content[0].text"),
        (["a", {"type": "video", "video": ""}], "$.content[1].type"),
        ([5], "$.content[0]"),
        (5, "$.content[0]"),
    ],
)
def test_content_that_is_none_is_refused_at_once_with_its_path(given: Any, path: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        t.ChatCompletionRequestUserMessage(given)
    assert [path] == [problem.path for problem in refusal.value.problems]


def test_a_system_message_takes_text_alone() -> None:
    with pytest.raises(ValidationError):
        t.ChatCompletionRequestSystemMessage([IMAGE])  # type: ignore[list-item]


def test_parts_and_messages_are_written_with_their_tag() -> None:
    assert {"type": "text", "text": "hi"} == unstructure(TEXT)
    assert {"role": "developer", "content": [{"type": "text", "text": "hi"}]} == unstructure(
        t.ChatCompletionRequestDeveloperMessage(["hi"])
    )
    assert {"role": "tool", "content": "4", "tool_call_id": "a"} == unstructure(
        t.ChatCompletionRequestToolMessage("4", "a")
    )
    assert {"role": "function", "content": None, "name": "f"} == unstructure(
        t.ChatCompletionRequestFunctionMessage(None, "f")
    )


def test_a_list_given_to_a_constructor_is_not_shared() -> None:
    parts = [TEXT]
    message = t.ChatCompletionRequestUserMessage(parts)
    parts.append(IMAGE)
    assert [TEXT] == message.content


def test_an_assistant_message_takes_calls_as_mappings_and_audio_as_its_id() -> None:
    call = t.ChatCompletionMessageToolCall("a", t.FunctionCall("f", "{}"))
    custom = t.ChatCompletionMessageCustomToolCall("b", t.CustomToolCall("shell", "ls"))
    message = t.ChatCompletionRequestAssistantMessage(tool_calls=[unstructure(call), custom], audio="audio_1")
    assert [call, custom] == message.tool_calls
    assert t.ChatCompletionRequestAssistantMessageAudio("audio_1") == message.audio


# Values.


def test_repr_shows_what_was_set() -> None:
    assert "ChatCompletionRequestUserMessage(content='hi')" == repr(t.ChatCompletionRequestUserMessage("hi"))
    assert "FunctionCall(name='f', arguments='', extra={'x': 1})" == repr(t.FunctionCall("f", "", extra={"x": 1}))
    assert "WebSearchOptions()" == repr(t.WebSearchOptions())


def test_values_are_equal_by_what_they_hold_and_extra_counts() -> None:
    assert t.FunctionCall("f", "") == t.FunctionCall("f", "")
    assert t.FunctionCall("f", "") != t.FunctionCall("f", "", extra={"x": 1})
    assert 1 == len({t.FunctionCall("f", ""), t.FunctionCall("f", "")})


def test_what_is_known_on_this_side_only_is_neither_compared_nor_written() -> None:
    whole = t.ChatCompletionMessageToolCall("a", t.FunctionCall("f", "{"))
    cut = attrs.evolve(whole, complete=False, synthetic_id=True)
    assert whole == cut
    assert whole.complete
    assert not whole.synthetic_id
    assert {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}} == unstructure(cut)


def test_evolve_makes_a_changed_copy() -> None:
    message = t.ChatCompletionRequestUserMessage("hi", name="ann", extra={"x": 1})
    changed = attrs.evolve(message, content=["ho"])
    assert ("hi", "ann", {"x": 1}) == (message.content, changed.name, changed.extra)
    assert [t.ChatCompletionRequestMessageContentPartText("ho")] == changed.content


def test_values_are_copied_and_pickled() -> None:
    message = t.ChatCompletionRequestUserMessage([TEXT, IMAGE], extra={"x": [1]})
    assert message == copy.deepcopy(message)
    assert message == pickle.loads(pickle.dumps(message))


def test_any_iterator_of_chunks_is_a_response_stream() -> None:
    assert isinstance(iter([]), t.ChatCompletionResponseStream)
    assert not isinstance([], t.ChatCompletionResponseStream)

    async def chunks() -> Any:
        yield None

    assert isinstance(chunks(), t.AsyncChatCompletionResponseStream)
