"""Logs, proofs and checkpoints as aics-tlog (PyPI) sees and makes them.

    check_aics.py                              cases on standard input, see cases.py
    check_aics.py log FOLDER KEYFILE           every tile and every entry of an exported log
    check_aics.py make FOLDER TO SECRET AT...  a log of the entries of FOLDER, and proofs of some
"""

import base64
import json
import sys
from pathlib import Path

from aics_tlog import (
    Checkpoint,
    FileSystemTileReader,
    TileWriter,
    audit_tiles,
    format_vkey,
    inclusion_proof_from_tiles,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    read_entry,
    sign_checkpoint,
    tree_root_from_tiles,
    verify_checkpoint,
    verify_leaf_inclusion,
    vkey_from_ed25519,
)
from aics_tlog.note import b64_decode, b64_encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import cases


def checkpoint(note, key, witnesses):
    """All of these witnesses must have cosigned it."""
    keys = [parse_vkey(witness) for witness in witnesses]
    result = verify_checkpoint(parse_note(note), parse_vkey(key), keys, len(keys))
    if not result.ok:
        raise ValueError(result.error)
    return result


def log(folder, key):
    """Every tile and every bundle of entries."""
    head = checkpoint((Path(folder) / "checkpoint").read_bytes(), key, [])
    report = audit_tiles(FileSystemTileReader(folder), head.size, head.root)
    if report.bundles != -(-head.size // 256):
        raise ValueError(f"{report.bundles} bundles were read")
    return head


def proof(text, entry, key):
    index, path, note = cases.split(text)
    head = checkpoint(note, key, [])
    path = [b64_decode(line) for line in path]
    if not verify_leaf_inclusion(entry, index, head.size, path, head.root):
        raise ValueError("the proof does not hold")


def make(folder, to, key, at):
    """Writes a log as this library lays it out, signs it with a key, and prints that and proofs."""
    _, _, origin, _, secret = Path(key).read_text().strip().split("+", 4)
    secret = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[1:])
    size = parse_checkpoint(parse_note((Path(folder) / "checkpoint").read_bytes()).text).size
    reader = FileSystemTileReader(folder)
    TileWriter([read_entry(reader, index, size) for index in range(size)]).write_to(to)
    made = FileSystemTileReader(to)
    head = Checkpoint(origin, size, tree_root_from_tiles(made, size))
    note = sign_checkpoint(head, secret, origin).serialise()
    (Path(to) / "checkpoint").write_text(note)
    proofs = {}
    for index in map(int, at):
        path = [b64_encode(one) for one in inclusion_proof_from_tiles(made, index, size)]
        proofs[index] = "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *path, "", note])
    key = format_vkey(vkey_from_ed25519(origin, secret.public_key()))
    print(json.dumps({"key": key, "proofs": proofs}))


match sys.argv[1:]:
    case []:
        cases.run(log, proof, checkpoint)
    case ["log", folder, key]:
        print(log(folder, Path(key).read_text().strip()).size, "entries: accepted")
    case ["make", folder, to, key, *at]:
        make(folder, to, key, at)
    case _:
        sys.exit(__doc__)
