# The loop without a library that the bench of the SDKs measures against.
import json
import sys


def send(**message):
    print(json.dumps(message), flush=True)


send(type="ready", tasks=["kit.echo"])
for line in sys.stdin:
    job = json.loads(line)
    if job["type"] != "job":
        continue
    try:
        send(type="done", id=job["id"], result=job["args"])
    except Exception as error:
        send(type="fail", id=job["id"], error={"message": str(error)})
