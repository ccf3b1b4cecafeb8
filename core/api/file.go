package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

func (a *API) files() {
	const path = "/v1/channels/{channel}/files/{blob}"
	a.streams(route{method: "PUT", path: path, action: policy.FileUpload, limit: a.MaxFile, first: a.sees, summary: "Stage a sealed file: its bytes, with ?size= and ?root= in hex"}, a.upload)
	a.streams(route{method: "GET", path: path, action: policy.FileRead, summary: "The sealed bytes of a file that a message has bound"}, a.download)
}

// fileTime is how long the bytes of a file may take: 100 MiB over a slow line.
const fileTime = 15 * time.Minute

// extend gives a stream more time than the server's own limits.
func extend(w http.ResponseWriter) {
	c, until := http.NewResponseController(w), time.Now().Add(fileTime)
	_ = c.SetReadDeadline(until) // a writer without deadlines, as in tests, has no limits either
	_ = c.SetWriteDeadline(until)
}

func fileOf(r *http.Request) (channel envelope.ChannelID, blob envelope.BlobID, err error) {
	if err := channel.UnmarshalText([]byte(r.PathValue("channel"))); err != nil {
		return channel, blob, malformed("channel", err.Error())
	}
	if err := blob.UnmarshalText([]byte(r.PathValue("blob"))); err != nil {
		return channel, blob, malformed("blob", err.Error())
	}
	return channel, blob, nil
}

// upload takes the size before the bytes, so that what is too large is refused
// unread and what is cut off is noticed.
func (a *API) upload(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
	channel, blob, err := fileOf(r)
	if err != nil {
		return err
	}
	b := core.Blob{ID: blob}
	if b.Size, err = strconv.ParseUint(r.URL.Query().Get("size"), 10, 63); err != nil || b.Size == 0 {
		return malformed("size", "size must be the number of sealed bytes")
	}
	if b.Size > uint64(a.MaxFile) {
		return &http.MaxBytesError{Limit: a.MaxFile}
	}
	if r.ContentLength >= 0 && uint64(r.ContentLength) != b.Size {
		return malformed("size", fmt.Sprintf("the body has %d bytes", r.ContentLength))
	}
	if err := b.Root.UnmarshalText([]byte(r.URL.Query().Get("root"))); err != nil {
		return malformed("root", err.Error())
	}
	extend(w)
	if err := a.Core.Upload(r.Context(), p, channel, b, r.Body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) download(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
	channel, id, err := fileOf(r)
	if err != nil {
		return err
	}
	b, f, err := a.Core.Download(r.Context(), p, channel, id)
	if err != nil {
		return err
	}
	defer f.Close()
	extend(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment")
	w.Header().Set("Content-Length", strconv.FormatUint(b.Size, 10))
	if _, err := io.Copy(w, f); err != nil {
		// The status is sent; only cutting the connection tells that bytes miss.
		requestOf(r.Context()).err = err
		panic(http.ErrAbortHandler)
	}
	return nil
}
