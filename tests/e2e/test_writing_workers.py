"""Every listing of docs/writing-workers.md and docs/producers.md, run as a new user would."""

import os
import re
import shutil
import subprocess
import sys

import harness

DOCS = harness.ROOT / "docs"
SDK = harness.ROOT / "workers-sdk"
LISTING = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROFILE = {"retry_backoff": {"min": "100ms", "max": "1s"},
           "tasks": {"Slow": {"time_limit": "1s", "max_attempts": 1}}}


def listings(document):
    return dict(LISTING.findall((DOCS / document).read_text(encoding="utf-8")))


def build_go(folder, _):
    (folder / "go.mod").write_text("module greet\n\ngo 1.19\n\nrequire workman v0.0.0\n\n"
                                   f"replace workman => {SDK}/go\n")
    subprocess.run(["go", "build", "-o", "program", "."], cwd=folder, check=True, capture_output=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "on",
                        "CGO_ENABLED": "0", "GOCACHE": str(harness.BUILD / "workers-sdk/go/cache")})
    return ["./program"], {}


def build_cpp(folder, name):
    subprocess.run(["c++", "-std=c++20", "-O0", f"-I{SDK}/cpp", f"-I{harness.ROOT}", name,
                    "-o", "program", str(harness.BUILD / "protocol/libworkman_protocol.a"),
                    "-pthread", "-ldl"], cwd=folder, check=True, capture_output=True)
    return ["./program"], {}


def node(folder, name):
    (folder / "node_modules").mkdir()
    (folder / "node_modules/workman").symlink_to(SDK / "node")
    return ["node", name], {}


def interpreted(program, **environment):
    return lambda _folder, name: ([program, name], environment)


# ending -> what is needed, and what makes a command and its environment of a folder and a file in it
WAYS = {
    ".py": ("python3", interpreted(sys.executable, PYTHONPATH=str(SDK / "python"))),
    ".pl": ("perl", interpreted("perl", PERL5LIB=str(SDK / "perl/lib"))),
    ".rb": ("ruby", interpreted("ruby", RUBYLIB=str(SDK / "ruby/lib"))),
    ".php": ("php", interpreted("php", WORKMAN_PHP=str(SDK / "php/src"))),
    ".js": ("node", node),
    ".go": ("go", build_go),
    ".cc": ("c++", build_cpp),
    ".sh": ("jq", interpreted("bash", WORKMAN_BASH=str(SDK / "bash"),
                              PATH=f"{harness.BUILD}/bin:{os.environ['PATH']}")),
}


class Listings(harness.TestCase):
    def write(self, document, name):
        """The command and the environment that run the listing, and its folder."""
        needs, prepare = WAYS[name[name.index("."):]]
        if shutil.which(needs) is None:
            if os.environ.get("WORKMAN_REQUIRE_SERVERS") == "1":
                self.fail(f"{needs} is not installed")
            self.skipTest(f"{needs} is not installed")
        folder = self.folder()
        (folder / name).write_text(listings(document)[name], encoding="utf-8")
        return *prepare(folder, name), folder

    def test_every_language_has_both_listings(self):
        self.assertEqual({f"greet{ending}" for ending in WAYS}, set(listings("writing-workers.md")))
        self.assertEqual({f"put{ending}" for ending in WAYS}, set(listings("producers.md")))

    def try_worker(self, ending):
        command, environment, folder = self.write("writing-workers.md", "greet" + ending)

        daemon = self.daemon(command=command, working_directory=str(folder), env=environment,
                             **PROFILE)
        greeting = daemon.call("Greet", {"name": "Ada"})
        flaky = daemon.call("Flaky")
        slow = daemon.wait("Slow").finish()
        harness.poll("on_abort to run",
                     lambda: any("cleaning up after Slow" in line for line in daemon.raw),
                     explain=daemon.tail)

        self.assertEqual((greeting, flaky), ("hello, Ada", 2))
        self.assertEqual(slow.returncode, 1)
        self.assertIn("time limit", slow.stderr)

    def try_producer(self, ending):
        command, environment, folder = self.write("producers.md", "put" + ending)
        runtime = self.folder()
        (runtime / "workman").mkdir(mode=0o700)

        daemon = self.daemon(name="web", admin={"socket": str(runtime / "workman/web.sock")})
        shutil.copy(daemon.path, folder / "web.yaml")
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                                timeout=harness.DEADLINE * 2,
                                env={**os.environ, **environment, "XDG_RUNTIME_DIR": str(runtime)})

        self.assertEqual((result.returncode, result.stderr), (0, ""))
        job, answer = result.stdout.splitlines()
        self.assertRegex(job, r"^\w+$")
        self.assertIn("hello", answer)
        daemon.wait_counts(done=2)


def add(ending):
    name = ending.strip(".")
    setattr(Listings, f"test_worker_{name}", lambda self: self.try_worker(ending))
    setattr(Listings, f"test_producer_{name}", lambda self: self.try_producer(ending))


for one in WAYS:
    add(one)

if __name__ == "__main__":
    harness.main()
