package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// saying is one message as a person typed it.
type saying struct {
	by   string // username
	text string
}

func (s saying) sum() string { return sum([]byte(s.text)) }

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// sources are texts that every Debian machine has: licences, change logs and
// control files of packages.
var sources = []string{"/usr/share/common-licenses/*", "/usr/share/doc/*/copyright", "/usr/share/doc/*/changelog.Debian.gz", "/usr/share/perl/*/pod/*.pod"}

// special are messages that systems get wrong.
var special = []string{
	"```go\nfunc main() {\n\tfmt.Println(\"<script>alert('x')</script>\")\n}\n```",
	"السلام عليكم، هل السعر ثابت؟",
	"שלום, 1.0842 עד 1.0850",
	"👩🏽‍🚀🏳️‍🌈 deal done 🤝🏿 \U0001F1E8\U0001F1ED",
	"e\u0301 is not é, and Z\u0351\u036b\u0343a\u0322\u034elgo\u0355\u035a neither",
	"\u200b\u2060\u00a0", // looks empty
	" leading and trailing space \t",
	"=HYPERLINK(\"http://example.test\")",
	"'; DROP TABLE entries; --",
	"a\x00b", // a NUL is text too
}

// longText is the largest paste, in bytes.
const longText = 32 << 10

// conversation is n messages of real text by the speakers in turn, with the
// special ones spread among them and one paste of 32 KB.
func conversation(n int, speakers []string) ([]saying, error) {
	lines, err := realText(n)
	if err != nil {
		return nil, err
	}
	for i, s := range special {
		lines[(i+1)*len(lines)/(len(special)+2)] = s
	}
	lines[len(lines)/2+7] = paste(lines)
	out := make([]saying, n)
	for i := range out {
		out[i] = saying{by: speakers[i%len(speakers)], text: lines[i]}
	}
	return out, nil
}

func paste(lines []string) string {
	all := strings.Join(lines, "\n")
	for len(all) < longText {
		all += all
	}
	all = all[:longText]
	for !utf8.ValidString(all) {
		all = all[:len(all)-1]
	}
	return all
}

// realText reads n paragraphs from this machine.
func realText(n int) ([]string, error) {
	var lines []string
	for _, pattern := range sources {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		slices.Sort(files)
		for _, f := range files {
			if len(lines) >= n {
				return lines[:n], nil
			}
			text, err := read(f)
			if err != nil {
				continue // a dangling link in somebody's package
			}
			lines = append(lines, paragraphs(text)...)
		}
	}
	if len(lines) < n {
		return nil, fmt.Errorf("this machine has %d paragraphs of text, %d are needed", len(lines), n)
	}
	return lines[:n], nil
}

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return "", err
		}
	}
	b, err := io.ReadAll(io.LimitReader(r, 256<<10))
	return string(b), err
}

// paragraphs are the parts of a text of a length that people send.
func paragraphs(text string) (out []string) {
	for _, p := range strings.Split(text, "\n\n") {
		if p = strings.Trim(p, "\n"); len(p) > 20 && len(p) < 4<<10 && utf8.ValidString(p) {
			out = append(out, p)
		}
	}
	return out
}
