package archive

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chancery/crypto/envelope"
)

// The journal lies beside the bag: the archive's id, then a line for each whole
// segment. A line that a crash cut short counts for nothing.

func journalPath(dir string) string { return filepath.Clean(dir) + ".journal" }

func startJournal(dir string, id envelope.Hash) error {
	raw, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return writeDurable(journalPath(dir), append(raw, '\n'))
}

func extendJournal(dir string, s *segmentState) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing journal: %w", err)
	}
	f, err := os.OpenFile(journalPath(dir), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("writing journal: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing journal: %w", err)
	}
	return nil
}

// readJournal lists the whole segments of an archive that is being written. It
// cuts off a line that is not whole, so that the next one starts a line.
func readJournal(dir string, id envelope.Hash) ([]segmentState, error) {
	f, err := os.OpenFile(journalPath(dir), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	first, err := r.ReadBytes('\n')
	var is envelope.Hash
	if err != nil || json.Unmarshal(first, &is) != nil {
		return nil, fmt.Errorf("journal %s is damaged", journalPath(dir))
	}
	if is != id {
		return nil, fmt.Errorf("archive %s is being written there", is)
	}
	var done []segmentState
	for whole := int64(len(first)); ; {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return done, errors.Join(f.Truncate(whole), f.Sync())
		}
		if err != nil {
			return nil, err
		}
		var s segmentState
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("journal %s is damaged: %w", journalPath(dir), err)
		}
		done, whole = append(done, s), whole+int64(len(line))
	}
}
