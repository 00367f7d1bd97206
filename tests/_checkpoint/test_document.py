"""A checkpoint that an earlier release wrote is read by this one."""

from __future__ import annotations

import pytest

from streamkit import Accumulator, Limits, RemoteError, ValidationError
from streamkit.events import ContentDelta, ToolCallDelta

VERSION_1 = r"""
{
 "format": "streamkit checkpoint",
 "version": 1,
 "options": {
  "limits": {},
  "rules": null,
  "dialect": [],
  "converter": false,
  "path_events": false
 },
 "state": {
  "closed": false,
  "overran": false,
  "reader": {
   "decoder": {
    "last_event_id": "4",
    "events": 1,
    "bom": null,
    "tail": "data: {\"id\":\"c1\",\"choi",
    "id": "4"
   },
   "sniffer": null,
   "size": 288,
   "blocks": 1
  },
  "assembler": {
   "context": {
    "event": 1,
    "size": 252,
    "kept": 177,
    "unknown": {
     "choices[].delta.x": 1
    }
   },
   "anomalies": {
    "event": 1
   },
   "reducer": {
    "chunks": 1,
    "emitted": true,
    "said": true,
    "sequence": 6,
    "choices": [
     [
      0,
      {
       "role": {
        "kind": "first",
        "value": {
         "$": [
          "Role",
          "assistant"
         ]
        }
       },
       "content": {
        "kind": "text",
        "text": "Hi ",
        "held": "\ud83d",
        "waits": 0
       },
       "calls": {
        "calls": [
         {
          "index": 0,
          "id": "t",
          "synthetic_id": false,
          "name": "f",
          "arguments": {
           "kind": "text",
           "text": "{\"a"
          },
          "has_arguments": true,
          "reasons": [
           [
            "rule 2: a new id with a name opens a call",
            1
           ]
          ]
         }
        ],
        "by_id": {
         "t": 0
        },
        "by_index": [
         [
          0,
          0
         ]
        ],
        "last": 0
       },
       "finish": {
        "kind": "last"
       },
       "delta_extra": {
        "kind": "fields",
        "fields": {
         "x": {
          "kind": "fields",
          "fields": {
           "a": {
            "kind": "same_or_add",
            "first": "b",
            "times": 1
           }
          }
         }
        }
       },
       "has_content": true,
       "open": [
        "content",
        0
       ]
      }
     ]
    ],
    "metadata": [
     "c1",
     7,
     "m",
     null,
     null
    ],
    "id": {
     "kind": "first",
     "value": "c1"
    },
    "created": {
     "kind": "first",
     "value": 7
    },
    "model": {
     "kind": "first",
     "value": "m"
    },
    "tier": {
     "kind": "last"
    },
    "fingerprint": {
     "kind": "last"
    },
    "usage": {
     "source": {
      "prompt_tokens": [
       "usage",
       1
      ]
     },
     "counts": {
      "kind": "ledger",
      "value": {
       "prompt_tokens": 5
      }
     },
     "reports": 1,
     "only": {
      "prompt_tokens": 5
     }
    },
    "models": [
     "m"
    ]
   },
   "documents": {},
   "events": 1,
   "data_bytes": 252,
   "left": {}
  }
 }
}
"""
"""What the first release wrote in the middle of an event, and of a surrogate pair. Do not change it: a release that cannot
read it has a new version, and says so."""


def test_a_checkpoint_of_the_first_version_is_read() -> None:
    accumulator = Accumulator.restore(VERSION_1)
    events = accumulator.feed(
        b'ces":[{"index":0,"delta":{"content":"\\ude00","tool_calls":[{"index":0,"function":{"arguments":"\\":1}"}}]},'
        b'"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
    )
    assert [(6, "\U0001f600"), (7, '":1}')] == [
        (event.sequence, event.text if isinstance(event, ContentDelta) else event.arguments)
        for event in events
        if isinstance(event, (ContentDelta, ToolCallDelta))
    ]
    response = accumulator.snapshot()
    assert response is not None
    assert "complete" == accumulator.close().name
    assert "Hi \U0001f600" == response.choices[0].message.content
    assert {"x": {"a": "b"}} == response.choices[0].message.extra
    assert ("usage", 1) == accumulator.usage_source["prompt_tokens"]


@pytest.mark.parametrize("code", ["NaN", "1e400", "-Infinity"])
def test_an_error_with_a_code_that_is_no_finite_number_is_kept(code: str) -> None:
    before = Accumulator()
    before.feed(b'data: {"error":{"message":"x","code":' + code.encode() + b"}}\n\n")
    error = Accumulator.restore(before.checkpoint()).close().error
    assert isinstance(error, RemoteError)
    assert str(float(code)) == str(error.code)


def test_a_name_of_log_probabilities_opens_no_checkpoint_to_any_number_of_values() -> None:
    limits = Limits(max_event_values=1000, max_extra_values=1000)
    data = b'{"logprobs":[' + b"{}," * 200_000 + b"1]}"
    with pytest.raises(ValidationError, match="a document of at most 8,000 values"):
        Accumulator.restore(data, limits=limits)
