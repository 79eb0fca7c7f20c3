"""What the lint scripts share: the files of the project, and how findings are told."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WORKMAN_BUILD", ROOT / "build"))
SKIPPED = 77


def files():
    """Paths relative to the root: what git tracks or would track. Without git (an unpacked
    archive), every file outside build trees."""
    git = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0:
        names = set(filter(None, git.stdout.split("\0")))
    else:
        names = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if not any(part in (".git", "build", "__pycache__") or part.startswith("build-")
                            for part in path.relative_to(ROOT).parts)}
    return sorted(pathlib.PurePosixPath(name) for name in names if (ROOT / name).is_file())


def text(path):
    """The text of a file, or None when it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def has_shebang(path):
    with open(ROOT / path, "rb") as file:
        return file.read(2) == b"#!"


def place(content, offset):
    """The number of the line that holds this offset."""
    return content.count("\n", 0, offset) + 1


def finish(findings, what):
    """Ends the script: every finding on stderr and exit status 1, or one sentence and 0."""
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        sys.exit(f"{len(findings)} found")
    print(what)


def skip(why):
    print(f"SKIPPED: {why}", file=sys.stderr)
    sys.exit(SKIPPED)
