"""What a tool is to the MCP server, and the bounds of what it answers."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

MAX_ANSWER_BYTES = 200_000  # as JSON: a model reads all of it

Limit = Annotated[int, Field(ge=1, le=200, description="At most so many entries.")]
Offset = Annotated[int, Field(ge=0, le=10_000_000, description="Go on after so many: the last answer's `next_offset`.")]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Rows(TypedDict):
    """A part of a list. `left_out`: how many come after it; `next_offset`: where to go on, null at the end."""

    results: list[dict[str, Any]]
    total: int
    left_out: int
    next_offset: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool as netmon declares it: a plain function, whose docstring and annotations clients are shown."""

    function: Callable[..., Any]
    title: str
    is_read_only: bool = True
    is_destructive: bool = False
    is_idempotent: bool = True

    def made(self) -> Tool:
        """The SDK's tool."""
        hints = ToolAnnotations(
            title=self.title,
            read_only_hint=self.is_read_only,
            destructive_hint=self.is_destructive,
            idempotent_hint=self.is_idempotent,
            open_world_hint=False,
        )
        tool = Tool.from_function(
            _in_the_callers_thread(self.function),
            title=self.title,
            description=inspect.cleandoc(self.function.__doc__ or "").replace("\n", " "),
            annotations=hints,
            structured_output=True,
        )
        # The SDK drops unknown arguments: a misspelt filter would answer with everything.
        model = tool.fn_metadata.arg_model
        model.model_config["extra"] = "forbid"
        model.model_config["hide_input_in_errors"] = True
        model.model_rebuild(force=True)
        tool.parameters = model.model_json_schema(by_alias=True)
        return tool


def _in_the_callers_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """`async_to_sync` waits in the thread of the web request: the tool runs there, on its database connection."""

    @functools.wraps(function)
    async def run(**arguments: Any) -> Any:
        return await sync_to_async(function, thread_sensitive=True)(**arguments)

    return run


def fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the rows, from the first, as an answer has room for; one at least."""
    size = 0
    for count, row in enumerate(rows):
        size += len(json.dumps(row))
        if size > MAX_ANSWER_BYTES and count:
            return rows[:count]
    return rows


def page(found: dict[str, Any], offset: int) -> Rows:
    """A list of the API (`count`, `results`) as an answer of a tool."""
    rows = fitting(found["results"])
    reached = offset + len(rows)
    left = max(0, found["count"] - reached)
    return {
        "results": rows,
        "total": found["count"],
        "left_out": left,
        "next_offset": reached if left and rows else None,
    }
