package adversary

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// Routes whose answers or requests are worth bending.
const (
	getOrg     = "GET /v1/org"
	getChain   = "GET /v1/people/{user}/chain"
	getOwnWrap = "GET /v1/devices/{key}/wrap"
	getEntries = "GET /v1/channels/{channel}/entries"
	postEntry  = "POST /v1/channels/{channel}/entries"
	getWrap    = "GET /v1/channels/{channel}/epochs/{n}"
	getFile    = "GET /v1/channels/{channel}/files/{blob}"
	getLive    = "GET /v1/live"
)

// front stands between clients and the server. It knows who asks, remembers
// what they posted, and hands what passes to the seams that a test has laid.
type front struct {
	mu      sync.Mutex
	server  http.Handler
	seams   []seam
	handler http.Handler // server behind all seams
	names   map[string]string
	posted  []posted
}

// asked is a request as a seam sees it.
type asked struct {
	*http.Request
	by      string // who asks: a person's name, "recorder", or nobody
	channel envelope.ChannelID
}

// seam is what stands before the server on one route. It calls next as often as
// it likes.
type seam struct {
	route string
	do    func(w http.ResponseWriter, r asked, next http.Handler)
}

// posted is an entry that somebody asked to be placed.
type posted struct {
	by      string
	channel envelope.ChannelID
	entry   wire.NewEntry
	kind    envelope.Kind
}

func newFront() *front { return &front{names: map[string]string{}} }

// know tells whose session a token is.
func (f *front) know(token, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[token] = name
}

func (f *front) to(server http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server = server
	f.build()
}

// lay puts a seam before those that are there.
func (f *front) lay(s seam) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seams = append(f.seams, s)
	f.build()
}

// heal ends every lie in what passes.
func (f *front) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seams = nil
	f.build()
}

func (f *front) build() {
	f.handler = f.server
	for _, s := range f.seams {
		next, mux := f.handler, http.NewServeMux()
		mux.HandleFunc(s.route, func(w http.ResponseWriter, r *http.Request) { s.do(w, f.asked(r), next) })
		mux.Handle("/", next)
		f.handler = mux
	}
}

func (f *front) asked(r *http.Request) asked {
	id, _ := envelope.ID[envelope.ChannelID](r.PathValue("channel"))
	return asked{r, f.who(r), id}
}

func (f *front) who(r *http.Request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/entries") {
		f.note(r)
	}
	f.mu.Lock()
	handler := f.handler
	f.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// note remembers an entry before any seam may change it.
func (f *front) note(r *http.Request) {
	body := read(r)
	p := posted{by: f.who(r)}
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/channels/"), "/entries")
	p.channel, _ = envelope.ID[envelope.ChannelID](id)
	if json.Unmarshal(body, &p.entry) != nil {
		return
	}
	if e, err := envelope.ParseEntry(p.entry.Entry); err == nil {
		p.kind = e.Kind
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, p)
}

// read takes a request's body and leaves a copy there.
func read(r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// sent is what somebody has posted of a kind in a channel, the newest last.
func (f *front) sent(by string, channel envelope.ChannelID, kind envelope.Kind) (out []posted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.posted {
		if p.by == by && p.channel == channel && p.kind == kind && !slices.ContainsFunc(out, func(o posted) bool {
			return bytes.Equal(o.entry.Entry, p.entry.Entry)
		}) {
			out = append(out, p)
		}
	}
	return out
}
