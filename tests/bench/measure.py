"""What the benchmarks share: jobs on the queue, a daemon that works them off, and how figures are
told."""

import json
import os
import pathlib
import statistics
import subprocess
import time

from daemon import Daemon, Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WORKMAN_BUILD", ROOT / "build"))
WORKER = str(BUILD / "tests/bench_echo_worker")
RAW = str(BUILD / "tests/bench_raw_pingpong")
ARGUMENT_BYTES = 100


def write_jobs(path, count):
    empty = '{"text":""}'
    args = json.dumps({"text": "x" * (ARGUMENT_BYTES - len(empty))}, separators=(",", ":"))
    path.write_text(f'{{"task":"Echo","args":{args}}}\n' * count)


def measure_daemon(jobs, command, workers, path, prepare=None, **profile):
    """Everything is on the queue before it starts. The tenth at either end does not count.
    `prepare` is called with the daemon before it runs."""
    daemon = Daemon(BUILD, command, workers, **profile)
    if prepare:
        prepare(daemon)
    with daemon:
        daemon.ask("pause")
        daemon.enqueue(path)
        daemon.ask("resume")
        begin = daemon.look(daemon.wait(lambda status: status["counts"]["done"] >= jobs // 10))
        # One long sleep: a look at the daemon costs it something, so the end is looked for only
        # when it is near.
        time.sleep(0.02)
        now = daemon.look(daemon.status())
        speed = (now[1] - begin[1]) / (now[0] - begin[0])
        time.sleep(max(0.0, (jobs * 0.8 - now[1]) / max(speed, 1.0)))
        end = daemon.look(daemon.status())
        counts = daemon.wait(lambda status: status["counts"]["done"] >= jobs)["counts"]
    if counts["done"] != jobs or any(counts[name] for name in ("fail", "abort", "lost", "timeout")):
        raise Failure(f"the daemon lost jobs: {counts}")
    if end[1] <= begin[1]:
        raise Failure("too few jobs for a measurement")
    seconds, done, loop, queue, workers = (last - first for first, last in zip(begin, end))
    return {"rate": done / seconds, "seconds": seconds, "loop_us": loop / done,
            "queue_us": queue / done, "workers_cpu_us": workers / done}


def ping_pong(seconds, in_flight, workers, sample, command, **options):
    """The least that any supervisor must do with these workers: what bench_raw_pingpong prints."""
    return json.loads(subprocess.run(
        [RAW, f"{seconds:.3f}", str(in_flight), str(workers), str(sample), *command], check=True,
        capture_output=True, **options).stdout)


def median(results, name):
    return statistics.median(one[name] for one in results)


def verdict(good):
    return "yes" if good else "**no**"


def print_machine(load):
    with open("/proc/cpuinfo") as file:
        models = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
    print(f"{len(os.sched_getaffinity(0))} CPUs ({', '.join(sorted(models)) or 'unknown'}), Linux "
          f"{os.uname().release}; load before the run {load:.1f}. On a shared machine read the "
          "ratios and the CPU per job, not the rates.")
