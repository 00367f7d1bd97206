"""Code that puts streamkit beneath an SDK, as users write it: every line must pass strict type checkers."""

from typing import Any, assert_type

import httpx
import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from streamkit import Clean, Deadlines, Ended
from streamkit.integrations.httpx import async_cleaning_transport, cleaning_transport
from streamkit.integrations.openai import AsyncChatEvents, ChatEvents, client, from_openai, to_openai
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse


def log(ended: Ended) -> None:
    print(ended.outcome, ended.usage)


def clients() -> None:
    openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=cleaning_transport(on_end=log)))
    openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(transport=async_cleaning_transport()))
    httpx.Client(transport=cleaning_transport(httpx.HTTPTransport(), clean=Clean(order="index")))
    httpx2.AsyncClient(transport=async_cleaning_transport(deadlines=Deadlines(idle=30)))
    assert_type(client(openai.OpenAI(), on_end=print), openai.OpenAI)
    assert_type(client(openai.AsyncAzureOpenAI(azure_endpoint="https://x")), openai.AsyncAzureOpenAI)


def converted(
    response: CreateChatCompletionResponse, chunk: CreateChatCompletionStreamResponse, completion: ChatCompletion
) -> None:
    assert_type(to_openai(response), ChatCompletion)
    assert_type(to_openai(chunk), ChatCompletionChunk)
    assert_type(from_openai(completion), CreateChatCompletionResponse)


async def events(chat: openai.OpenAI, achat: openai.AsyncOpenAI, asked: Any) -> None:
    with ChatEvents(chat.chat.completions.stream(**asked)) as stream:
        for event in stream:
            print(event.type)
    async with AsyncChatEvents(achat.chat.completions.stream(**asked)) as other:
        async for event in other:
            print(event.type)
