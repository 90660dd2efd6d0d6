"""An agent that speaks only stdio, with the Python SDK: as bridge.mjs."""

import asyncio
import json
import os
import time

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

PLAN = json.loads(os.environ["MCP_PLAN"])
MODE = {"legacy": "legacy", "modern": "2026-07-28", "auto": "auto"}[PLAN["era"]]
REPORT = {"rounds": 0, "missing": [], "failed": [], "outcomes": {}, "slowestMs": 0, "last": []}


def outcome(result) -> str:
    if not result.is_error:
        return "ok"
    return (result.meta or {}).get("mcp-orchestrator/code") or result.content[0].text


async def one_round(client: Client) -> None:
    listed = [tool.name for tool in (await client.list_tools()).tools]
    tools = REPORT.setdefault("tools", listed)
    REPORT["missing"] += [tool for tool in tools if tool not in listed]
    REPORT["last"] = []
    for call in PLAN["calls"]:
        started = time.monotonic()
        ended = outcome(await client.call_tool(call["name"], call["arguments"]))
        REPORT["slowestMs"] = max(REPORT["slowestMs"], round((time.monotonic() - started) * 1000))
        REPORT["outcomes"][ended] = REPORT["outcomes"].get(ended, 0) + 1
        REPORT["last"].append(ended)


async def main() -> None:
    server = StdioServerParameters(command=PLAN["command"], args=PLAN["args"], env=PLAN["env"])
    async with Client(stdio_client(server), mode=MODE) as client:
        is_last = False
        while not is_last:
            # One whole round comes after the file.
            is_last = os.path.exists(PLAN["until"])
            try:
                await one_round(client)
            except Exception as error:
                REPORT["failed"].append(str(error))
            REPORT["rounds"] += 1
    print(json.dumps(REPORT))


asyncio.run(main())
