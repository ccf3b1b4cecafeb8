package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"chancery/compliance/recorder"
	"chancery/crypto/envelope"
)

// status is what the recorder tells about itself. It holds ids and numbers only.
type status struct {
	Recorder envelope.KeyID          `json:"recorder"`
	Org      envelope.OrgID          `json:"org"`
	Channels []recorder.Standing     `json:"channels"`
	Alarms   map[recorder.Reason]int `json:"alarms"` // since the start
}

// journal logs what goes wrong, each thing at most once a minute, and counts
// alarms.
type journal struct {
	mu     sync.Mutex
	said   map[string]time.Time
	alarms map[recorder.Reason]int
}

func newJournal() *journal {
	return &journal{said: map[string]time.Time{}, alarms: map[recorder.Reason]int{}}
}

func (j *journal) report(err error) {
	alarm, ok := errors.AsType[*recorder.Alarm](err)
	key := err.Error()
	if ok {
		key = fmt.Sprint(alarm.Reason, alarm.Channel, alarm.Object)
	}
	if !j.fresh(key) {
		return
	}
	if !ok {
		slog.Warn("will try again", "err", err)
		return
	}
	j.mu.Lock()
	j.alarms[alarm.Reason]++
	j.mu.Unlock()
	slog.Error("alarm", "reason", alarm.Reason, "channel", alarm.Channel, "object", alarm.Object, "err", err)
}

func (j *journal) fresh(key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if len(j.said) > 10_000 {
		clear(j.said)
	}
	if now.Sub(j.said[key]) < time.Minute {
		return false
	}
	j.said[key] = now
	return true
}

func (j *journal) status(r *recorder.Recorder) status {
	s := status{Recorder: r.ID(), Org: r.Org, Channels: r.Standings(), Alarms: map[recorder.Reason]int{}}
	j.mu.Lock()
	defer j.mu.Unlock()
	for reason, n := range j.alarms {
		s.Alarms[reason] = n
	}
	return s
}

// serveStatus answers /livez and /status until ctx ends.
func serveStatus(ctx context.Context, address string, give func() status) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return usage("--status %s is no loopback address with a port", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(give()); err != nil {
			slog.Debug("status reader went away", "err", err)
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
