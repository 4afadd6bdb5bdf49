"""Speak the Model Context Protocol with the official SDK: lists and calls in, texts out."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable
from typing import Any, TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from gitsync import __version__
from gitsync.errors import GitsyncError, NotFound
from gitsync.mcp import pages
from gitsync.mcp.desk import Desks
from gitsync.mcp.tools import BY_NAME, TOOLS, Call
from gitsync.mcp.who import Who
from gitsync.mcp.words import failure

log = logging.getLogger(__name__)

WHO = "gitsync.who"
"""Where the scope of a request says for whom it speaks; put there by the worker, never by the client."""

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]
Paged = types.PaginatedRequestParams | None

_TEXT = "text/plain"


class Speaker:
    """The handlers of one server; without ``who`` each request brings its own."""

    def __init__(self, desks: Desks, who: Who | None) -> None:
        self._desks = desks
        self._who = who

    def server(self) -> Server[Any]:
        """Build the server of the SDK around them."""
        return Server(
            "gitsync",
            version=__version__,
            instructions=pages.instructions(self._who),
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
        )

    async def list_tools(self, _context: Context, _params: Paged) -> types.ListToolsResult:
        """List the tools: the same for everybody."""
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.about,
                    input_schema=tool.schema(),
                    annotations=types.ToolAnnotations(read_only_hint=True) if tool.reads else None,
                )
                for tool in TOOLS
            ]
        )

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Carry out a call; what goes wrong is told to the model, which may be able to do something about it."""
        try:
            tool = BY_NAME.get(params.name)
            if tool is None:
                raise NotFound(f"no tool {params.name[:100]!r}", "", f"there are: {', '.join(BY_NAME)}")

            async def progress(seconds: float, word: str) -> None:
                await context.session.report_progress(seconds, None, word)

            given = tool.read(params.arguments or {})
            return _said(await tool.run(Call(self._speaker(context), self._desks, given, progress)))
        except GitsyncError as error:
            return _said(failure(error), wrong=True)
        except Exception as error:
            # As a text: the log of a command keeps one line of each record.
            log.error("tool %s failed: %s", params.name, traceback.format_exc())
            what = f"an unexpected failure: {type(error).__name__}"
            return _said(failure(GitsyncError(what, "", "look into .gitsync/gitsync.log")), wrong=True)

    async def list_resources(self, context: Context, _params: Paged) -> types.ListResourcesResult:
        """List the inbox and the computers."""
        who = self._speaker(context)
        found = [
            types.Resource(uri=pages.INBOX, name="inbox", description=f"Messages to {who.address}", mime_type=_TEXT)
        ]
        for ident in await _told(pages.machines(self._desks, who)):
            uri = pages.MACHINE.replace("{id}", ident)
            found.append(types.Resource(uri=uri, name=f"computer {ident}", mime_type=_TEXT))
        return types.ListResourcesResult(resources=found)

    async def list_templates(self, _context: Context, _params: Paged) -> types.ListResourceTemplatesResult:
        """List what is read by its id."""
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(uri_template=pages.THREAD, name="thread", mime_type=_TEXT),
                types.ResourceTemplate(uri_template=pages.MACHINE, name="computer", mime_type=_TEXT),
            ]
        )

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Give a resource; one that does not exist is an error of the protocol."""
        text = await _told(pages.resource(self._desks, self._speaker(context), params.uri))
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=params.uri, mime_type=_TEXT, text=text)]
        )

    async def list_prompts(self, _context: Context, _params: Paged) -> types.ListPromptsResult:
        """List the prompts."""
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=name,
                    description=about,
                    arguments=[types.PromptArgument(name=one, description=says) for one, says in arguments],
                )
                for name, (about, arguments) in pages.PROMPTS.items()
            ]
        )

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Give a prompt, with what is in the inbox now."""
        text = await _told(pages.prompt(self._desks, self._speaker(context), params.name, dict(params.arguments or {})))
        said = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=pages.PROMPTS[params.name][0], messages=[said])

    def _speaker(self, context: Context) -> Who:
        if self._who is not None:
            return self._who
        assert context.request is not None
        who = context.request.scope[WHO]
        assert isinstance(who, Who)
        return who


async def _told(work: Awaitable[T]) -> T:
    """Turn a failure that has words into one of the protocol."""
    try:
        return await work
    except NotFound as error:
        raise MCPError(types.INVALID_PARAMS, failure(error)) from None
    except GitsyncError as error:
        raise MCPError(types.INTERNAL_ERROR, failure(error)) from None


def _said(text: str, *, wrong: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=wrong)
