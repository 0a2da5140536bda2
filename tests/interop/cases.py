"""What the checks in Python share: cases in, one a line of JSON; verdicts out, one a line."""

import base64
import json
import sys


def split(proof):
    """Index, lines of the path, and checkpoint of a C2SP tlog-proof: neither library reads one."""
    head, note = proof.split(b"\n\n", 1)
    header, index, *path = head.decode("ascii").split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
        raise ValueError("not a tlog-proof")
    return int(index.removeprefix("index ")), path, note


def run(log, proof, checkpoint):
    """Judges every case with the check of its kind: what raises is refused, and why is said."""
    bytes_of = base64.b64decode
    kinds = {
        "log": lambda case: log(case["folder"], case["key"]),
        "proof": lambda case: proof(bytes_of(case["proof"]), bytes_of(case["entry"]), case["key"]),
        "checkpoint": lambda case: checkpoint(bytes_of(case["note"]), case["key"], case["witnesses"]),
    }
    for line in sys.stdin:
        case = json.loads(line)
        check = kinds[case["kind"]]
        try:
            check(case)
            print("accepted")
        except Exception as refusal:  # each library has exceptions of its own, and the standard ones
            print("refused:", type(refusal).__name__, " ".join(str(refusal).split()))
