package policy

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed rego
var embedded embed.FS

// Bundle is a set of rules with a generation number that only rises. Its files
// are *.rego modules with their *_test.rego tests, enforcement.json and
// input_v1.json; any other file is refused.
type Bundle struct {
	Number uint64
	Files  fs.FS
}

// defaultNumber rises with every change of a file in rego/. Records name rules by
// it, so a server refuses to start with a lower one, or with other rules under one
// that is taken. testdata/bundles.golden holds which number is which rules.
const defaultNumber = 8

// Default is the bundle built into the binary.
func Default() Bundle {
	files, err := fs.Sub(embedded, "rego")
	if err != nil {
		panic(err) // the embedded directory has that name
	}
	return Bundle{Number: defaultNumber, Files: files}
}

// ErrBundle reports a bundle that cannot be used. The current one stays.
var ErrBundle = errors.New("unusable policy bundle")

const (
	enforcementFile = "enforcement.json"
	schemaFile      = "input_v1.json"
)

// read returns the content of every file by path, and the digest over all.
func (b Bundle) read() (map[string][]byte, string, error) {
	files := map[string][]byte{}
	if b.Files == nil {
		return nil, "", fmt.Errorf("%w: no files", ErrBundle)
	}
	sum := sha256.New()
	// WalkDir goes in lexical order, which makes the digest independent of the file system.
	err := fs.WalkDir(b.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !belongs(name) || !entry.Type().IsRegular() {
			return fmt.Errorf("%w: unexpected file %s", ErrBundle, name)
		}
		content, err := fs.ReadFile(b.Files, name)
		if err != nil {
			return err
		}
		files[name] = content
		for _, part := range [][]byte{[]byte(name), content} {
			sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			sum.Write(part)
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("reading bundle: %w", err)
	}
	return files, hex.EncodeToString(sum.Sum(nil)), nil
}

func belongs(name string) bool {
	return path.Ext(name) == ".rego" || name == enforcementFile || name == schemaFile
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }
