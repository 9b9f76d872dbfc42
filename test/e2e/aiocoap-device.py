# SPDX-License-Identifier: Apache-2.0
"""A device that speaks CoAP under OSCORE, by aiocoap.

    aiocoap-device.py coap://HOST:PORT FOLDER

FOLDER holds the security context as aiocoap keeps it. Commands come on standard input, one JSON a
line: {"method": "POST", "path": "v1/hello", "payload": {…}}; what comes back goes to standard
output, one JSON a line: {"code": "2.04", "payload": ""}. "OBSERVE" observes the path: each
notification is a line as well.
"""

import asyncio
import json
import sys

from aiocoap import Context, Message
from aiocoap.numbers.codes import Code


def say(message) -> None:
    payload = message.payload.decode("utf8", "replace")
    print(json.dumps({"code": message.code.dotted, "payload": payload}), flush=True)


def request_of(base: str, command: dict) -> Message:
    method = "GET" if command["method"] == "OBSERVE" else command["method"]
    message = Message(code=getattr(Code, method), uri=f"{base}/{command['path']}")
    if "payload" in command:
        message.payload = json.dumps(command["payload"]).encode("utf8")
        message.opt.content_format = 50
    if command["method"] == "OBSERVE":
        message.opt.observe = 0
    return message


async def observe(context: Context, message: Message) -> None:
    request = context.request(message)
    say(await request.response)
    async for notification in request.observation:
        say(notification)


async def main(base: str, folder: str) -> None:
    context = await Context.create_client_context()
    credentials = {f"{base}/*": {"oscore": {"basedir": folder}}}
    context.client_credentials.load_from_dict(credentials)
    loop = asyncio.get_running_loop()
    tasks = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        message = request_of(base, command)
        if command["method"] == "OBSERVE":
            tasks.add(asyncio.create_task(observe(context, message)))
        else:
            say(await context.request(message).response)
    for task in tasks:
        task.cancel()
    await context.shutdown()


asyncio.run(main(*sys.argv[1:]))
