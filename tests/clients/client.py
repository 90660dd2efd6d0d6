"""The Python SDK (mcp 2.x) in the era of the plan: legacy, modern, or auto, which finds out.

The plan is JSON in MCP_PLAN, as in common.mjs. Prints one line of JSON.
"""

import asyncio
import json
import os
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

PLAN = {"calls": [], "resources": [], "prompts": [], **json.loads(os.environ["MCP_PLAN"])}
MODE = {"legacy": "legacy", "modern": "2026-07-28", "auto": "auto"}[PLAN["era"]]
SENT: dict[str, int] = {}


async def count(request: httpx2.Request) -> None:
    """Counts requests by method, as they go over the wire."""
    if request.method != "POST":
        return
    message = json.loads(request.content)
    if "method" in message and "id" in message:
        SENT[message["method"]] = SENT.get(message["method"], 0) + 1


def plain(value):
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def once(client: Client) -> dict:
    return {
        "tools": [tool.name for tool in (await client.list_tools()).tools],
        "results": [plain(await client.call_tool(c["name"], c.get("arguments"))) for c in PLAN["calls"]],
        "resources": [plain(await client.read_resource(uri)) for uri in PLAN["resources"]],
        "prompts": [plain(await client.get_prompt(p["name"], p.get("arguments"))) for p in PLAN["prompts"]],
    }


async def carry_out(client: Client) -> dict:
    report = await once(client)
    if "pause" in PLAN:
        Path(PLAN["pause"] + ".done").touch()
        while not Path(PLAN["pause"] + ".go").exists():
            await asyncio.sleep(0.02)
        report["again"] = await once(client)
    return report


async def main() -> None:
    headers = {"Authorization": f"Bearer {PLAN['token']}"} if PLAN.get("token") else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60, event_hooks={"request": [count]}) as http:
        async with Client(streamable_http_client(PLAN["url"], http_client=http), mode=MODE) as client:
            report = {"revision": client.session.protocol_version, **await carry_out(client)}
    report["era"] = "modern" if report["revision"] == "2026-07-28" else "legacy"
    print(json.dumps({**report, "sent": SENT}))


asyncio.run(main())
