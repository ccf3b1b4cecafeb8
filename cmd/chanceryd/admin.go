package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveAdmin answers on a unix socket that only the server's own user can open:
// figures and profiles tell who is active when.
func (s *server) serveAdmin(ctx context.Context) error {
	path := s.config.Admin
	switch path {
	case "off":
		<-ctx.Done()
		return nil
	case "":
		path = filepath.Join(s.config.State, "admin.sock")
	}
	l, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("listening for administration: %w", err)
	}
	srv := &http.Server{Handler: s.adminRoutes(), ReadHeaderTimeout: 10 * time.Second}
	return serveUntil(ctx, srv, func() error { return srv.Serve(l) })
}

func (s *server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// listenUnix takes the place of a socket that a crash left behind. The state
// directory's lock says that no other server is alive.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
