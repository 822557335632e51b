"""Calls a tool that does not answer, with the official MCP client for Python, and gives up after a second.

    python_gives_up.py URL TOKEN modern|legacy TOOL ARGUMENT

The tool's one argument is `url`. The client stays connected for a while, so that what ends the call is what it says and not that it goes. Status 0 when the client gave up;
any surprise is status 1 and a message on stderr.
"""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from python_client import LIMIT_SECONDS, MODES, causes

GIVES_UP_AFTER_SECONDS = 1
STAYS_SECONDS = 3


async def give_up(url, token, era, tool, argument):
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=LIMIT_SECONDS, trust_env=False) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=MODES[era], read_timeout_seconds=LIMIT_SECONDS) as client:
            try:
                result = await client.call_tool(tool, {"url": argument}, read_timeout_seconds=GIVES_UP_AFTER_SECONDS)
            except Exception as error:
                if "timed out" not in str(error).lower():
                    raise
                await asyncio.sleep(STAYS_SECONDS)
                return
            raise RuntimeError(f"it was answered: {result}")


def main():
    try:
        asyncio.run(asyncio.wait_for(give_up(*sys.argv[1:]), LIMIT_SECONDS))
    except Exception as error:
        print("; ".join(causes(error)), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
