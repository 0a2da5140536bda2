// Logs, proofs and checkpoints as @sigstore/verify (npm) sees them: what it does with the inclusion
// proofs of Rekor, by modules of its own that it does not offer to others, done with ours. Cases on
// standard input, see cases.py; it must run with the folder of node_modules in VITALEDGER_TEST_NODE.
//
// It knows no cosignatures, and ignores the lines of witnesses, whatever they say, as the
// specification allows. The name in a signature line it takes for a regular expression that must be
// found in the name of the log; the signature is verified all the same.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.VITALEDGER_TEST_NODE, "here.js"));
const { crypto } = require("@sigstore/core");
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyTLogInclusion } = require("@sigstore/verify/dist/tlog/index.js");

const WIDTH = 256;

/// A log as the library wants to know it, from a verifier key of type 0x01.
const authorities = new Map();
function authority(key) {
  if (!authorities.has(key)) authorities.set(key, authorityOf(key));
  return authorities.get(key);
}

function authorityOf(key) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.*)$/.exec(key);
  const typed = Buffer.from(encoded, "base64");
  if (typed[0] !== 1 || typed.length !== 33) throw new Error("not an Ed25519 key");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), typed.subarray(1)]);
  return { logID: Buffer.from(id, "hex"), baseURL: name, publicKey: crypto.createPublicKey(spki) };
}

function checkpoint(note, key) {
  const head = verifyCheckpoint({ inclusionProof: { checkpoint: { envelope: note } } }, [authority(key)]);
  if (head.origin !== authority(key).baseURL) throw new Error("the checkpoint of another log");
  return head;
}

/// Whether an entry is in the tree of a checkpoint, whose signature this verifies, too.
function included(entry, logIndex, hashes, envelope, key) {
  const inclusionProof = { logIndex, hashes, checkpoint: { envelope } };
  verifyTLogInclusion({ canonicalizedBody: entry, inclusionProof }, [authority(key)]);
}

function proof(text, entry, key) {
  const end = text.indexOf("\n\n");
  const [header, index, ...path] = text.slice(0, end).split("\n");
  if (header !== "c2sp.org/tlog-proof@v1" || !/^index [0-9]+$/.test(index)) throw new Error("not a tlog-proof");
  const hashes = path.map((line) => Buffer.from(line, "base64"));
  checkpoint(text.slice(end + 2), key);
  included(entry, index.slice("index ".length), hashes, text.slice(end + 2), key);
}

/// Every entry of a log of at most 65,536, by a path from its tiles. The library has no reader of
/// tiles: this one gives it what is there, and believes nothing.
function log(folder, key) {
  const envelope = readFileSync(join(folder, "checkpoint"), "utf8");
  const size = Number(checkpoint(envelope, key).logSize);
  const file = (level, index, entries) => {
    const width = Math.min(WIDTH, entries - index * WIDTH);
    const name = String(index).padStart(3, "0");
    return readFileSync(join(folder, "tile", level, width < WIDTH ? `${name}.p/${width}` : name));
  };
  const tiles = new Map();
  const stored = (level, index) => {
    const [tile, at] = [Math.floor(index / WIDTH), index % WIDTH];
    if (!tiles.has(`${level}/${tile}`)) {
      tiles.set(`${level}/${tile}`, file(String(level), tile, Math.floor(size / WIDTH ** level)));
    }
    return tiles.get(`${level}/${tile}`).subarray(at * 32, at * 32 + 32);
  };
  const known = new Map();
  const half = (count) => 2 ** Math.floor(Math.log2(count - 1));
  const hash = (from, to) => {
    if (to - from === 1) return stored(0, from);
    if (to - from === WIDTH && from % WIDTH === 0) return stored(1, from / WIDTH);
    const [name, middle] = [`${from}-${to}`, from + half(to - from)];
    if (!known.has(name)) {
      known.set(name, crypto.digest("sha256", Buffer.from([1]), hash(from, middle), hash(middle, to)));
    }
    return known.get(name);
  };
  const path = (at, from, to) => {
    if (to - from === 1) return [];
    const middle = from + half(to - from);
    if (at < middle) return [...path(at, from, middle), hash(middle, to)];
    return [...path(at, middle, to), hash(from, middle)];
  };
  for (let first = 0; first < size; first += WIDTH) {
    const bundle = file("entries", first / WIDTH, size);
    let offset = 0;
    for (let at = first; at < Math.min(first + WIDTH, size); at += 1) {
      const end = offset + 2 + bundle.readUInt16BE(offset);
      included(bundle.subarray(offset + 2, end), String(at), path(at, 0, size), envelope, key);
      offset = end;
    }
    if (offset !== bundle.length) throw new Error("the bundle goes on");
  }
}

const bytes = (encoded) => Buffer.from(encoded, "base64");
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const one = JSON.parse(line);
  try {
    if (one.kind === "log") log(one.folder, one.key);
    else if (one.kind === "proof") proof(bytes(one.proof).toString(), bytes(one.entry), one.key);
    else if (one.kind === "checkpoint") checkpoint(bytes(one.note).toString(), one.key);
    else throw new Error(`no case of kind ${one.kind}`);
    console.log("accepted");
  } catch (refusal) {
    console.log("refused:", String(refusal.message).replaceAll("\n", " "));
  }
}
