"""Which clients are known to break on what a sender writes: one table, as data.

In: nothing. Out: `CLIENTS`, from a code (an anomaly, an observation, the reason of an outcome that is not complete) to what
is known. Costs a few hundred small values once.

Rule 1  What was run on such a stream is named as a library, with its version where that was noted, and with what it
        did (`_run`, `_known`). It is true of that version.
Rule 2  What only a public thread reports is named by its repository, without a version (`_told`). It may be mended
        since, and says no more than that somebody's client met the shape and had to deal with it.
Rule 3  Nothing is guessed: no entry means that nothing is known, not that every client can read it.
"""

from __future__ import annotations

import attrs

from .._field_docs import show_fields

__all__ = ("CLIENTS", "Client", "clients_of")


@attrs.frozen
class Client:
    """A client that is known to break on a shape."""

    name: str
    """The library, or the repository (`owner/name`) whose thread reports it."""
    version: str
    """The version that was run; empty where it was not noted, or none was run."""
    effect: str
    """What it does, in a few words; `reported` where the thread says no more."""
    source: str | None = None
    """The public thread, None where the client was run and no thread is known."""


_LIBRARIES = {
    "OP": ("openai-python", "3.54"),
    "ON": ("openai-node", "7.57"),
    "AI": ("Vercel AI SDK openai-compatible", "3.0.92"),
    "LC": ("langchain-openai", "1.7.3"),
    "LL": ("litellm", "1.109"),
    "PA": ("pydantic-ai", "2.68"),
    "OA": ("openai-agents", "0.24"),
    "LI": ("llama-index-llms-openai", "0.8.3"),
    "OI": ("openinference", ""),
    "LF": ("langfuse", ""),
    "OK": ("opik", ""),
    "OL": ("openllmetry", ""),
    "HF": ("huggingface_hub", ""),
    "AO": ("async-openai", ""),
    "MI": ("mirascope", ""),
}
_ALL = " ".join(_LIBRARIES)
_PYTHON = "OP LC LL PA OA LI OI LF OK OL HF MI"
_THREADS = "https://github.com/"


def _run(letters: str, effect: str, thread: str | None = None) -> tuple[Client, ...]:
    source = None if thread is None else _THREADS + thread
    return tuple(Client(*_LIBRARIES[letter], effect, source) for letter in letters.split())


def _but(letters: str) -> str:
    """Return all that were run, without these."""
    return " ".join(letter for letter in _LIBRARIES if letter not in letters.split())


def _told(*threads: str, effect: str = "reported") -> tuple[Client, ...]:
    """`owner/name/issues/1`: the client is the repository itself."""
    return tuple(Client("/".join(thread.split("/")[:2]), "", effect, _THREADS + thread) for thread in threads)


def _known(name: str, effect: str, thread: str | None = None) -> tuple[Client, ...]:
    return (Client(name, "", effect, None if thread is None else _THREADS + thread),)


