"""How each library's fixture worker is started, and what its language looks like from outside."""

import dataclasses
import os
import pathlib
import sys

SDKS = pathlib.Path(__file__).resolve().parents[1]
BUILT = pathlib.Path(os.environ.get("WORKMAN_BUILD", SDKS.parent / "build")) / "workers-sdk"


@dataclasses.dataclass
class Language:
    command: list  # Starts the fixture.
    example: list
    producer: list  # Makes one call of the client. Empty: there is none.
    file: str  # The fixture's file, as it stands in a stack.
    library: str  # A part of the library's paths, none of which may stand there.
    error_class: str  # Of what kit.fail throws.
    refused: str  # The class of the error when the daemon does not take a job.
    rude: str  # What the log says of the hook of kit.rude.
    suffix: str = ""
    # A file with one task; %s is its name. Without one, the fixture reads names from a file.
    task_file: str = ""
    boom: str = "boom"  # What the error of kit.fail says: a regular expression.
    trace: bool = True
    text_size: int = 1 << 20  # Characters of a long text.
    torn_size: int = 1 << 20  # Bytes of a line that SIGABRT must not tear.
    # When SIGABRT comes, in seconds after the line of a job of 10 ms.
    window: tuple = (0.008, 0.0135)
    rounds: int = 40
    # For each long line: when SIGABRT comes at the latest.
    torn_windows: tuple = (0.02,) * 20 + (0.04,) * 10
    without: frozenset = frozenset()
    expected_failures: tuple = ()  # Cases of the protocol kit.


def python():
    return Language(
        command=[sys.executable, str(SDKS / "python/fixture.py")],
        example=[sys.executable, str(SDKS / "python/examples/thumbs.py")],
        producer=[sys.executable, str(SDKS / "python/producer.py")],
        file="fixture.py", library="/workman/_", suffix=".py",
        task_file="import workman\n@workman.task\ndef %s(args):\n  return args\n",
        error_class="RuntimeError", refused="workman.Refused", rude="AttributeError",
        without=frozenset({"concurrency", "cooperation"}))


def ruby():
    command = ["ruby", "--disable-gems"]  # They take longer to load than all the rest.
    return Language(
        command=[*command, str(SDKS / "ruby/fixture.rb")],
        example=[*command, str(SDKS / "ruby/examples/thumbs.rb")],
        producer=[*command, str(SDKS / "ruby/producer.rb")],
        file="fixture.rb", library="lib/workman", suffix=".rb",
        task_file="Workman.task(%r) { |args| args }\n",
        error_class="RuntimeError", refused="Workman::Refused", rude="NoMethodError",
        without=frozenset({"concurrency", "cooperation"}))


def php(*command, without=(), expected_failures=()):
    return Language(
        command=[*command, str(SDKS / "php/fixture.php")],
        example=[*command, str(SDKS / "php/examples/thumbs.php")],
        producer=[*command, str(SDKS / "php/producer.php")],
        file="fixture.php", library="php/src/", suffix=".php",
        task_file="<?php $worker->task('%s', fn ($args) => $args);\n",
        error_class="RuntimeException", refused="Workman\\Refused", rude="undefined method",
        without=frozenset({"threads", "concurrency", "cooperation", *without}),
        expected_failures=expected_failures)


def bash():
    return Language(
        command=["bash", str(SDKS / "bash/fixture.sh")],
        example=["bash", str(SDKS / "bash/examples/thumbs.sh")],
        producer=[],
        file="fixture.sh", library="worker.sh", suffix=".sh", task_file="task_%s() { cat; }\n",
        error_class="exit", refused="exit", rude="no_such_command", trace=False,
        window=(0.0, 0.4), rounds=20, text_size=1 << 15,  # A shell reads a pipe byte by byte.
        torn_size=1 << 19, torn_windows=(0.04,) * 10,
        without=frozenset({"threads", "fork", "exceptions", "int64", "nesting", "prints by hand",
                           "hooks that fail a job", "stacks", "concurrency", "cooperation",
                           "order of tasks"}))


def node():
    return Language(
        command=["node", str(SDKS / "node/fixture.js")],
        example=["node", str(SDKS / "node/example/thumbs.js")],
        producer=["node", str(SDKS / "node/producer.js")],
        file="fixture.js", library="node/lib/", suffix=".js",
        task_file="require(%r).task('%%s', (args) => args);\n" % str(SDKS / "node/workman.js"),
        error_class="RangeError", refused="Refused", rude="a rude hook",
        without=frozenset({"fork", "int64", "stacks"}))


def perl():
    return Language(
        command=["perl", str(SDKS / "perl/fixture.pl")],
        example=["perl", str(SDKS / "perl/example/thumbs.pl")],
        producer=["perl", str(SDKS / "perl/producer.pl")],
        file="fixture.pl", library="Workman/Worker.pm", suffix=".pl",
        task_file="our $set->add(Workman::Task->new('%s' => sub { return $_[0] }));\n1;\n",
        boom=r"boom at \S+fixture\.pl line \d+\.",
        error_class="die", refused="Workman::Refused", rude="a rude hook",
        without=frozenset({"threads", "concurrency", "cooperation", "order of tasks"}))


def compiled(language, **more):
    fixture = str(BUILT / ("fixture_" + language))
    return Language(command=[fixture], example=[str(BUILT / ("thumbs_" + language))],
                    producer=[fixture, "--client"], file="fixture", library="workman/",
                    trace=False, rude="a rude hook", **more)


LANGUAGES = {
    "python": python(),
    "perl": perl(),
    "ruby": ruby(),
    "php": php("php"),
    # As where ext-ffi is missing: children inherit the protocol.
    "php-without-ffi": php("php", "-d", "ffi.enable=0", without={"fd 1"},
                           expected_failures=("child-print-protected", "child-does-not-hold")),
    "bash": bash(),
    "node": node(),
    "cpp": compiled("cpp", error_class="std::runtime_error", refused="workman::Refused",
                    without=frozenset({"concurrency", "stacks"})),
    "go": compiled("go", error_class="*errors.errorString", refused="*workman.Refused",
                   without=frozenset({"fork", "stacks", "int64"})),
}
