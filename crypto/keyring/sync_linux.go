package keyring

import (
	"os"
	"syscall"
)

// syncData flushes what was overwritten in place; unlike fsync it leaves the
// file's times, which nobody reads, to the disk's leisure.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
