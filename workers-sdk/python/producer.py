#!/usr/bin/env python3
"""For the tests of the client: makes one call, which is told as JSON, and prints what came of it."""

import base64
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from workman import Client, ClientError  # noqa: E402


def made(call):
    client = Client(call.get("profile"), socket=call.get("socket"))
    if call["call"] == "status":
        return {"value": client.status()}
    args = base64.b64decode(call["bytes"]) if "bytes" in call else call["args"]
    value = getattr(client, call["call"])(call["task"], args, **call.get("options", {}))
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return {"value": value}


def main(call):
    try:
        said = made(call)
    except TimeoutError as error:
        said = {"error": "WaitTimeout", "message": str(error)}
    except (ClientError, ValueError) as error:
        said = {"error": type(error).__name__, "message": str(error)}
        if hasattr(error, "failure"):
            said["failure"] = error.failure
    print(json.dumps(said))


main(json.loads(sys.argv[1]))
