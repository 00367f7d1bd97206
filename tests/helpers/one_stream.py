"""One stream with text, reasoning, a tool call and usage, and its response."""

from __future__ import annotations

from helpers.wire import calls, chunk, delta

TEXT = delta('{"content":"a"}')
FINISH = delta("{}", "stop")
STREAM = [
    delta('{"role":"assistant","content":""}'),
    delta('{"content":"Grüße, "}'),
    delta('{"content":"\U0001f600\\ud83d"}'),
    delta('{"content":"\\ude00","reasoning":"hm"}', more='"service_tier":"default"'),
    *calls(
        '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}',
        '{"index":0,"function":{"arguments":"{\\"a\\":"}}',
        '{"index":0,"function":{"arguments":"1}"}}',
    ),
    chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'),
]
RESPONSE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 7,
    "model": "m",
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Grüße, \U0001f600\U0001f600",
                "reasoning": "hm",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
