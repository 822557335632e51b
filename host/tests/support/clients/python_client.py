"""Drives the hub with the official MCP client for Python and prints what it saw as one JSON object.

    python_client.py URL TOKEN [--era modern|legacy] [--flat]
    python_client.py --stdio [--era modern|legacy] [--flat] PROGRAM ARGS...

With --flat it expects names without dots. Any surprise ends it with status 1 and a message on stderr. `README.md` beside this file says how it is set up.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

# The client probes for 2026-07-28 by itself and falls back silently, so what it arrived at is checked below.
MODES = {"modern": "auto", "legacy": "legacy"}
MODERN_VERSION = "2026-07-28"

# Longer than any call here may take, shorter than the patience of the test that runs this.
LIMIT_SECONDS = 30


class Surprise(Exception):
    """The hub answered, but not as it should."""


def expect(condition, message):
    if not condition:
        raise Surprise(message)


def arguments():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--era", choices=MODES, default="modern")
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("target", nargs=argparse.REMAINDER, help="URL TOKEN, or with --stdio PROGRAM ARGS...")
    known = parser.parse_args()
    if not known.stdio:
        # `URL TOKEN --era X` reads well, but REMAINDER swallows what follows the first word.
        trailing = argparse.ArgumentParser(allow_abbrev=False)
        trailing.add_argument("--era", choices=MODES, default=known.era)
        trailing.add_argument("--flat", action="store_true", default=known.flat)
        trailing.add_argument("url")
        trailing.add_argument("token")
        return trailing.parse_args(known.target, known)
    if not known.target:
        parser.error("--stdio needs a program")
    return known


async def everything(client, era, flat):
    name = flat_name if flat else dotted_name
    modern = client.protocol_version == MODERN_VERSION
    expect(modern == (era == "modern"), f"negotiated {client.protocol_version} in the {era} era")

    tools = [tool.name for tool in (await client.list_tools()).tools]
    expect(name("echo.v1") in tools, f"{name('echo.v1')} is not among the tools {tools}")
    echo = await call(client, name("echo.v1"), {"message": "from Python"})
    expect(echo.get("message") == "from Python", f"echo answered {echo}")
    total = await call(client, name("sum.v1"), {"numbers": [1, 2.5, 38.5]})
    expect(42 in total.values(), f"the sum of 1, 2.5 and 38.5 is {total}")

    resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
    expect("hello://greeting" in resources, f"hello://greeting is not among the resources {resources}")
    greeting = (await client.read_resource("hello://greeting")).contents[0].text
    expect(greeting == "Hello, MCP", f"hello://greeting reads {greeting!r}")

    prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    expect(name("hello-plan") in prompts, f"{name('hello-plan')} is not among the prompts {prompts}")
    plan = (await client.get_prompt(name("hello-plan"), {"name": "Ada"})).messages[0].content.text
    expect("Ada" in plan, f"hello-plan does not mention Ada: {plan!r}")

    return {
        "protocol_version": client.protocol_version,
        "server": client.server_info.name if client.server_info else None,
        "tools": tools,
        "echo": echo,
        "sum": total,
        "resources": resources,
        "greeting": greeting,
        "prompts": prompts,
        "plan": plan,
    }


def dotted_name(item):
    return f"hello-rs.{item}"


def flat_name(item):
    return "hello-rs__" + item.replace(".", "_")


async def call(client, name, arguments):
    result = await client.call_tool(name, arguments)
    text = " ".join(block.text for block in result.content if block.type == "text")
    expect(not result.is_error, f"{name} failed: {text}")
    expect(isinstance(result.structured_content, dict), f"{name} has no structured content: {text}")
    expect(json.loads(text) == result.structured_content, f"{name} gives other text than structure: {text}")
    return result.structured_content


async def over_http(options):
    headers = {"Authorization": f"Bearer {options.token}"}
    # A hub with TLS has a certificate that only the test knows.
    authority = os.environ.get("TEST_CA")
    verify = ssl.create_default_context(cafile=authority) if authority else True
    # trust_env: a proxy from the environment has no business between a test and 127.0.0.1.
    async with httpx2.AsyncClient(headers=headers, timeout=LIMIT_SECONDS, trust_env=False, verify=verify) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with Client(transport, mode=MODES[options.era], read_timeout_seconds=LIMIT_SECONDS) as client:
            return await everything(client, options.era, options.flat)


async def over_stdio(options):
    program, *rest = options.target
    # Without `env` the client passes on a few variables only; the hub reads its identity from the environment.
    server = StdioServerParameters(command=program, args=rest, env=dict(os.environ))
    async with Client(server, mode=MODES[options.era], read_timeout_seconds=LIMIT_SECONDS) as client:
        return await everything(client, options.era, options.flat)


def causes(error):
    """The errors inside task groups, which name only their number."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


def main():
    options = arguments()
    run = over_stdio if options.stdio else over_http
    try:
        seen = asyncio.run(asyncio.wait_for(run(options), LIMIT_SECONDS))
    except Exception as error:
        print("; ".join(causes(error)), file=sys.stderr)
        return 1
    print(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
