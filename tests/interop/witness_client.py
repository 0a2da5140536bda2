"""Asks a witness to cosign the checkpoint of an exported log, as the client of aics-witness does.

    witness_client.py URL WITNESSKEY FOLDER OLD [change]

The witness is told that it is at OLD; the proof of consistency comes from the tiles of FOLDER, with
one bit changed if asked for. Prints the lines that the witness gave, which the client has verified.
"""

import sys
from pathlib import Path

from aics_tlog import FileSystemTileReader, consistency_proof_from_tiles
from aics_witness.feeder import FeederError, WitnessClient

url, key, folder, old, *change = sys.argv[1:]


def proof(smaller, larger):
    hashes = consistency_proof_from_tiles(FileSystemTileReader(folder), smaller, larger)
    if change:
        hashes[0] = bytes([hashes[0][0] ^ 1]) + hashes[0][1:]
    return hashes


with WitnessClient(url, key, max_attempts=1) as client:
    try:
        note = (Path(folder) / "checkpoint").read_bytes()
        sys.stdout.write(client.submit(note, proof, old_size=int(old)))
    except FeederError as refusal:
        sys.exit(f"{type(refusal).__name__}: {refusal}")
