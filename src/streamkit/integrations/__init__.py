"""What joins streamkit to one SDK, framework or standard each: a module, with an extra of the same name.

`opentelemetry`     spans and metrics for each stream that is over
"""

__all__ = ()
