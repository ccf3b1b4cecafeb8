package adversary

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// A sealed file is cut, extended, reordered, or is another one.
func TestAttack32ForeignFile(t *testing.T) {
	siege(t, func(d *desk) {
		first, own := d.attach(d.ann, "contract", 200<<10)
		_, second := d.attach(d.ann, "invoice", 200<<10)
		elsewhere := *d
		elsewhere.id = d.channel("elsewhere " + d.lie)
		_, foreign := elsewhere.attach(d.ann, "contract", 200<<10)
		switch d.lie {
		case "cut":
			d.files("bob", func([]byte) []byte { return own[:len(own)-1] })
		case "cut at a chunk":
			d.files("bob", func([]byte) []byte { return own[:len(own)/2/65564*65564] })
		case "extended":
			d.files("bob", func([]byte) []byte { return append(slices.Clone(own), 0) })
		case "reordered":
			d.files("bob", func([]byte) []byte {
				return append(append(slices.Clone(own[65564:2*65564]), own[:65564]...), own[2*65564:]...)
			})
		case "another":
			d.files("bob", func([]byte) []byte { return second })
		case "of another channel":
			d.files("bob", func([]byte) []byte { return foreign })
		}
		to := filepath.Join(d.t.TempDir(), "file")
		c, err := d.bob.hold(d.t.Context(), d.id)
		d.must(err)
		_, err = c.Download(d.t.Context(), first, 0, func(string) string { return to })
		if !d.attacked {
			d.must(err)
			return
		}
		d.says("bob downloading", err, piece.ErrPiece)
		var part bytes.Buffer
		_, err = c.ReadRange(d.t.Context(), first, 0, 0, 200<<10, &part)
		d.says("bob reading a part", err, piece.ErrPiece)
		if part.Len() > 0 {
			d.t.Error("bob has a part of a file")
		}
		if _, err := os.Stat(to); err == nil {
			d.t.Error("bob has a file")
		}
	}, "cut", "cut at a chunk", "extended", "reordered", "another", "of another channel")
}

// attach posts a file of random bytes. It gives the message's place and the
// sealed bytes.
func (d *desk) attach(p *person, name string, size int) (position uint64, sealed []byte) {
	d.t.Helper()
	c, err := p.hold(d.t.Context(), d.id)
	d.must(err)
	path := filepath.Join(d.t.TempDir(), name)
	d.must(os.WriteFile(path, bytes.Repeat([]byte(name), size/len(name)), 0o600))
	u, err := c.Upload(d.t.Context(), path)
	d.must(err)
	sent, err := c.Post(d.t.Context(), session.Draft{Kind: envelope.Post, Text: name, Files: []session.Upload{*u}})
	d.must(err)
	f, err := piece.NewFile(u.Attachment.Size, u.Attachment.Root)
	d.must(err)
	sealed, err = p.API.Piece(d.t.Context(), d.id, u.Attachment.ID, f, f.Next(0)) // all of it: no hashes before
	d.must(err)
	return sent.Position, sealed
}

// files bends the sealed bytes that one client downloads.
func (d *desk) files(to string, bend func([]byte) []byte) {
	d.lay(seam{getFile, func(w http.ResponseWriter, r asked, next http.Handler) {
		got := ask(next, r.Request)
		if r.by != to || got.Code >= 300 {
			give(w, got, got.Body.Bytes())
			return
		}
		give(w, got, bend(got.Body.Bytes()))
	}})
}
