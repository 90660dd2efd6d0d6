"""A server made with the Python SDK: the tools of the oracle, over Streamable HTTP with sessions.

Usage: python python_sdk.py PORT FILE-THAT-COUNTS
"""

import asyncio
import collections
import json
import pathlib
import sys

from mcp.server import MCPServer

PORT, ORACLE = int(sys.argv[1]), pathlib.Path(sys.argv[2])
server = MCPServer("python-sdk")


@server.tool()
async def oracle_run(key: str, ms: int = 0) -> str:
    """Counts that it ran."""
    with ORACLE.open("a") as file:
        file.write(f"{key}\n")
    await asyncio.sleep(ms / 1000)
    return key


@server.tool()
async def oracle_count(prefix: str) -> str:
    """Answers how often each key that begins so ran."""
    lines = ORACLE.read_text().splitlines() if ORACLE.exists() else []
    return json.dumps(collections.Counter(key for key in lines if key.startswith(prefix)))


server.run(transport="streamable-http", host="127.0.0.1", port=PORT)
