// A reader of c2sp.org/tlog-proof files that knows nothing of casetrail: stock packages read the note and check the proof,
// cosignatures are checked as c2sp.org/tlog-cosignature has them. Prints what it found, tab-separated.
//
//	go run . FILE LEAF-HASH VERIFIER-KEY...
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"filippo.io/mldsa"
	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	content, err := os.ReadFile(os.Args[1])
	check(err)
	leaf, err := hex.DecodeString(os.Args[2])
	check(err)
	var verifiers []note.Verifier
	for _, key := range os.Args[3:] {
		verifiers = append(verifiers, newVerifier(key))
	}

	head, signed, _ := bytes.Cut(content, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("no proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	check(err)
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		proof = append(proof, hash)
	}

	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	check(err)
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	check(err)
	check(tlog.CheckRecord(proof, checkpoint.N, checkpoint.Hash, index, tlog.Hash(leaf)))
	fmt.Printf("proven\t%s\t%d\t%d\n", checkpoint.Origin, checkpoint.N, index)
	for _, signature := range opened.Sigs {
		fmt.Printf("signed\t%s\n", signature.Name)
	}
}

// A cosigner's key, Ed25519 (0x04) or ML-DSA-44 (0x06).
type cosigner struct {
	name   string
	hash   uint32
	kind   byte
	public []byte
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) < 8 {
		return false
	}
	time, rest := signature[:8], signature[8:]
	if c.kind == 4 {
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(time), text)
		return ed25519.Verify(c.public, []byte(message), rest)
	}
	checkpoint, err := torchwood.ParseCheckpoint(string(text))
	check(err)
	message := append([]byte("subtree/v1\n\x00"), byte(len(c.name)))
	message = append(message, c.name...)
	message = append(message, time...)
	message = append(message, byte(len(checkpoint.Origin)))
	message = append(message, checkpoint.Origin...)
	message = binary.BigEndian.AppendUint64(message, 0)
	message = binary.BigEndian.AppendUint64(message, uint64(checkpoint.N))
	message = append(message, checkpoint.Hash[:]...)
	public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), c.public)
	check(err)
	return mldsa.Verify(public, message, rest, nil) == nil
}

func newVerifier(text string) note.Verifier {
	if verifier, err := note.NewVerifier(text); err == nil {
		return verifier
	}
	parts := strings.SplitN(text, "+", 3)
	material, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	hash := sha256.Sum256(append([]byte(parts[0]+"\n"), material...))
	if hex.EncodeToString(hash[:4]) != parts[1] || (material[0] != 4 && material[0] != 6) {
		check(errors.New("no key of a cosigner"))
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(hash[:4]), material[0], material[1:]}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
