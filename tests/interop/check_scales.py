"""Logs, proofs and checkpoints as tlog-scales (PyPI) sees and makes them.

    check_scales.py                              cases on standard input, see cases.py
    check_scales.py make FOLDER TO SECRET AT...  a log of the entries of FOLDER

Proofs come from its own command, `tlog-tiles gen-proof`. Of a checkpoint it verifies what it read
and writes again, not the bytes that were there: it takes U+000B for the end of a line, passes over
what stands where the empty line should, and over bits of base64 that mean nothing. What it accepts
is signed all the same.
"""

import base64
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales import tiles
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import PlainEd25519Signer, Vkey, VkeySet
from tlog_scales.tlog import Checkpoint, InclusionProof
from tlog_scales.utils import b64dec
from tlog_scales.writer import TilesWriter

import cases


def checkpoint(note, key, witnesses):
    """All of these witnesses must have cosigned it."""
    head = Checkpoint.from_text(note.decode())
    head.verify(Vkey.from_string(key))
    keys = [Vkey.from_string(witness) for witness in witnesses]
    valid = VkeySet(*keys).verify(head.signatures, head)
    if len({vkey for vkey, _ in valid}) != len(keys):
        raise ValueError("a cosignature is missing, or does not fit")
    return head


def log(folder, key):
    """Every entry, by a proof from the tiles; the root, from the tiles."""
    head = checkpoint((Path(folder) / "checkpoint").read_bytes(), key, [])
    reader = TilesReader(LocalBackend(Path(folder)))
    reader.set_size(head.size)
    if reader.calculate_root_hash() != head.root_hash:
        raise ValueError("the tiles do not give the signed root")
    for index in range(head.size):
        leaf = tiles.leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, head.size).check(leaf, head.root_hash)


def proof(text, entry, key):
    index, path, note = cases.split(text)
    head = checkpoint(note, key, [])
    path = InclusionProof(index, head.size, [b64dec(line) for line in path])
    path.check(tiles.leaf_hash(entry), head.root_hash)


def make(folder, to, key):
    """Writes a log in three commits, signs them with a key, and prints its public half."""
    _, _, origin, _, secret = Path(key).read_text().strip().split("+", 4)
    secret = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[1:])
    reader = TilesReader(LocalBackend(Path(folder)))
    size = reader.get_checkpoint().size
    writer = TilesWriter.create(Path(to), origin)
    signer = PlainEd25519Signer(origin, secret)
    for index in range(size):
        writer.add_leaf(reader.get_entry(index))
        if index in (100, 300, size - 1):
            writer.commit([signer])
    print(json.dumps({"key": signer.vkey.serialize()}))


match sys.argv[1:]:
    case []:
        cases.run(log, proof, checkpoint)
    case ["make", folder, to, key, *_]:
        make(folder, to, key)
    case _:
        sys.exit(__doc__)
