"""A WebSocket client without any MCP library (Python `websockets`): handshake, list, call with progress."""

import asyncio
import json
import os

import websockets

PLAN = json.loads(os.environ["MCP_PLAN"])
URL = PLAN["url"].replace("http", "ws", 1).removesuffix("mcp") + "ws"
SENT: dict[str, int] = {}


async def ask(socket, number: int, method: str, params: dict) -> tuple[dict, list[dict]]:
    """Sends a request; gives its answer and the notifications that came before it."""
    SENT[method] = SENT.get(method, 0) + 1
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
    before = []
    while True:
        message = json.loads(await asyncio.wait_for(socket.recv(), 30))
        if message.get("id") == number:
            return message, before
        before.append(message)


async def main() -> None:
    headers = {"Authorization": f"Bearer {PLAN['token']}"} if PLAN.get("token") else {}
    async with websockets.connect(URL, subprotocols=["mcp"], additional_headers=headers) as socket:
        info = {"name": "websockets", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        welcome, _ = await ask(socket, 1, "initialize", hello)
        await socket.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        listed, _ = await ask(socket, 2, "tools/list", {})
        call = {**PLAN["progress"], "_meta": {"progressToken": "p"}}
        answer, before = await ask(socket, 3, "tools/call", call)
    print(json.dumps({
        "revision": welcome["result"]["protocolVersion"],
        "subprotocol": socket.subprotocol,
        "tools": [tool["name"] for tool in listed["result"]["tools"]],
        "result": answer["result"],
        "progress": [message["params"]["progress"] for message in before],
        "sent": SENT,
    }))


asyncio.run(main())
