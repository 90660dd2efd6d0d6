"""FastMCP's proxy before a server that speaks over standard input and output.

Usage: python fastmcp_proxy.py PORT COMMAND [ARGUMENT…]
"""

import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

PORT, COMMAND = int(sys.argv[1]), sys.argv[2:]
transport = StdioTransport(command=COMMAND[0], args=COMMAND[1:])
create_proxy(transport, name="fastmcp-proxy").run(
    transport="http", host="127.0.0.1", port=PORT, show_banner=False
)