CLIENTS: dict[str, tuple[Client, ...]] = {
    # --- lines and events
    "sse_no_space": (
        *_run("HF", "crashes on `data:[DONE]`"),
        *_told("openai/openai-python/issues/498", effect="early versions could not read it"),
        *_told("dataelement/Clawith/pull/106", "SamSaffron/term-llm/pull/487", effect="could not read it"),
    ),
    "sse_line_ends": (
        *_known("sseclient-py", "loses the end of an event that is cut inside a CR LF"),
        *_known("vLLM's benchmark client", "looks for two LF only"),
    ),
    "sse_bom": (
        *_run("OP", "loses the first event", "openai/openai-python/pull/3819"),
        *_run("LC LL PA OA LI OI LF OK OL HF", "loses the first event"),
        *_told("a2aproject/a2a-python/pull/1259"),
    ),
    "sse_comment": (
        *_told("TheR1D/shell_gpt/issues/367", "pfrankov/obsidian-local-gpt/issues/22", effect="broke on it"),
        *_told("symfony/ai/issues/909", effect="broke on it"),
        *_known("openai-go", "its event decoder broke on it", "stacklok/mecatl/issues/351"),
    ),
    "sse_no_data": (
        *_run("OP", "raises JSONDecodeError", "openai/openai-python/pull/2721"),
        *_run("LC LL PA OA LI OI LF OK OL HF MI", "raises JSONDecodeError"),
    ),
    "blank_event": (
        *_run("OP", "raises JSONDecodeError", "openai/openai-python/pull/2721"),
        *_run("LC LL PA OA LI OI LF OK OL HF MI", "raises JSONDecodeError"),
    ),
    "sse_id": (
        *_run("OP", "sees an empty event at every further blank line"),
        *_known("httpx-sse", "sees an empty event at every further blank line"),
    ),
    "sse_several_lines": (
        *_run("HF", "crashes"),
        *_told("numman-ali/opencode-openai-codex-auth/pull/96"),
    ),
    "line_separator": (
        *_run("HF", "crashes"),
        *_told("florimondmanca/httpx-sse/issues/34", effect="cuts the line there, as httpx `iter_lines` does"),
        *_told(
            "modelcontextprotocol/python-sdk/issues/1356", "Soju06/codex-lb/issues/1010", effect="cut the line there"
        ),
        *_told("langgenius/dify/pull/39008", "modelscope/evalscope/pull/1642", effect="cut the line there"),
    ),
    "not_a_chunk": (
        *_run("ON", "raises: choices is not iterable"),
        *_run("LI OL", "crashes"),
    ),
    "null_event": (
        *_run("OP ON LC PA OA LI OI LF OK OL", "crashes"),
        *_told("earendil-works/pi/issues/2468", "microsoft/autogen/pull/7355"),
    ),
    "not_json": _run(_but("AI"), "crashes"),
    "unframed_json": _told("0xPlaygrounds/rig/issues/534"),
    "event_in_event": _told("anomalyco/opencode/issues/8282"),
    "surrogate_halves": (
        *_run(_PYTHON, "yields two lone halves, which cannot be encoded later"),
        *_told("elizaOS/eliza/issues/30904", "elie222/rakazo/issues/416"),
    ),
    "invalid_utf8": (
        *_run("OP", "raises"),
        *_known("sseclient-py", "raises"),
        *_known("httpx-sse", "replaces the bytes and says nothing"),
    ),
    "non_finite_number": _run("ON AI", "cannot parse the JSON"),
    # --- how it ends
    "missing_finish": (
        *_run("ON LL", "raises"),
        *_told("openclaw/openclaw/pull/98575", "earendil-works/pi/pull/4558"),
        *_told("danny-avila/LibreChat/pull/5563", "mlflow/mlflow/pull/24111"),
    ),
    "no_finish": (
        *_run("OP LC PA OA LI OI LF OK OL", "takes it for complete"),
        *_told("vercel/ai/issues/19165", "open-webui/open-webui/issues/29628", "BerriAI/litellm/pull/32159"),
    ),
    "mid_event": _run("OP LC PA OA LI OI LF OK OL", "takes it for complete"),
    "unterminated_event": _run("OP LC LI OI LF OK OL AI", "loses the last event"),
    "after_done": _run("AI", "adds what follows to the text"),
    "done_suffix": _run("ON AI", "breaks"),
    "empty": (
        *_run("LL OA LI OI LF OL", "returns an empty success"),
        *_told("deepset-ai/haystack/pull/12721"),
    ),
    "error_body": (
        *_run("LL OA LI OI LF OL", "returns an empty success"),
        *_told("Hmbown/Codewhale/pull/1717", "earendil-works/pi/issues/2537"),
    ),
    "full_body": (
        *_run(_ALL, "cannot read it"),
        *_told("cloudflare/ai/pull/396"),
    ),
    "content_type": _told("openclaw/openclaw/pull/97474"),
    "error_event": _told(
        "Gitlawb/openclaude/pull/1174", "apache/rocketmq-dashboard/issues/2178", effect="passed over it"
    ),
    "error_bare": _run("OP LC PA OA OI LF OK", "passes over it"),
    "error_in_choice": _run(_but("LL"), "passes over it"),
    "error_fields": (
        *_run("LC PA OA LF OK", "passes over it"),
        *_told("NousResearch/hermes-agent/pull/65643"),
    ),
    "error_base_resp": _told("RooCodeInc/Roo-Code/pull/9105"),
    # --- the chunk
    "first_chunk_empty": (
        *_run("OP", "keeps the empty id and model where its state is fed by hand"),
        *_told("AgentOps-AI/agentops/issues/176", effect="crashed"),
        *_told("mlflow/mlflow/issues/12767"),
    ),
    "choices_missing": (
        *_run("OP ON AI LI OI OL", "fails where it is null"),
        *_told("pydantic/pydantic-ai/issues/5165", "BerriAI/litellm/issues/4429", "earendil-works/pi/pull/1671"),
    ),
    "delta_missing": (
        *_run("OP", "skips the chunk, with the annotations in it", "openai/openai-python/issues/2313"),
        *_told(
            "openai/openai-python/issues/1677", "BerriAI/litellm/issues/3811", "langchain-ai/langchain/issues/18977"
        ),
        *_told("microsoft/autogen/issues/6465", "spring-projects/spring-ai/pull/7014", "openai/openai-node/pull/1982"),
    ),
    "object_missing": _run("OP", "discards every such chunk, then fails an assertion"),
    "message_repeated": (
        *_run("LC OP PA LI", "loses finish reason and usage"),
        *_run("OI", "doubles the text"),
        *_told("abundantbeing/hermes-browser-extension/issues/11"),
    ),
    "index_missing": (
        *_run("OP ON OA OI OL", "fails"),
        *_told("vercel/ai/pull/4031"),
    ),
    "index_type": _run("ON AI", "rejects a string as index of a tool call"),
    "token_index": _run("OP ON LL OA OI OL", "fails"),
    "choices_out_of_order": (
        *_run("OP", "crashes", "openai/openai-python/pull/3709"),
        *_run("LL", "merges them in what it bills", "BerriAI/litellm/issues/38180"),
        *_told("langchain-ai/langchain/issues/26719"),
    ),
    "created_form": (
        *_run("AO AI OK", "rejects the chunk"),
        *_told("mozilla-ai/any-llm/issues/1164", "zed-industries/zed/pull/32982", "pydantic/pydantic-ai/pull/5312"),
    ),
    "id_changed": _run("ON", "`fromReadableStream` takes it for a new response"),
    "field_dropped": (
        *_run("OP", "overwrites the fingerprint, never updates the tier", "openai/openai-python/pull/3901"),
        *_run("ON LC PA OA LI OL", "loses the earlier value"),
    ),
    "role_empty": (
        *_run("ON", "raises: missing role"),
        *_known("Vercel AI SDK", "older versions raise a type error"),
    ),
    "role_repeated": (
        *_run("OP", "makes it `assistantassistant`"),
        *_told("pydantic/logfire/pull/545", effect="made it `assistantassistant`"),
        *_told("openinterpreter/openinterpreter/issues/244", effect="made it `assistantassistant`"),
    ),
    "role_missing": _run("ON OP OI OK OL", "cannot do without one"),
    "finish_empty": (
        *_run("AO", "rejects the chunk"),
        *_told("adolfousier/opencrabs/pull/1499"),
    ),
    "finish_unknown": _told("BerriAI/litellm/issues/12481"),
    "finish_error": (
        *_told("NousResearch/hermes-agent/pull/92161", effect="took it for a success"),
        *_told("mastra-ai/mastra/pull/20302", effect="ended the stream without a word"),
    ),
    "finish_repeated": _told(
        "langchain-ai/langchain/issues/38366", "langchain-ai/langchainjs/issues/11054", effect="made it `stopstop`"
    ),
    "after_finish": (
        *_run("OP", "says that a call is done while its arguments still arrive"),
        *_told("ducks/claux/issues/43"),
    ),
    "finish_stop_with_calls": _told("anomalyco/opencode/issues/14972", "BerriAI/litellm/pull/35753"),
    "finish_calls_without_calls": _told("anomalyco/opencode/pull/5139"),
    "finish_with_payload": _run("OP ON", "never says that the arguments of a call in one chunk are done"),
    "logprobs_at_start": (
        *_run("OP", "doubles them for every choice but the first"),
        *_known("openai-node", "version 6.49 doubles them, 7.57 does not"),
    ),
    "usage_repeated": (
        *_run("LC PA", "adds the figures up"),
        *_told("agno-agi/agno/pull/6058", effect="counted 24 times too much"),
        *_told("pydantic/pydantic-ai/pull/4056", "langchain-ai/langchainjs/pull/8694"),
        *_told("open-webui/open-webui/issues/29064", "brainlid/langchain/pull/625"),
        *_told("Portkey-AI/gateway/issues/1338", "databricks/databricks-ai-bridge/pull/638"),
    ),
    "usage_dropped": (
        *_told("pydantic/pydantic-ai/issues/7913", effect="forgets the earlier usage"),
        *_told("openai/openai-agents-python/pull/2126", "openai/openai-python/pull/3901"),
        *_told("BerriAI/litellm/issues/17136"),
    ),
    "usage_shrinks": _told("pydantic/pydantic-ai/issues/5889"),
    "usage_moved": _told("vercel/ai/issues/1651", "earendil-works/pi/issues/2017"),
    "usage_empty": _told("zed-industries/zed/issues/42893"),
    "usage_with_choices": _told("odysseus-dev/odysseus/pull/1703"),
    # --- tool calls
    "tool_index_missing": (
        *_run("OP", "crashes", "openai/openai-python/issues/2806"),
        *_told("AstrBotDevs/AstrBot/pull/6692", "open-webui/computer/issues/224", "jin-bo/agentao/pull/117"),
    ),
    "tool_index_reused": (
        *_run(_but("AI LC"), "does not tell the calls apart"),
        *_told("NousResearch/hermes-agent/issues/62940"),
    ),
    "tool_index_gap": (
        *_run("OP ON OL", "crashes"),
        *_run("LF", "makes up a call for the gap"),
        *_told("BerriAI/litellm/issues/5231", "pipecat-ai/pipecat/pull/5342"),
        *_told("context-labs/whip/pull/111", "marimo-team/marimo/pull/7356"),
    ),
    "tool_id_repeated": (
        *_run("OP LI OI", "joins the ids to one long id"),
        *_told("HKUDS/DeepTutor/issues/937", effect="ids over 64 characters, refused in the next turn"),
    ),
    "tool_name_repeated": (
        *_run("OP LC PA LI", "joins the names"),
        *_told(
            "SillyTavern/SillyTavern/pull/5948", "AstrBotDevs/AstrBot/pull/7735", "langchain4j/langchain4j/pull/4530"
        ),
    ),
    "tool_id_empty": (
        *_run("LF", "blanks the id that it had"),
        *_told("symfony/ai/pull/2220"),
    ),
    "tool_type_null": _run("OP", "fails an assertion"),
    "tool_id_reused": (
        *_run("AI", "merges the calls"),
        *_told("HKUDS/nanobot/pull/3943", "HKUDS/nanobot/issues/4473", "OpenRouterTeam/ai-sdk-provider/pull/471"),
    ),
    "tool_id_missing": (
        *_run("LL", "drops the call"),
        *_run("ON", "makes up an id"),
        *_known("Vercel AI SDK openai-compatible", "raises up to 3.0.35, not in 3.0.92"),
    ),
    "tool_name_late": (
        *_run("MI", "raises"),
        *_told("garudust-org/garudust-agent/pull/16"),
    ),
    "tool_name_empty": _run("OI", "overwrites the name that it had"),
    "arguments_doubled": (
        *_told("cline/kanban/issues/339", "mudler/cogito/pull/66", effect="could not read them"),
        *_told("openai/openai-agents-js/pull/712", "NousResearch/hermes-agent/pull/35718"),
    ),
    "arguments_object": (
        *_run("ON", "writes `[object Object]`"),
        *_run("LC OA LF OL", "crashes"),
        *_told("BerriAI/litellm/pull/24095"),
    ),
    "arguments_not_object": _told("ar-jan/llm-venice/issues/45"),
    "arguments_empty": (
        *_run("LL", "writes `{}` instead"),
        *_told("langchain-ai/langchainjs/pull/8581", effect="dropped the call"),
    ),
    "tool_fragments_together": (
        *_run("LI", "loses arguments: it reads the first fragment only"),
        *_told("openai/openai-python/issues/3201"),
    ),
    "tool_function_null": _run("OP LC LI", "crashes"),
    "tool_calls_empty": _told("The-Vibe-Company/quivr/pull/3514"),
    "calls_interleaved": (
        *_run("OP ON", "says too early that a call is done, and not again"),
        *_run("MI", "raises"),
        *_run("LI", "loses arguments"),
    ),
    "custom_tool": (
        *_run("OP", "raises AttributeError"),
        *_run("LC LI", "crashes"),
    ),
    "function_call": _run("OA PA AI LI", "drops it"),
    "extra_content": (
        *_run("LL", "drops the thought signature", "ServiceNow/eva/pull/206"),
        *_told("NousResearch/hermes-agent/pull/2997", "earendil-works/pi/pull/7745", "noho/dayu-agent/issues/45"),
    ),
    # --- text and reasoning
    "content_parts": (
        *_told("BerriAI/litellm/issues/16272", "simonw/llm-mistral/pull/39", "vercel/ai/pull/8072"),
        *_told("karthink/gptel/issues/1035"),
    ),
    "reasoning_field": _run("ON", "keeps the last piece only"),
    "reasoning_twice": _told("Arize-ai/openinference/issues/3785", "langchain-ai/langchain/pull/35520"),
    "reasoning_details": (
        *_run("OP", "joins the formats and ids of the pieces"),
        *_told("agno-agi/agno/issues/8794", "pailat/adk-llm-bridge/pull/82", "NousResearch/hermes-agent/pull/96782"),
        *_told("open-webui/open-webui/pull/26404"),
    ),
    "think_tags": (
        *_run("PA", "sees a tag only where it is a whole delta"),
        *_told("can1357/oh-my-pi/pull/2434"),
    ),
    "cumulative_text": _told(
        "QwenLM/qwen-code/pull/3896", "open-jarvis/OpenJarvis/pull/464", "openclaw/openclaw/pull/142888"
    ),
    "list_without_index": (
        *_run("OP", "raises RuntimeError where it is repeated"),
        *_told("BerriAI/litellm/pull/23663", effect="kept the first of them only"),
    ),
    "scalar_in_delta": _run("OP", "adds the values up"),
    "scalar_repeated": _run("OP", "adds the values up"),
}
"""What is known to break on a shape, by its code. A code that is not here: nothing is known."""


def clients_of(code: str) -> tuple[Client, ...]:
    """Return the clients that are known to break on what `code` names; none where nothing is known."""
    return CLIENTS.get(code, ())


show_fields(__name__)
