package core_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/postgres"
	"chancery/core/store"
	"chancery/crypto/envelope"
	"chancery/migrations"
	"chancery/policy"
)

const (
	smokeRounds  = 5
	smokeTime    = 2 * time.Second
	smokeWaiting = 256
	smokeDesks   = 1000
	smokeBody    = 300 // bytes of sealed text
)

// ceiling writes the row of a message and the row of its record, in one
// statement: the most that a client can get without batching.
const ceiling = `
\set channel random(1000001, 1001000)
WITH e AS (
  INSERT INTO entries (channel_id, seq, recv_us, dev_seq, device_id, epoch, kind, msg_kind, head, hash, header, body, body_len, body_hash, sigs, sealed_salt, messages)
  SELECT :channel, n, 1800000000000000, n, 1, 1, 2, 1, h, h, decode(repeat('ab', 330), 'hex'), decode(repeat('cd', 300), 'hex'), 300, h,
    decode(repeat('ef', 100), 'hex'), decode(repeat('01', 48), 'hex'), n
  FROM (SELECT nextval('smoke') AS n, decode(repeat('77', 32), 'hex') AS h) AS x RETURNING channel_id, seq)
INSERT INTO records (class, op, outcome, at_us, actor, device, channel_id, seq, decision, policy)
SELECT 'message', 'msg.create', 'ok', 1800000000000000, 1, decode(repeat('77', 32), 'hex'), channel_id, seq,
  '01890000-0000-7000-8000-000000000000', 2 FROM e;
`

// smoke is a durable cluster of its own, settings as the server's.
type smoke struct {
	*testing.B
	dir     string
	cluster *postgres.Cluster
	db      *store.DB
	line    *core.Line
	grant   policy.Grant
	event   core.Event
	desks   []*core.Desk
	acked   atomic.Int64
	sent    [smokeWaiting]uint64 // numbers that each waiting device has used
}

// BenchmarkSmoke measures the store against pgbench, in turns, and looks after
// it whether all that was acknowledged is there. Run it by make bench-smoke.
func BenchmarkSmoke(b *testing.B) {
	s := startSmoke(b)
	type round struct{ rows, cpu float64 }
	var theirs, ours []round
	for range smokeRounds {
		rows, cpu := s.pgbench(64)
		theirs = append(theirs, round{rows, cpu})
		rows, cpu = s.post()
		ours = append(ours, round{rows, cpu})
	}
	s.check()
	rate := func(r round) float64 { return r.rows }
	cost := func(r round) float64 { return r.cpu }
	their, our := median(theirs, rate), median(ours, rate)
	fmt.Printf("\n%s, commit %s, %d processors, %s, fdatasync %v\n", time.Now().UTC().Format(time.DateOnly), commit(), runtime.NumCPU(), runtime.Version(), s.fsync())
	fmt.Printf("%-52s %10s %10s %8s\n", "message + its record, durable, median of 5", "ours", "pgbench", "ratio")
	fmt.Printf("%-52s %10.0f %10.0f %8.2f%s\n", "posts/s, 256 waiting ÷ pgbench c=64 (must 2)", our, their, our/their, noisy(theirs, ours, rate))
	fmt.Printf("%-52s %10.1f %10.1f %8.2f\n", "processor µs per post, all processes (must 0.3)", median(ours, cost), median(theirs, cost), median(ours, cost)/median(theirs, cost))
	fmt.Printf("ours: %.0f; pgbench: %.0f\n", each(ours, rate), each(theirs, rate))
	fmt.Printf("correct: %d acknowledged, as many entries and records, positions dense, one chain a channel\n\n", s.acked.Load())
}

func startSmoke(b *testing.B) *smoke {
	s := &smoke{B: b}
	var err error
	s.dir, err = os.MkdirTemp("/tmp", "bench-")
	s.must(err)
	b.Cleanup(func() { os.RemoveAll(s.dir) })
	s.must(os.Chmod(s.dir, 0o711))
	s.cluster, err = postgres.Start(b.Context(), postgres.Config{Dir: filepath.Join(s.dir, "pg"), Log: slog.New(slog.DiscardHandler)})
	s.must(err)
	b.Cleanup(func() { s.must(s.cluster.Stop(context.Background())) })
	s.must(migrations.Apply(b.Context(), s.cluster.URL("chancery")))
	s.db, err = store.Open(b.Context(), s.cluster.URL("chancery"))
	s.must(err)
	b.Cleanup(s.db.Close)
	s.seed()
	s.permit()
	s.line = core.NewLine(s.db)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.line.Run(ctx) }()
	b.Cleanup(func() { stop(); s.must(<-done) })
	for i := range smokeDesks {
		s.desks = append(s.desks, core.NewDesk(int64(i+1)))
	}
	return s
}

