"""What a response, or a request, says of its exchange, whatever the client; none is imported.

In: an object of httpx, httpx2, requests, niquests, aiohttp, urllib3, http.client, or the openai SDK over them. Out: the header
of a trace (method, path, request headers and body), and status and headers of the response. What cannot be had is left empty;
nothing is raised. Costs some attribute lookups, once an exchange.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ("body_fields", "head_of_source", "request_of_httpx", "request_of_source")

Pairs = tuple[tuple[str, str], ...]


def body_fields(body: bytes | None) -> dict[str, Any]:
    """Return the body of a request as fields of a `Trace`: `request` where it is a JSON object that can be written again."""
    if body is None:
        return {}
    try:
        value = json.loads(body.decode("utf-8"))
        if isinstance(value, dict):
            json.dumps(value, allow_nan=False)
            return {"request": value}
    except (ValueError, RecursionError):
        pass
    return {"request_body": body} if body else {}


def request_of_httpx(request: Any, body: bytes | None) -> dict[str, Any]:
    """Return the fields of a header that a request of httpx or httpx2 fills."""
    return {
        "method": request.method,
        "path": request.url.raw_path.decode("ascii", "replace"),
        "request_headers": _pairs(request.headers.raw),
        **body_fields(body),
    }


def request_of_source(source: Any) -> dict[str, Any]:
    """Return the fields of a header that the request fills to which `source` is the response; none where it is not a response."""
    response = _response(source)
    for read in (_of_httpx, _of_requests, _of_aiohttp, _of_url):
        try:
            found = read(response)
        except Exception:  # no such attribute; a request that was never set; a body that cannot be read again
            continue
        if found:
            return found
    return {}


def head_of_source(source: Any) -> Pairs:
    """Return the headers of a response, as received where the client keeps that."""
    response = _response(source)
    for find in _HEADERS:
        try:
            return _pairs(find(response))
        except Exception:
            continue
    return ()


_HEADERS: tuple[Callable[[Any], Any], ...] = (
    lambda response: response.headers.raw,  # httpx
    lambda response: response.raw_headers,  # aiohttp
    lambda response: response.raw.headers.items(),  # requests: repeated ones too
    lambda response: response.getheaders(),  # http.client
    lambda response: response.headers.items(),
)


def _response(source: Any) -> Any:
    """Return the response that an object of an SDK carries, or the source itself."""
    for name in ("http_response", "response"):
        try:
            if isinstance(source, Mapping) or inspect.getattr_static(source, name, None) is None:
                continue
            found = getattr(source, name)
            if hasattr(found, "headers"):
                return found
        except Exception:
            continue
    return source


def _of_httpx(response: Any) -> dict[str, Any]:
    request = response.request
    raw_path = request.url.raw_path  # not every `url` has one
    try:
        body = request.content
    except Exception:  # a stream that was sent as it was read
        body = None
    return request_of_httpx(request, body) if raw_path else {}


def _of_requests(response: Any) -> dict[str, Any]:
    """requests and niquests; curl_cffi, whose request has neither `path_url` nor `body`."""
    request = response.request
    body = getattr(request, "body", None)
    return {
        "method": request.method or "",
        "path": getattr(request, "path_url", None) or _path_of(request.url),
        "request_headers": _pairs(request.headers.items()),
        **body_fields(body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else None),
    }


def _of_aiohttp(response: Any) -> dict[str, Any]:
    return {
        "method": response.method,
        "path": response.url.raw_path_qs,
        "request_headers": _pairs(response.request_info.headers.items()),
    }


def _of_url(response: Any) -> dict[str, Any]:
    """urllib.request, urllib3."""
    return {"path": _path_of(response.url if isinstance(response.url, str) else response.geturl())}


def _path_of(url: str) -> str:
    found = urlsplit(url)
    return (found.path or "/") + (f"?{found.query}" if found.query else "")


def _pairs(headers: Iterable[tuple[Any, Any]]) -> Pairs:
    return tuple((_text(name), _text(value)) for name, value in headers)


def _text(part: Any) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)
