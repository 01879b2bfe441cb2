// A mirror of a tiled log that knows nothing of casetrail: a stock client fetches checkpoint, tiles and entries over HTTP,
// and authenticates every entry. Prints what it found, tab-separated.
//
//	go run . http://HOST:PORT/PREFIX VERIFIER-KEY
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	fetcher, err := torchwood.NewTileFetcher(os.Args[1])
	check(err)
	ctx := context.Background()
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	check(err)
	fmt.Printf("checkpoint\t%s\t%d\t%x\t%d\n", checkpoint.Origin, checkpoint.N, checkpoint.Hash[:], len(opened.UnverifiedSigs))

	client, err := torchwood.NewClient(fetcher)
	check(err)
	next := int64(0)
	for index, entry := range client.Entries(ctx, checkpoint.Tree, 0) {
		print(index, entry)
		next = index + 1
	}
	check(client.Err())
	for ; next < checkpoint.N; next++ { // a partial bundle at the end is left for later by the loop above
		entry, _, err := client.Entry(ctx, checkpoint.Tree, next)
		check(err)
		print(next, entry)
	}
}

func print(index int64, entry []byte) {
	fmt.Printf("entry\t%d\t%x\n", index, sha256.Sum256(entry))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
