// Checks a log with nothing of ours: the notes and the tree are those of Go's own checksum database (x/mod sumdb).
//
// usage: check_log VKEY-FILE LOG [API [SIZE...]]
//
// LOG is the URL or the folder under which `checkpoint` and `tile/` lie. With API, the service's own inclusion proofs are
// checked for every entry, and its consistency proofs between each SIZE, the size of a checkpoint, and the newest one.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// A checkpoint whose signature was checked.
type checkpoint struct {
	size int64
	root tlog.Hash
}

// The log as it is read.
type log struct {
	place    string
	verifier note.Verifier
	tiles    map[string]bool
}

func main() {
	if len(os.Args) < 3 {
		fail("usage: check_log VKEY-FILE LOG [API [SIZE...]]")
	}
	vkey, err := os.ReadFile(os.Args[1])
	must(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	must(err)
	l := &log{place: os.Args[2], verifier: verifier, tiles: map[string]bool{}}
	signed := l.open(l.read("checkpoint"))
	fmt.Printf("checkpoint of %s over %d entries, root %s\n", verifier.Name(), signed.size, signed.root)

	entries := l.entries(signed.size)
	l.checkRoot(signed, entries)
	l.checkTiles(signed, entries)
	fmt.Printf("%d entries make the root; %d hash tiles lead up to it\n", len(entries), len(l.tiles))
	if len(os.Args) < 4 {
		return
	}
	api := os.Args[3]
	for index, entry := range entries {
		checkInclusion(api, signed, int64(index), entry)
	}
	for _, size := range os.Args[4:] {
		l.checkConsistency(api, size, signed)
	}
	fmt.Printf("%d inclusion proofs and %d consistency proofs hold\n", len(entries), len(os.Args)-4)
}

// open checks the signature of a checkpoint and reads its three lines.
func (l *log) open(signed []byte) checkpoint {
	opened, err := note.Open(signed, note.VerifierList(l.verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != l.verifier.Name() {
		fail("the checkpoint is not origin, size and root: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return checkpoint{size, root}
}

// entries reads every bundle.
func (l *log) entries(size int64) [][]byte {
	var entries [][]byte
	for int64(len(entries)) < size {
		n, width := int64(len(entries))/256, size-int64(len(entries))
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: tileHeight, L: -1, N: n, W: int(width)}
		bundle := l.read(strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1))
		for len(bundle) > 0 {
			length := int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:2+length])
			bundle = bundle[2+length:]
		}
	}
	if int64(len(entries)) != size {
		fail("the bundles hold %d entries, the checkpoint covers %d", len(entries), size)
	}
	return entries
}

// checkRoot makes the whole tree from the entries.
func (l *log) checkRoot(signed checkpoint, entries [][]byte) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for index, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(index), entry, reader)
		must(err)
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(signed.size, reader)
	must(err)
	if root != signed.root {
		fail("the entries make the root %s, signed is %s", root, signed.root)
	}
}

// checkTiles reads every leaf through the tiles, each of which x/mod checks up to the root, and proves it.
func (l *log) checkTiles(signed checkpoint, entries [][]byte) {
	reader := tlog.TileHashReader(tlog.Tree{N: signed.size, Hash: signed.root}, l)
	for index, entry := range entries {
		index, leaf := int64(index), tlog.RecordHash(entry)
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		must(err)
		if hashes[0] != leaf {
			fail("the tiles have another hash for entry %d", index)
		}
		if index%7 == 0 {
			proof, err := tlog.ProveRecord(signed.size, index, reader)
			must(err)
			must(tlog.CheckRecord(proof, signed.size, signed.root, index, leaf))
		}
	}
}

func checkInclusion(api string, signed checkpoint, index int64, entry []byte) {
	var answer struct{ Hashes []string }
	ask(fmt.Sprintf("%s/v1/proofs/inclusion?index=%d&size=%d", api, index, signed.size), &answer)
	proof, leaf := tlog.RecordProof(parseHashes(answer.Hashes)), tlog.RecordHash(entry)
	must(tlog.CheckRecord(proof, signed.size, signed.root, index, leaf))
	for place := range proof {
		proof[place][7] ^= 1
		if tlog.CheckRecord(proof, signed.size, signed.root, index, leaf) == nil {
			fail("a proof of entry %d holds although its hash %d was altered", index, place)
		}
		proof[place][7] ^= 1
	}
}

func (l *log) checkConsistency(api, size string, signed checkpoint) {
	var answer struct {
		Hashes         []string
		FromCheckpoint string `json:"from_checkpoint"`
		ToCheckpoint   string `json:"to_checkpoint"`
	}
	ask(fmt.Sprintf("%s/v1/proofs/consistency?from=%s&to=%d", api, size, signed.size), &answer)
	first, second := l.open([]byte(answer.FromCheckpoint)), l.open([]byte(answer.ToCheckpoint))
	if second != signed {
		fail("the service has two checkpoints over %d entries", signed.size)
	}
	proof := tlog.TreeProof(parseHashes(answer.Hashes))
	must(tlog.CheckTree(proof, second.size, second.root, first.size, first.root))
	first.root[0] ^= 1
	if tlog.CheckTree(proof, second.size, second.root, first.size, first.root) == nil {
		fail("a consistency proof from %s holds for another root", size)
	}
}

// Height, ReadTiles and SaveTiles make the log a tlog.TileReader. A path of the checksum database names the height of its
// tiles, one of C2SP does not.
func (l *log) Height() int { return tileHeight }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		l.tiles[path] = true
		read = append(read, l.read(path))
	}
	return read, nil
}

func (l *log) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (l *log) read(path string) []byte {
	if strings.HasPrefix(l.place, "http") {
		return get(l.place + "/" + path)
	}
	data, err := os.ReadFile(filepath.Join(l.place, filepath.FromSlash(path)))
	must(err)
	return data
}

func get(address string) []byte {
	response, err := http.Get(address)
	must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err)
	if response.StatusCode != 200 {
		fail("%s: %s: %s", address, response.Status, body)
	}
	return body
}

func ask(address string, answer interface{}) {
	must(json.Unmarshal(get(address), answer))
}

func parseHashes(texts []string) []tlog.Hash {
	hashes := make([]tlog.Hash, len(texts))
	for place, text := range texts {
		bytes, err := hex.DecodeString(text)
		must(err)
		if copy(hashes[place][:], bytes) != tlog.HashSize || len(bytes) != tlog.HashSize {
			fail("not a hash: %q", text)
		}
	}
	return hashes
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
