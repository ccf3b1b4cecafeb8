package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/identity"
	"chancery/policy"
)

// uploadInput announces a sealed file.
type uploadInput struct {
	Channel envelope.ChannelID `path:"channel"`
	Body    wire.NewFile
}

func (a *API) files() {
	const path = "/v1/channels/{channel}/files"
	answers(a, route{method: "POST", path: path, action: policy.FileUpload, summary: "Announce a sealed file; the answer says how much of it is there"}, a.announce)
	a.streams(route{method: "PUT", path: path + "/{blob}", action: policy.FileUpload, limit: piece.MaxBytes, first: a.sees, summary: "Add the next piece of a sealed file: chunks ?from= to ?to=, with the hashes that prove them"}, a.upload)
	a.streams(route{method: "GET", path: path + "/{blob}", action: policy.FileRead, summary: "A piece of a sealed file that a message has bound: chunks ?from= to ?to=, with the hashes that prove them"}, a.download)
}

// pieceTime is how long the bytes of a piece may take: 4 MiB over a slow line.
const pieceTime = 5 * time.Minute

// extend gives a stream more time than the server's own limits.
func extend(w http.ResponseWriter) {
	c, until := http.NewResponseController(w), time.Now().Add(pieceTime)
	_ = c.SetReadDeadline(until) // a writer without deadlines, as in tests, has no limits either
	_ = c.SetWriteDeadline(until)
}

func (a *API) announce(ctx context.Context, p identity.Principal, in *uploadInput) (wire.Held, error) {
	if in.Body.Size > uint64(a.MaxFile) {
		return wire.Held{}, &http.MaxBytesError{Limit: a.MaxFile}
	}
	have, err := a.Core.Announce(ctx, p, in.Channel, core.Upload{ID: in.Body.ID, Size: in.Body.Size, Root: in.Body.Root})
	return wire.Held{Have: have}, err
}

// part is which piece of which file a request is about.
type part struct {
	channel envelope.ChannelID
	blob    envelope.BlobID
	span    piece.Span
}

func partOf(r *http.Request) (x part, err error) {
	if err := x.channel.UnmarshalText([]byte(r.PathValue("channel"))); err != nil {
		return x, malformed("channel", err.Error())
	}
	if err := x.blob.UnmarshalText([]byte(r.PathValue("blob"))); err != nil {
		return x, malformed("blob", err.Error())
	}
	q := r.URL.Query()
	for name, to := range map[string]*uint64{"from": &x.span.From, "to": &x.span.To} {
		if *to, err = strconv.ParseUint(q.Get(name), 10, 32); err != nil {
			return x, malformed(name, name+" must be the number of a chunk")
		}
	}
	return x, nil
}

func (a *API) upload(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
	x, err := partOf(r)
	if err != nil {
		return err
	}
	extend(w)
	have, err := a.Core.Upload(r.Context(), p, x.channel, x.blob, x.span, r.Body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(wire.Held{Have: have})
}

func (a *API) download(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
	x, err := partOf(r)
	if err != nil {
		return err
	}
	found, err := a.Core.Download(r.Context(), p, x.channel, x.blob, x.span)
	if err != nil {
		return err
	}
	extend(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment")
	w.Header().Set("Content-Length", strconv.FormatInt(found.Size, 10))
	if err := found.Send(w); err != nil {
		// The status may be sent; only cutting the connection tells that bytes miss.
		requestOf(r.Context()).err = err
		panic(http.ErrAbortHandler)
	}
	return nil
}
