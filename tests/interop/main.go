// Logs, proofs and checkpoints as golang.org/x/mod/sumdb sees and makes them: note opens and signs
// checkpoints, tlog hashes, proves and authenticates.
//
//	main                              cases on standard input, see cases.py
//	main make FOLDER TO SECRET AT...  a log of the entries of FOLDER, and proofs of some
//	main paths                        levels, indexes and widths in, the paths of tiles out
//
// The packages know another head of a tree and no cosignatures: those are read here. They take a
// second spelling of hashes and signatures, whose last bits of base64 mean nothing.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// witness verifies cosignature/v1 lines.
type witness struct {
	name  string
	hash  uint32
	point ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.point, []byte(signed), sig[8:])
}

func newWitness(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, errors.New("not the key of a witness")
	}
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(key)))
	hash := binary.BigEndian.Uint32(sum[:])
	if parts[1] != fmt.Sprintf("%08x", hash) {
		return nil, errors.New("the identifier is of another key")
	}
	return witness{parts[0], hash, key[1:]}, nil
}

// open gives the head of the log: signed by key, cosigned by all witnesses.
func open(msg []byte, key string, witnesses []string) (tlog.Tree, error) {
	log, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	known := []note.Verifier{log}
	for _, vkey := range witnesses {
		one, err := newWitness(vkey)
		if err != nil {
			return tlog.Tree{}, err
		}
		known = append(known, one)
	}
	opened, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, err
	}
	if len(opened.Sigs) != len(known) {
		return tlog.Tree{}, fmt.Errorf("%d of %d signatures", len(opened.Sigs), len(known))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// folder is a log in static files. What was authenticated need not be saved: it is there.
type folder string

func (f folder) Height() int                          { return height }
func (f folder) SaveTiles([]tlog.Tile, [][]byte)      {}
func (f folder) read(tile tlog.Tile) ([]byte, error)  { return os.ReadFile(f.path(tile)) }
func (f folder) path(tile tlog.Tile) string           { return filepath.Join(string(f), pathOf(tile)) }
func (f folder) write(tile tlog.Tile, b []byte) error { return write(f.path(tile), b) }
func (f folder) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		one, err := f.read(tile)
		if err != nil {
			return nil, err
		}
		if len(one) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", pathOf(tile), len(one))
		}
		data = append(data, one)
	}
	return data, nil
}

// pathOf is the path of tlog-tiles, which has no height and calls data entries.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if rest, ok := strings.CutPrefix(path, "data/"); ok {
		path = "entries/" + rest
	}
	return "tile/" + path
}

// entries reads a bundle.
func (f folder) entries(index, size int64) (all [][]byte, err error) {
	count := int(min(width, size-index*width))
	data, err := f.read(tlog.Tile{H: height, L: -1, N: index, W: count})
	if err != nil {
		return nil, err
	}
	for range count {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("the bundle ends early")
		}
		length := 2 + int(binary.BigEndian.Uint16(data))
		all, data = append(all, data[2:length]), data[length:]
	}
	if len(data) != 0 {
		return nil, errors.New("the bundle goes on")
	}
	return all, nil
}

// checkLog authenticates every hash and every entry.
func checkLog(path, key string) error {
	msg, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := open(msg, key, nil)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, folder(path))
	for index := int64(0); index*width < tree.N; index++ {
		entries, err := folder(path).entries(index, tree.N)
		if err != nil {
			return err
		}
		var stored []int64
		for at := range entries {
			stored = append(stored, tlog.StoredHashIndex(0, index*width+int64(at)))
		}
		hashes, err := reader.ReadHashes(stored)
		if err != nil {
			return err
		}
		for at, entry := range entries {
			if tlog.RecordHash(entry) != hashes[at] {
				return fmt.Errorf("entry %d is another one", index*width+int64(at))
			}
		}
	}
	return nil
}

