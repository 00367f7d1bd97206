"""Write docs/anomalies.md from the tables in the code: `python docs/make_anomalies.py`.

In: the codes (`streamkit.CODES`), the observations, the known bugs of clients, and for each code the plainest stream that
shows it, from the tests that read that very stream. Out: the page. A test holds that the page is what this writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from _check.test_observations import SEEN_IN as OBSERVATIONS_SEEN_IN  # noqa: E402
from streamkit import CODES  # noqa: E402
from streamkit._check.known_client_bugs import clients_of  # noqa: E402
from streamkit._check.markup import MARKUP  # noqa: E402
from streamkit._check.observations import OBSERVATIONS  # noqa: E402
from streamkit.outcome import REASONS  # noqa: E402
from test_anomalies import SEEN_IN as ANOMALIES_SEEN_IN  # noqa: E402

PAGE = ROOT / "docs" / "anomalies.md"
METADATA = '"id":"c1","object":"chat.completion.chunk","created":7,"model":"m",'  # in nearly every chunk of the tests
LINE = 200  # bytes of a line that are shown

HEAD = """\
# What senders do that the format does not define

<!-- Written by docs/make_anomalies.py from the tables in the code; change those. -->

`Accumulator.anomalies`, `ChatStream.anomalies` and `streamkit check` use the codes on this page. An anomaly has a
severity:

| severity | means | `strict=True` | `streamkit check` |
|---|---|---|---|
| `note` | harmless: the response is what it would be without it | passes | exits 0, under `--strict` 1 |
| `repaired` | the meaning is certain and was restored | raises | exits 1 |
| `lost` | something could not be used and is not in the response | raises | exits 1 |

`streamkit check` also reports observations: things that do not hinder reading at all. An observation is a `note` where the
format says otherwise, and `info` where the format allows it but some clients are known to break on it. `info` is never a
fault.

**Clients that break on it.** A library named without a link was run on such a stream (in the version given, if there is
one) and did what its line says. A link is a public thread in which somebody reports the shape; it may have been fixed
since. If no client is named, none is known.

[senders.md](senders.md) counts in recorded streams which sender does what.

In the examples `…` at the start of a chunk stands for its usual fields: `id`, `object`, `created`, `model`.
"""


def page() -> str:
    """Return the whole page."""
    observations = {code: row for code, row in OBSERVATIONS.items() if code not in CODES}
    lines = [
        HEAD,
        "## Anomalies\n",
        *_overview(CODES),
        *(line for code, row in CODES.items() for line in _section(code, *row, ANOMALIES_SEEN_IN.get(code))),
        "## Observations\n",
        *_overview(observations),
        *(line for code, row in observations.items() for line in _section(code, *row, OBSERVATIONS_SEEN_IN.get(code))),
        "## Markup in text\n",
        "What `markup_in_text` looks for, and which models write it. An honest answer may quote it, too.\n",
        "| markup | models |",
        "|---|---|",
        *(f"| `{markup.replace('|', chr(92) + '|')}` | {models} |" for markup, models in MARKUP.items()),
        "",
        "## Endings\n",
        "Streams that are not complete, by `outcome.reason`. Listed are those that some clients are known to misread.\n",
        *(line for reason, row in REASONS.items() if row[0] != "complete" for line in _ending(reason, *row)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _overview(table: Mapping[str, tuple[str, str, str]]) -> Iterator[str]:
    yield "| code | severity | what the sender does |"
    yield "|---|---|---|"
    for code, (severity, message, _) in table.items():
        yield f"| [`{code}`](#{code}) | {severity} | {message} |"
    yield ""


def _section(code: str, severity: str, message: str, action: str, example: bytes | None) -> Iterator[str]:
    yield f"### {code}\n"
    yield f"*{severity}.* {message} {action}\n"
    if example is not None:
        yield f"```text\n{_shown(example)}\n```\n"
    yield from _clients(code)


def _ending(reason: str, name: str, sentence: str) -> Iterator[str]:
    if clients_of(reason):
        yield f"### {reason}\n"
        yield f"*{name}.* {sentence[:1].upper()}{sentence[1:]}.\n"
        yield from _clients(reason)


def _clients(code: str) -> Iterator[str]:
    """Yield the clients that break on it; those that do the same share a line."""
    together: dict[str, dict[str, list[str]]] = {}
    for client in clients_of(code):
        sources = together.setdefault(client.effect, {}).setdefault(f"{client.name} {client.version}".strip(), [])
        sources += [client.source] if client.source is not None else []
    if not together:
        return
    yield "Clients that break on it:\n"
    for effect, clients in together.items():
        names = (
            name + "".join(f" [#{source.rpartition('/')[2]}]({source})" for source in sources)
            for name, sources in clients.items()
        )
        yield f"- {effect}: {', '.join(names)}"
    yield ""


def _shown(stream: bytes) -> str:
    """Return the bytes of a stream as text: line feeds as they are, other characters that do not print as escapes."""
    lines = stream.decode("utf-8", "backslashreplace").replace(METADATA, "…,").rstrip("\n").split("\n")
    return "\n".join(_escaped(line if len(line) <= LINE else f"{line[: LINE - 1]}…") for line in lines)


def _escaped(line: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