func (s *smoke) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// seed makes what rows refer to: an account with a device for each who waits.
func (s *smoke) seed() {
	_, err := s.db.App().Exec(s.Context(), `INSERT INTO accounts (username, display_name, source, fresh_at, created_at) VALUES ('bench', 'bench', 'bench', now(), now())`)
	s.must(err)
	for i := range smokeWaiting {
		key := deviceKey(i)
		_, err := s.db.App().Exec(s.Context(), `INSERT INTO devices (key, account_id, name, public, recipient, wrap, created_at)
			VALUES ($1, 1, 'bench', '', '', '', now())`, key[:])
		s.must(err)
	}
	s.sql("CREATE SEQUENCE public.smoke CACHE 100; GRANT USAGE ON SEQUENCE public.smoke TO chancery_app", "postgres")
}

func deviceKey(i int) (key envelope.KeyID) {
	copy(key[:], fmt.Sprintf("device %d", i))
	return key
}

// permit gets a grant from the real engine, as every post does.
func (s *smoke) permit() {
	engine, err := policy.Load(s.Context(), policy.Default(), policy.Config{})
	s.must(err)
	one, now, acked := int64(1), time.Now().Unix(), true
	expires := now + 3600
	d, grant, err := engine.Decide(s.Context(), policy.Question{
		Action: policy.MessageCreate, Subject: policy.Subject{ID: "1", Kind: policy.KindUser, State: "active", Roles: []string{policy.RoleMember}},
		Resource: policy.Resource{Type: policy.ChannelResource, ID: "bench", State: "active", MemberRole: "member", Holds: new(int64),
			Crypto: &policy.Crypto{Capture: "off", Epoch: &one, RecorderAcked: &acked}},
		Context: policy.Context{Time: &now, Device: &policy.Device{ID: "1", State: "approved"}, Session: &policy.Session{ID: "1", AuthAt: &now, ExpiresAt: &expires}},
	})
	s.must(err)
	if !d.Allow {
		s.Fatalf("policy refuses: %v", d.Reasons)
	}
	s.grant = grant
	s.event = core.Event{Op: record.MessageCreate, Outcome: record.OK, At: now * 1e6, Actor: 1, Decision: d.ID, Policy: d.Generation}
}

// draft is the waiting device's next message, with a body of random bytes.
func (s *smoke) draft(who int) (*core.Draft, *envelope.Entry) {
	s.sent[who]++
	h := &envelope.Header{Version: envelope.Version, Epoch: 1, Device: deviceKey(who), DeviceSeq: s.sent[who], Time: time.Now().UnixMicro(), Kind: envelope.Post}
	e := &envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(h), Payload: make([]byte, smokeBody)}
	_, _ = rand.Read(e.Payload)
	e.Signatures = []envelope.Signature{{Key: h.Device, Bytes: e.Payload[:64]}}
	ev := s.event
	ev.Device = h.Device
	return &core.Draft{
		Grant: s.grant, Action: policy.MessageCreate, Resource: policy.Resource{Type: policy.ChannelResource, ID: "bench"},
		Event: ev, Message: h, SealedSalt: e.Payload[:48],
	}, e
}

// post lets 256 devices post as fast as they are acknowledged.
func (s *smoke) post() (perSecond, cpu float64) {
	before, begin, used := s.acked.Load(), time.Now(), s.used()
	var g sync.WaitGroup
	for who := range smokeWaiting {
		g.Go(func() {
			for n := who; time.Since(begin) < smokeTime; n += 37 {
				d, e := s.draft(who)
				if err := s.line.Post(s.desks[n%smokeDesks], d, e, time.Now().UnixMicro()); err != nil {
					s.Error(err)
					return
				}
				s.acked.Add(1)
			}
		})
	}
	g.Wait()
	n := float64(s.acked.Load() - before)
	return n / time.Since(begin).Seconds(), (s.used() - used).Seconds() * 1e6 / n
}

var processed = regexp.MustCompile(`actually processed: (\d+)`)
var tps = regexp.MustCompile(`tps = ([\d.]+)`)

func (s *smoke) pgbench(clients int) (perSecond, cpu float64) {
	script := filepath.Join(s.dir, "ceiling.sql")
	s.must(os.WriteFile(script, []byte(ceiling), 0o644))
	used := s.used()
	c := exec.CommandContext(s.Context(), s.tool("pgbench"), "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2",
		"-T", strconv.Itoa(int(smokeTime.Seconds())), "-f", script, "-h", s.socket(), "-U", "postgres", "chancery")
	out, err := c.CombinedOutput()
	if err != nil {
		s.Fatalf("pgbench: %v\n%s", err, out)
	}
	n, rate := number(s, processed, out), number(s, tps, out)
	client := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	return rate, (s.used() - used + client).Seconds() * 1e6 / n
}

