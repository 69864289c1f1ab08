"""Tools for machines and their ports on VyOS routers."""

from netmon.mcp.tools import Entry

TOOLS: tuple[Entry, ...] = ()
