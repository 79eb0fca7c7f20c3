import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "workers-sdk/python"))

import workman  # noqa: E402

TABLE = {str(number): [number] for number in range(300_000)}  # Some 50 MiB.


@workman.task
def Look(args):
    return TABLE["7"]


workman.serve()