func checkProof(text, entry []byte, key string) error {
	head, msg, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, ok := strings.CutPrefix(lines[1], "index ")
	at, err := strconv.ParseInt(index, 10, 64)
	if !ok || err != nil {
		return errors.New("no index")
	}
	tree, err := open([]byte(msg), key, nil)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, at, tlog.RecordHash(entry))
}

// judge runs the cases.
func judge() {
	lines := bufio.NewReader(os.Stdin)
	for decoder := json.NewDecoder(lines); decoder.More(); {
		var one struct {
			Kind, Folder, Key  string
			Proof, Entry, Note []byte
			Witnesses          []string
		}
		must(0, decoder.Decode(&one))
		var err error
		switch one.Kind {
		case "log":
			err = checkLog(one.Folder, one.Key)
		case "proof":
			err = checkProof(one.Proof, one.Entry, one.Key)
		case "checkpoint":
			_, err = open(one.Note, one.Key, one.Witnesses)
		default:
			panic(one.Kind)
		}
		if err != nil {
			fmt.Println("refused:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("accepted")
		}
	}
}

// hashes are the stored hashes of a tree.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) (read []tlog.Hash, err error) {
	for _, index := range indexes {
		read = append(read, h[index])
	}
	return read, nil
}

// makeLog writes a log, signs it with the secret key in a file, and prints its public half and proofs.
func makeLog(from, to folder, file string, at []string) {
	var size int64
	var all [][]byte
	msg := must(os.ReadFile(filepath.Join(string(from), "checkpoint")))
	must(fmt.Sscan(strings.Split(string(msg), "\n")[1], &size))
	for index := int64(0); index*width < size; index++ {
		all = append(all, must(from.entries(index, size))...)
	}
	var stored hashes
	for index, entry := range all {
		stored = append(stored, must(tlog.StoredHashes(int64(index), entry, stored))...)
	}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		must(0, to.write(tile, must(tlog.ReadTileData(tile, stored))))
		if tile.L != 0 {
			continue
		}
		var bundle []byte
		for _, entry := range all[tile.N*width : tile.N*width+int64(tile.W)] {
			bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(entry))), entry...)
		}
		tile.L = -1
		must(0, to.write(tile, bundle))
	}
	secret := strings.TrimSpace(string(must(os.ReadFile(file))))
	signer := must(note.NewSigner(secret))
	origin := signer.Name()
	seed := must(base64.StdEncoding.DecodeString(strings.SplitN(secret, "+", 5)[4]))
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	key := must(note.NewEd25519VerifierKey(origin, public))
	root := must(tlog.TreeHash(size, stored))
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
	signed := must(note.Sign(&note.Note{Text: text}, signer))
	must(0, write(filepath.Join(string(to), "checkpoint"), signed))
	proofs := map[string]string{}
	for _, index := range at {
		proof := "c2sp.org/tlog-proof@v1\nindex " + index + "\n"
		for _, hash := range must(tlog.ProveRecord(size, must(strconv.ParseInt(index, 10, 64)), stored)) {
			proof += hash.String() + "\n"
		}
		proofs[index] = proof + "\n" + string(signed)
	}
	must(0, json.NewEncoder(os.Stdout).Encode(map[string]any{"key": key, "proofs": proofs}))
}

func paths() {
	for {
		tile := tlog.Tile{H: height}
		if n, _ := fmt.Scan(&tile.L, &tile.N, &tile.W); n != 3 {
			return
		}
		fmt.Println(pathOf(tile))
	}
}

func write(path string, data []byte) error {
	must(0, os.MkdirAll(filepath.Dir(path), 0o755))
	return os.WriteFile(path, data, 0o644)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 0:
		judge()
	case len(args) >= 4 && args[0] == "make":
		makeLog(folder(args[1]), folder(args[2]), args[3], args[4:])
	case len(args) == 1 && args[0] == "paths":
		paths()
	default:
		panic("see the head of the source")
	}
}
