"""What the cases of all Python clients share: documents, checks, and the way to run one case."""

import sys
import traceback

START_MS = 1714557600000  # 2024-05-01T10:00:00Z


def documents(index, count, op="create"):
    """Actions for the bulk helpers."""
    for n in range(count):
        yield {
            "_op_type": op,
            "_index": index,
            "_id": str(n),
            "@timestamp": START_MS + n * 1000,
            "n": n,
            "level": ("error", "warn", "info")[n % 3],
            "message": f"line {n} of the disk",
        }


def check(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {found!r}")


def raises(error, call):
    """The error that `call` raises."""
    try:
        answer = call()
    except error as raised:
        return raised
    raise AssertionError(f"expected {error.__name__}, got {answer!r}")


def run(cases):
    """`SCRIPT URL CASE`: runs one of the functions."""
    url, name = sys.argv[1:3]
    case = {case.__name__: case for case in cases}[name]
    try:
        case(url)
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
