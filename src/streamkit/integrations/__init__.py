"""What joins streamkit to one SDK, framework or standard each: a module, with an extra of the same name.

`httpx`             a transport of httpx and httpx2 that writes every stream clean, beneath any SDK
`openai`            the openai SDK: its client, its types, drop-ins for its stream helpers
`langchain`         `ChatOpenAI` with what LangChain's leaves out: reasoning, refusals, calls that were cut off
`opentelemetry`     spans and metrics for each stream that is over
"""

__all__ = ()
