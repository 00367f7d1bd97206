"""What kind of error it is, and whether a retry may help: one table, each row with its source.

In: what is known about an error (`Facts`): the HTTP status, the code and type that the sender wrote, its message, the
finish reason that signals a failure. Out: a `Verdict`. Cost: one pass over the table, and a search for each phrase in
the first 4,096 characters of the message; no regular expression.

Strategy: `ROWS` is tried from the top, and the first row whose conditions are all met decides. Rows with one specific
meaning (`context_length_exceeded`) are at the top, rows for general words at the bottom: a status,
`invalid_request_error`. Messages are checked before statuses, since senders use the same status for different things:
400 for a context that is too long, 429 for an account without money.

Rule 1  Codes and types are compared without case, `_`, `-`, `.` and spaces: `RateLimitError`, `rate_limit_error`.
Rule 2  A code that is a number from 400 to 599 is a status (OpenRouter: `"code": 502` in a stream of status 200), and
        overrides the status of the response.
Rule 3  A limit that waiting does not lift (no money, a month's quota) is a `rate_limit` that is not retryable.
Rule 4  What matches no row is `unknown` and not retryable.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

__all__ = ("ROWS", "ErrorKind", "Facts", "Row", "Verdict", "judge", "quoted")

ErrorKind = Literal[
    "rate_limit",
    "overloaded",
    "context_length",
    "content_filter",
    "auth",
    "bad_request",
    "network",
    "sender",
    "unknown",
]
"""What went wrong, so that a caller can decide what to do."""

_RETRYABLE = frozenset({"rate_limit", "overloaded", "network", "sender"})
_LOOKED_AT = 4096  # characters of a message: LiteLLM quotes the upstream server's message in its own
_LEAST, _MOST = 400, 599  # RFC 9110 section 15


class Verdict(NamedTuple):
    """The kind of an error, and whether a retry may help."""

    kind: ErrorKind
    retryable: bool


class Facts(NamedTuple):
    """What is known about an error."""

    status: int | None = None
    """HTTP status of the response."""
    code: str | int | float | None = None
    """As the sender wrote it."""
    type: str | None = None
    """As the sender wrote it."""
    words: str = ""
    """The message, and any upstream message that the sender quotes."""
    finish: str | None = None
    """The finish reason, if it signals that the sender failed."""
    path: str | None = None
    """JSON path of the error in the event."""


class Row(NamedTuple):
    """One way in which senders report what went wrong. An empty condition always matches."""

    kind: ErrorKind
    names: str = ""
    """Codes and types, in the form of rule 1; one must be the code or the type."""
    words: tuple[str, ...] = ()
    """Phrases in lower case; one must occur in the message."""
    statuses: tuple[int, ...] = ()
    """Statuses; one must be equal."""
    finish: str = ""
    """Finish reasons in lower case; one must be equal."""
    path: str = ""
    """JSON path of the error, for numeric codes of one sender."""
    retryable: bool | None = None
    """Set only where it differs from the default of the kind."""

    def holds(self, names: frozenset[str], words: str, status: int | None, finish: str, path: str) -> bool:
        """Return True if every condition is met."""
        return (
            (not self.names or not names.isdisjoint(self.names.split()))
            and (not self.words or any(map(words.__contains__, self.words)))
            and (not self.statuses or status in self.statuses)
            and (not self.finish or finish in self.finish.split())
            and (not self.path or path == self.path)
        )


ROWS: tuple[Row, ...] = (
    # --- numeric codes of one sender, recognised by their path
    # MiniMax, in `base_resp`: https://platform.minimax.io/docs/api-reference/errorcode
    Row("rate_limit", "1002 1039 1041", path="$.base_resp"),
    Row("rate_limit", "1008 2056", path="$.base_resp", retryable=False),
    Row("auth", "1004 2049", path="$.base_resp"),
    Row("content_filter", "1026 1027", path="$.base_resp"),
    Row("bad_request", "1042 2013 20132", path="$.base_resp"),
    Row("overloaded", "1001", path="$.base_resp"),
    Row("sender", "1000 1013 1024 1033", path="$.base_resp"),
    # Zhipu, Z.ai: https://docs.bigmodel.cn/cn/api/api-code and https://docs.z.ai/api-reference/api-code
    Row("context_length", "1261", path="$.error"),
    Row("content_filter", "1300 1301", path="$.error"),
    Row("rate_limit", "1302 1303 1305", path="$.error"),
    Row("rate_limit", "1113 1304 1308 1309 1310 1313", path="$.error", retryable=False),
    Row("overloaded", "1120 1312", path="$.error"),
    Row("auth", "1000 1001 1002 1003 1004 1100 1110 1111 1112 1121 1220 1311", path="$.error"),
    Row("bad_request", "1210 1211 1212 1213 1214 1215 1221 1222 1231", path="$.error"),
    Row("sender", "1200 1230 1234", path="$.error"),
    # Baidu Qianfan, with `error_code` next to `error_msg`: https://ai.baidu.com/ai-doc/WENXINWORKSHOP/tlmyncueh
    Row("rate_limit", "4 18", words=("request limit reached",)),
    Row("rate_limit", "17 19", words=("request limit reached",), retryable=False),
    Row("auth", "110 111", words=("access token",)),
    # --- context too long
    # OpenAI: https://github.com/mckaywrigley/chatbot-ui/issues/102; OpenRouter: https://openrouter.ai/docs/api/errors
    Row("context_length", "contextlengthexceeded tokenlimitexceeded"),
    # llama.cpp: https://github.com/ggml-org/llama.cpp/pull/15780
    Row("context_length", "exceedcontextsizeerror"),
    # llama.cpp, in the middle: https://github.com/ggml-org/llama.cpp/issues/19774
    Row("context_length", words=("context size has been exceeded", "exceeds the available context size")),
    # LiteLLM's own class: https://docs.litellm.ai/docs/exception_mapping
    Row("context_length", words=("contextwindowexceedederror",)),
    # OpenAI and vLLM: "This model's maximum context length is 4097 tokens. However, you requested 4120"; Mistral: "too large
    # for model with 32768 maximum context length" (https://portkey.ai/error-library/context-length-exceeded-error-13710000)
    Row("context_length", words=("maximum context length", "context_length_exceeded", "context length exceeded")),
    # llama-cpp-python: https://github.com/fedora-copr/logdetective-website/pull/193
    Row("context_length", words=("exceed context window", "exceeds context window", "exceeds the context window")),
    # Gemini: https://github.com/JohnnyZ93/oai-compatible-copilot/issues/13
    Row("context_length", words=("input token count", "exceeds the maximum number of tokens"), statuses=(400, 413)),
    # Moonshot: https://platform.kimi.ai/docs/api/errors
    Row("context_length", words=("exceeded model token limit", "input token length too long")),
    # Anthropic: "prompt is too long: 207000 tokens > 200000 maximum": https://docs.anthropic.com/en/api/errors
    Row("context_length", words=("prompt is too long", "prompt too long")),
    # Together, with 403: https://docs.together.ai/docs/error-codes
    Row("context_length", words=("context length of the model", "less than the context length")),
    # Alibaba: https://www.alibabacloud.com/help/en/model-studio/coding-plan-faq
    Row("context_length", words=("range of input length should be",)),
    # --- refused by a content filter
    # OpenAI, Azure, Moonshot (as type): https://platform.kimi.ai/docs/api/errors; Azure's inner code
    # https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter
    Row("content_filter", "contentfilter contentpolicyviolation responsibleaipolicyviolation"),
    # Alibaba: https://help.aliyun.com/en/model-studio/error-code-start
    Row("content_filter", "datainspectionfailed"),
    # ZenMux: https://docs.zenmux.ai/guide/advanced/error-codes.html
    Row("content_filter", "safetycheckfailed"),
    # Azure: https://github.com/microsoft/azurechat/issues/351; LiteLLM's class; OpenRouter (403)
    Row("content_filter", words=("content management policy", "contentpolicyviolationerror", "content policy")),
    Row("content_filter", words=("requires moderation", "was flagged", "considered high risk"), statuses=(400, 403)),
    # --- limits with a retry time: Gemini writes "exceeded your current quota" for limits per minute, too
    # (https://ai.google.dev/gemini-api/docs/rate-limits), OpenAI "Please try again in 20ms"
    Row("rate_limit", words=("please retry in", "please try again in"), statuses=(413, 429)),
    # --- limits that waiting does not lift
    # OpenAI: https://developers.openai.com/docs/guide/error-codes; billing errors have further codes of the same type
    Row("rate_limit", "insufficientquota creditbalanceexhausted billinghardlimitreached", retryable=False),
    # Moonshot: https://platform.kimi.ai/docs/api/errors
    Row("rate_limit", "exceededcurrentquotaerror", retryable=False),
    # Anthropic: https://learn.microsoft.com/en-us/microsoft-cloud/dev/dev-proxy/concepts/anthropic-529-overloaded-error
    Row("rate_limit", "billingerror enforcedspendlimitreached", retryable=False),
    # Alibaba: https://help.aliyun.com/en/model-studio/error-code-start
    Row("rate_limit", "arrearage", retryable=False),
    # ZenMux: https://docs.zenmux.ai/guide/advanced/error-codes.html; OpenRouter: https://openrouter.ai/docs/api/errors
    Row("rate_limit", "insufficientcredit rejectnocredit quoteexceeded paymentrequired", retryable=False),
    # OpenAI, DeepSeek (https://api-docs.deepseek.com/quick_start/error_codes), OpenRouter
    Row(
        "rate_limit",
        words=(
            "exceeded your current quota",
            "insufficient balance",
            "insufficient credits",
            "credit balance is too low",
            "usage limit for this billing cycle",
        ),
        retryable=False,
    ),
    # --- limits that waiting lifts
    # OpenAI, Groq (429, and 413 for tokens a minute): https://console.groq.com/docs/errors; Anthropic
    Row("rate_limit", "ratelimitexceeded ratelimiterror ratelimit ratelimitreachederror toomanyrequests slowdown"),
    # Alibaba: https://help.aliyun.com/en/model-studio/error-code-start; LiteLLM; Amazon Bedrock
    Row("rate_limit", "throttling throttlingratequota throttlingallocationquota throttlingerror throttlingexception"),
    # Google: https://ai.google.dev/gemini-api/docs/troubleshooting
    Row("rate_limit", "resourceexhausted"),
    # --- overloaded
    # Anthropic: https://docs.anthropic.com/en/api/errors
    Row("overloaded", "overloadederror overloaded"),
    # OpenAI: https://developers.openai.com/docs/guide/error-codes
    Row("overloaded", "serverisoverloaded serviceunavailableerror serveroverloaded"),
    # Moonshot: https://platform.kimi.ai/docs/api/errors
    Row("overloaded", "engineoverloadederror"),
    # Groq, with 498: https://console.groq.com/docs/flex-processing; OpenRouter
    Row("overloaded", "capacityexceeded provideroverloaded"),
    # llama.cpp while it loads the model (503); Google
    Row("overloaded", "unavailableerror unavailable serviceunavailable"),
    Row("overloaded", "modelnotreadyexception"),
    # Together: https://docs.together.ai/docs/error-codes; Kimi Code: https://www.kimi.com/code/docs/en/kimi-code/error-reference.html
    Row("overloaded", words=("currently overloaded", "temporarily overloaded", "is overloaded", "overloaded_error")),
    # DeepSeek, where its servers are overloaded: https://api-docs.deepseek.com/api/create-chat-completion
    Row("overloaded", finish="insufficient_system_resource"),
    Row("overloaded", "insufficientsystemresource"),
    # Cohere: https://docs.cohere.com/reference/chat
    Row("overloaded", finish="timeout"),
    Row("overloaded", "timeout timeouterror deadlineexceeded gatewaytimeout"),
    # --- authentication and permission
    # OpenAI, Moonshot, Alibaba, Anthropic
    Row("auth", "invalidapikey incorrectapikeyerror invalidauthenticationerror authenticationerror unauthorized"),
    Row("auth", "permissionerror permissiondenied permissiondeniederror accessdenied unauthenticated forbidden"),
    # Google writes 400 for a wrong key: https://ai.google.dev/gemini-api/docs/troubleshooting
    Row("auth", "apikeyinvalid"),
    Row("auth", words=("api key not valid", "incorrect api key", "invalid api key", "invalid authentication")),
    # --- the server rejected its own model's output; another try produces other output
    # Groq: https://console.groq.com/docs/tool-use; Gemini: https://github.com/NousResearch/hermes-agent/pull/83886
    Row("sender", "toolusefailed jsonvalidatefailed"),
    # `FinishReason.__failures__` has the source of each word
    Row(
        "sender",
        finish="error network_error server_error internal_error abort aborted cancelled malformed_function_call",
    ),
    # --- statuses, from here on by HTTP alone: RFC 9110 section 15, and how senders use them
    Row("auth", statuses=(401, 403, 407)),
    # https://openrouter.ai/docs/api/errors, https://api-docs.deepseek.com/quick_start/error_codes, Fireworks, Together
    Row("rate_limit", statuses=(402,), retryable=False),
    Row("rate_limit", words=("tokens per minute", "rate limit"), statuses=(413,)),  # Groq
    Row(
        "overloaded", statuses=(408,)
    ),  # the sender timed out waiting for us, or for its own upstream (Fireworks, OpenRouter)
    Row("sender", statuses=(409,)),  # the SDKs of OpenAI and Anthropic retry it: a lock that timed out
    Row("rate_limit", statuses=(425, 429)),
    Row(
        "overloaded", statuses=(498, 503, 504, 529)
    ),  # Groq; Anthropic; 504: gateways in front of a model that thinks for too long
    Row("overloaded", statuses=(520, 521, 522, 523, 524)),  # Cloudflare: the origin does not answer
    Row("bad_request", statuses=(501, 505)),  # not supported by the server, now or later
    Row("sender", statuses=(500, 502, 599)),
    # --- unspecific types
    Row("auth", "authentication permission"),
    # OpenAI, vLLM (`BadRequestError`), Alibaba, Google, Anthropic, Mistral
    Row("bad_request", "invalidrequesterror badrequesterror badrequest invalidrequest invalidparameter invalidparams"),
    Row("bad_request", "invalidargument failedprecondition validationerror unprocessableentityerror invalidprompt"),
    Row("bad_request", "notfounderror notfound modelnotfound modelnotfounderror invalidmodel requesttoolarge"),
    # OpenAI, vLLM (`InternalServerError`, also in the stream), Anthropic (`api_error`), llama.cpp, Google
    Row("sender", "servererror internalservererror apierror internalerror internal providererror providerapierror"),
    # --- messages without a code
    Row("rate_limit", words=("rate limit", "too many requests")),
    Row("overloaded", words=("overloaded", "try again later", "at capacity", "timed out", "timeout", "time-out")),
    Row("overloaded", words=("service unavailable",)),  # the title of a proxy's page
    Row("sender", words=("internal server error", "internal error", "bad gateway", "provider returned error")),
    # llama.cpp (`failed to decode, try again, increasing context size or reducing parallel`), by way of GPUStack
    Row("overloaded", words=("failed to decode, try again",)),
)
"""Every row, in the order in which they are tried."""


def judge(facts: Facts) -> Verdict:
    """Return the verdict for an error with these facts."""
    numbered = _status_in(facts.code)
    status = facts.status if numbered is None else numbered
    names = frozenset(_plain(one) for one in (facts.code, facts.type) if one is not None)
    words = facts.words[:_LOOKED_AT].lower()
    finish = (facts.finish or "").lower()
    for row in ROWS:
        if row.holds(names, words, status, finish, facts.path or ""):
            return Verdict(row.kind, row.kind in _RETRYABLE if row.retryable is None else row.retryable)
    if (
        status is not None and _LEAST <= status <= _MOST
    ):  # a status in no row: decided by its first digit, as RFC 9110 says
        return Verdict("bad_request", False) if status < 500 else Verdict("sender", True)
    return Verdict("unknown", False)


def quoted(body: Any) -> str:
    """Return what an error quotes from an upstream server: OpenRouter puts the upstream's whole body into
    `metadata.raw`, and itself writes "Provider returned error" (https://github.com/cline/cline/issues/13194)."""
    for value in (body.get("error"), body) if isinstance(body, dict) else ():
        metadata = value.get("metadata") if isinstance(value, dict) else None
        raw = metadata.get("raw") if isinstance(metadata, dict) else None
        if isinstance(raw, str):
            return raw
    return ""


def _status_in(code: str | int | float | None) -> int | None:
    """Return the code as an HTTP status if it is one (rule 2): 502, `"429"`."""
    if isinstance(code, str):
        code = int(code) if len(code) == 3 and code.isascii() and code.isdigit() else None
    return int(code) if isinstance(code, (int, float)) and _LEAST <= code <= _MOST else None


def _plain(name: str | int | float) -> str:
    """Return a name in the form of rule 1; a long text is cut off."""
    return str(name)[:64].lower().translate(_DROPPED)


_DROPPED = dict.fromkeys(map(ord, "_-. "))