func number(s *smoke, re *regexp.Regexp, out []byte) float64 {
	m := re.FindSubmatch(out)
	if m == nil {
		s.Fatalf("pgbench said:\n%s", out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	s.must(err)
	return n
}

func (s *smoke) tool(name string) string {
	if path := filepath.Join(s.cluster.BinDir(), name); exists(path) {
		return path
	}
	return name
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func (s *smoke) socket() string {
	u, err := url.Parse(s.cluster.URL("chancery"))
	s.must(err)
	return u.Query().Get("host")
}

// sql runs statements as a database user of the cluster and gives what they print.
func (s *smoke) sql(text, user string) string {
	out, err := exec.CommandContext(s.Context(), s.tool("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", s.socket(), "-U", user, "-c", text, "chancery").CombinedOutput()
	if err != nil {
		s.Fatalf("psql: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// used is the processor time of this process and of the database's.
func (s *smoke) used() time.Duration {
	var r syscall.Rusage
	s.must(syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	total := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	pid, err := os.ReadFile(filepath.Join(s.dir, "pg", "data", "postmaster.pid"))
	s.must(err)
	master, _, _ := strings.Cut(string(pid), "\n")
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile: its parent has its time
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		own := filepath.Base(filepath.Dir(file)) == master
		if own || f[1] == master {
			total += ticks(f[11]) + ticks(f[12])
		}
		if own {
			total += ticks(f[13]) + ticks(f[14])
		}
	}
	return total
}

// ticks are hundredths of a second on every Linux that Go runs on.
func ticks(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * 10 * time.Millisecond
}

// check fails a fast run that is wrong: all that was acknowledged is there once,
// with its record, at dense positions, under one chain of heads.
func (s *smoke) check() {
	const own = "channel_id <= 1000"
	for what, sql := range map[string]string{
		"entries":          "SELECT count(*) FROM entries WHERE " + own,
		"records":          "SELECT count(*) FROM records WHERE " + own,
		"positions":        "SELECT sum(top) FROM (SELECT max(seq) AS top FROM entries WHERE " + own + " GROUP BY channel_id) AS x",
		"different hashes": "SELECT count(DISTINCT hash) FROM entries WHERE " + own,
		"pairs":            "SELECT count(*) FROM entries e JOIN records r USING (channel_id, seq) WHERE " + own,
	} {
		if got := s.sql(sql, "postgres"); got != strconv.FormatInt(s.acked.Load(), 10) {
			s.Fatalf("%s %s, acknowledged %d", got, what, s.acked.Load())
		}
	}
	for i, d := range s.desks {
		s.checkChain(int64(i+1), d)
	}
}

func (s *smoke) checkChain(channel int64, d *core.Desk) {
	var head envelope.Hash
	var after uint64
	for {
		page, _, err := s.db.Entries(s.Context(), channel, core.Span{After: after, Limit: 1000, Bytes: 8 << 20})
		s.must(err)
		for i := range page {
			p := &page[i].Placed
			if head = envelope.NextHead(head, p.Position, p.Received, p.Hash()); p.Head != head || p.Position != after+1 {
				s.Fatalf("channel %d breaks at position %d", channel, p.Position)
			}
			after++
		}
		if len(page) == 0 {
			break
		}
	}
	if n, top := d.Head(); n != after || n > 0 && top != head {
		s.Fatalf("channel %d ends at %d, the writer said %d", channel, after, n)
	}
}

// fsync is the median of writing 8 KiB through to the disk.
func (s *smoke) fsync() time.Duration {
	f, err := os.Create(filepath.Join(s.dir, "fsync"))
	s.must(err)
	defer f.Close()
	took := make([]time.Duration, 101)
	for i := range took {
		begin := time.Now()
		_, err := f.WriteAt(make([]byte, 8192), 0)
		s.must(err)
		s.must(syscall.Fdatasync(int(f.Fd())))
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[50].Round(time.Microsecond)
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func each[T any](rounds []T, of func(T) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	return values
}

func median[T any](rounds []T, of func(T) float64) float64 {
	values := slices.Sorted(slices.Values(each(rounds, of)))
	return values[len(values)/2]
}

// noisy says so when a side's rounds lie more than a third apart.
func noisy[T any](a, b []T, of func(T) float64) string {
	for _, rounds := range [][]T{a, b} {
		values := slices.Sorted(slices.Values(each(rounds, of)))
		if values[len(values)-1] > values[0]*4/3 {
			return "  noisy"
		}
	}
	return ""
}
