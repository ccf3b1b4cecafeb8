package archive

import (
	"io"
	"strings"

	"chancery/crypto/envelope"
)

// checkAttachments checks the sealed files of a message against the sizes and
// roots that its sender signed.
func (c *climb) checkAttachments(s *channelState, p *envelope.Placed) error {
	h, err := envelope.ParseHeader(&p.Entry)
	if err != nil {
		return tampered("%w", err)
	}
	for _, a := range h.Attachments {
		name := filesDir + a.ID.String()
		if _, there := c.files[name]; !there {
			if c.missing[missingKey{s.about.Channel, p.Position, a.ID.String()}] {
				continue
			}
			return incomplete("file %s of channel %s at %d is missing", a.ID, s.about.Channel, p.Position)
		}
		if c.replay.files[name] {
			return tampered("file %s belongs to two messages", a.ID)
		}
		c.replay.files[name] = true
		if err := c.checkFile(name, a); err != nil {
			return err
		}
	}
	return nil
}

func (c *climb) checkFile(name string, a envelope.Attachment) error {
	f, err := c.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, root, err := copyChunks(io.Discard, f)
	if err != nil {
		return err
	}
	if size != a.Size || root != a.Root {
		return tampered("%s is not the file that its sender signed", name)
	}
	return nil
}

func (c *climb) checkStrayFiles() error {
	for name := range c.files {
		if strings.HasPrefix(name, filesDir) && !c.replay.files[name] {
			return tampered("%s belongs to no message", name)
		}
	}
	if len(c.replay.files) != c.about.Files {
		return tampered("%d files, %s says %d", len(c.replay.files), aboutPath, c.about.Files)
	}
	return nil
}
