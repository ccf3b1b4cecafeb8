package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// ErrInUse means that another server holds the state directory.
var ErrInUse = errors.New("another server is using this directory")

// Config says where and how the cluster runs.
type Config struct {
	Dir    string       // state directory; made when missing
	BinDir string       // directory of PostgreSQL's binaries; empty: the newest installed
	User   string       // account to run it as when the server is root; empty: "chancery", else "postgres"
	Log    *slog.Logger // nil: slog.Default()

	// Ephemeral gives up durability for speed. Only for data that nobody will miss.
	Ephemeral bool
}

// Cluster is a running PostgreSQL with its supervisor.
type Cluster struct {
	config  Config
	account account
	own     string // the server's own user
	install install
	lock    *os.File
	sockets string // directory of the socket

	healthy atomic.Bool
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // why it is gone for good; written before done is closed
}

// Start makes the cluster in config.Dir when there is none, starts it and waits until it takes connections.
// It stays up, and is restarted when it dies, until Stop; ctx bounds only the start.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c, err := open(config)
	if err != nil {
		return nil, fmt.Errorf("starting the private database in %s: %w", config.Dir, err)
	}
	if err := c.start(ctx); err != nil {
		c.release()
		return nil, fmt.Errorf("starting the private database in %s: %w", config.Dir, err)
	}
	return c, nil
}

// open takes the state directory and finds out who runs what.
func open(config Config) (*Cluster, error) {
	c := &Cluster{config: config, done: make(chan struct{})}
	if c.config.Log == nil {
		c.config.Log = slog.Default()
	}
	own, err := ownUser()
	if err != nil {
		return nil, err
	}
	c.own = own.Username
	if c.account, err = chooseAccount(config.User, own, user.Lookup); err != nil {
		return nil, err
	}
	if c.config.Dir, err = filepath.Abs(config.Dir); err != nil {
		return nil, err
	}
	if c.install, err = choose(c.config); err != nil {
		return nil, err
	}
	if err = os.MkdirAll(c.config.Dir, 0o711); err != nil {
		return nil, err
	}
	if err = c.account.reaches(c.config.Dir); err != nil {
		return nil, err
	}
	if c.lock, err = lockFile(c.path("lock")); err != nil {
		return nil, err
	}
	return c, nil
}

// choose finds the binaries that fit the data in the state directory, if there is any.
func choose(config Config) (install, error) {
	pinned, err := pinnedMajor(filepath.Join(config.Dir, "data"))
	if err != nil {
		return install{}, err
	}
	found, err := findInstalls(config.BinDir)
	if err != nil {
		return install{}, err
	}
	return pick(found, pinned)
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.sockets, err = c.socketDir(); err != nil {
		return err
	}
	if err := c.bootstrap(ctx); err != nil {
		return err
	}
	if err := writeConf(c.path("conf"), c.sockets, c.config.Ephemeral, c.own, c.account.name); err != nil {
		return err
	}
	failures := 0
	first, err := c.launch(ctx)
	if err != nil {
		if first, err = c.relaunch(ctx, &failures, err); err != nil {
			return err
		}
	}
	// The supervisor outlives the start, so it must not end with the start's context.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	c.healthy.Store(true)
	go c.supervise(running, first, failures)
	return nil
}

// maxSocketPath is the size of sun_path less its final zero; the name that PostgreSQL adds is socketName.
const (
	maxSocketPath = 107
	socketName    = "/.s.PGSQL.5432.lock"
)

// socketDir makes the private directory of the socket: run in the state directory, or, where that path would be
// too long for a socket, a new one with a short name.
func (c *Cluster) socketDir() (string, error) {
	dir := c.path("run")
	if len(dir)+len(socketName) <= maxSocketPath {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
		return dir, c.account.mkdir(dir)
	}
	dir, err := os.MkdirTemp("/tmp", "chancery-")
	if err != nil {
		return "", err
	}
	return dir, os.Lchown(dir, c.account.uid, c.account.gid)
}

func (c *Cluster) path(name string) string { return filepath.Join(c.config.Dir, name) }

// URL is the address of a database of this cluster, for pgx. The database "chancery" exists from the start.
// The login role owns it and is no superuser.
func (c *Cluster) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(loginRole), Path: "/" + database}
	u.RawQuery = url.Values{"host": {c.sockets}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// BinDir is where the binaries of the running major are, pg_dump and pg_basebackup among them.
func (c *Cluster) BinDir() string { return c.install.dir }

// Healthy says whether the cluster takes connections. It is false while a dead one is being restarted.
func (c *Cluster) Healthy() bool { return c.healthy.Load() }

// Done is closed when the cluster is gone for good: stopped, or dead beyond three restarts.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err says why the cluster is gone: nil until Done is closed, and nil after a Stop.
func (c *Cluster) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop shuts the cluster down and waits for it. Callers drain their connections first: what is still open is cut
// off. If ctx ends before, Stop returns and the shutdown goes on. A second Stop waits for the first.
func (c *Cluster) Stop(ctx context.Context) error {
	c.cancel()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("stopping the private database: %w", ctx.Err())
	}
}

// release gives the state directory back.
func (c *Cluster) release() {
	if c.sockets != "" && c.sockets != c.path("run") {
		_ = os.RemoveAll(c.sockets)
	}
	_ = c.lock.Close()
}

// lockFile takes the lock that ends with this process, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}
