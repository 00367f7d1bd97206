"""The frameworks: what each needs, and in which environment it is run. Those that agree on their versions share one."""

from __future__ import annotations

import attrs


@attrs.frozen
class Framework:
    """One framework: the packages that its page needs, and the ways in which it is run."""

    environment: str
    packages: tuple[str, ...]
    modes: tuple[str, ...] = ("alone", "transport")
    only: tuple[str, ...] = ()
    """The scenarios that mean something to it; empty for all."""


BROKEN = ("error", "error_first", "truncated", "truncated_tools", "reset", "length_in_args")

FRAMEWORKS: dict[str, Framework] = {
    "openai": Framework("ci", ("openai",)),
    "langchain": Framework("ci", ("langchain", "langchain-openai"), ("alone", "transport", "module")),
    "pydantic-ai": Framework("agents", ("pydantic-ai-slim",)),
    "openai-agents": Framework("agents", ("openai-agents",)),
    "litellm": Framework("agents", ("litellm",)),
    "smolagents": Framework("agents", ("smolagents",)),
    "agno": Framework("agents", ("agno",)),
    "haystack": Framework("agents", ("haystack-ai",)),
    "agent-framework": Framework("agents", ("agent-framework-openai",)),
    "semantic-kernel": Framework("agents", ("semantic-kernel",)),
    "google-adk": Framework("google-adk", ("google-adk", "litellm")),
    "autogen": Framework("autogen", ("autogen-agentchat", "autogen-ext")),
    "dspy": Framework("agents", ("dspy", "litellm")),
    "llama-index": Framework("older", ("llama-index-core", "llama-index-llms-openai-like")),
    "strands": Framework("older", ("strands-agents",)),
    "instructor": Framework("instructor", ("instructor",), only=BROKEN),
    "crewai": Framework("crewai", ("crewai",)),
}
"""By the name of their page."""

BOUNDS = {
    "openai": "openai>=2",
    "langchain-openai": "langchain-openai>=1",
    "litellm": "litellm>=1.100",
    "pydantic-ai-slim": "pydantic-ai-slim>=2.60",
    "openai-agents": "openai-agents>=0.20",
    "smolagents": "smolagents>=1.26",
    "agno": "agno>=3",
    "haystack-ai": "haystack-ai>=3",
    "agent-framework-openai": "agent-framework-openai>=1.15",
    "semantic-kernel": "semantic-kernel>=1.45",
    "google-adk": "google-adk>=2",
    "dspy": "dspy>=3.4",
    "autogen-agentchat": "autogen-agentchat>=0.7",
    "autogen-ext": "autogen-ext[openai]>=0.7",
}
"""What pip is asked for: with the name alone it goes back for minutes, to versions years old."""
