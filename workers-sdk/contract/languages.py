"""How each library's fixture worker is started, and what its language looks like from outside."""

import dataclasses
import pathlib

SDKS = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass
class Language:
    command: list  # Starts the fixture.
    example: list
    producer: list  # Makes one call of the client. Empty: there is none.
    file: str  # The fixture's file, as it stands in a stack.
    library: str  # The library's file, which must not stand there.
    suffix: str
    task_file: str  # A task file with one task; %s is its name.
    error_class: str
    trace: bool = True
    text_size: int = 1 << 19  # Characters of a long text.
    # When SIGABRT comes, in seconds after the line of a job of 10 ms.
    window: tuple = (0.008, 0.0135)
    without: frozenset = frozenset()
    expected_failures: tuple = ()  # Cases of the protocol kit.


RUBY = ["ruby", "--disable-gems"]  # They take longer to load than all the rest.



def php(*command, without=(), expected_failures=()):
    return Language(
        command=[*command, str(SDKS / "php/fixture.php")],
        example=[*command, str(SDKS / "php/examples/thumbs.php")],
        producer=[*command, str(SDKS / "php/producer.php")],
        file="fixture.php", library="Worker.php", suffix=".php",
        task_file="<?php $worker->task('%s', fn ($args) => $args);\n",
        error_class="RuntimeException", without=frozenset({"threads", *without}),
        expected_failures=expected_failures)


LANGUAGES = {
    "ruby": Language(
        command=[*RUBY, str(SDKS / "ruby/fixture.rb")],
        example=[*RUBY, str(SDKS / "ruby/examples/thumbs.rb")],
        producer=[*RUBY, str(SDKS / "ruby/producer.rb")],
        file="fixture.rb", library="lib/workman", suffix=".rb",
        task_file="Workman.task(%r) { |args| args }\n", error_class="RuntimeError"),
    "php": php("php"),
    # As where ext-ffi is missing: children inherit the protocol.
    "php-without-ffi": php("php", "-d", "ffi.enable=0", without={"fd 1"},
                           expected_failures=("child-print-protected", "child-does-not-hold")),
    "bash": Language(
        command=["bash", str(SDKS / "bash/fixture.sh")],
        example=["bash", str(SDKS / "bash/examples/thumbs.sh")],
        producer=[],
        file="fixture.sh", library="worker.sh", suffix=".sh", task_file="task_%s() { cat; }\n",
        error_class="exit", trace=False, window=(0.0, 0.25),
        text_size=1 << 15,  # A shell reads a pipe byte by byte.
        without=frozenset({"threads", "fork", "exceptions", "int64", "nesting", "prints by hand",
                           "hooks that fail a job", "stacks"})),
}
