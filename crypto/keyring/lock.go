//go:build unix

package keyring

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const lockFile = "lock"

// takeLock holds the file's lock until it is closed or the process ends. The
// kernel keeps the lock; the process id inside only tells people who has it.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &LockedError{PID: holder(f)}
		}
		return nil, errors.Join(err, f.Close())
	}
	pid := fmt.Sprintln(os.Getpid())
	if _, err := f.WriteAt([]byte(pid), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Truncate(int64(len(pid))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// dropLock ends the lock itself and not with the file alone: a child that this
// process is just forking has the file too, until its program starts.
func dropLock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// holder reads who holds the lock; 0 when that is not to be seen.
func holder(f *os.File) int {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}
