package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"strings"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/term"

	"chancery/crypto/approval"
)

// screen is the person at this command while a device is taken in. All of it goes
// to the error output, so that a command's result stays alone.
type screen struct{ *app }

// Ticket shows the ticket as text, and on a terminal also for a camera.
func (s *screen) Ticket(t approval.Ticket) {
	s.note("On a device that you have:\n\n    chancery device approve\n\nor, without codes to compare, with this ticket, which nobody else should see:\n")
	if f, ok := s.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if picture, err := drawQR(t.String()); err == nil { // the text says the same
			s.note(picture)
		}
	}
	s.note("    chancery device approve " + t.String() + "\n")
}

// Code shows this device's code.
func (s *screen) Code(c approval.Code) {
	s.note(fmt.Sprintf("Type this code on the other device:\n\n    %s\n", c))
}

// Ask asks for the other's.
func (s *screen) Ask(ctx context.Context) (string, error) {
	fmt.Fprint(s.err, "Code that the other device shows: ")
	line, err := s.typed(ctx)
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the code: %w", err)
	}
	return line, nil
}

// typed reads one line and not a byte beyond. A read of a terminal can't be
// interrupted: it then ends with the process.
func (a *app) typed(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		text, err := readLine(a.in)
		read <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-read:
		return got.text, got.err
	}
}

func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] == '\n' {
			return line.String(), nil
		}
		line.Write(b[:n])
		if err != nil || line.Len() > 1000 {
			return line.String(), err
		}
	}
}

// drawQR draws text as a QR code, two rows a line, with the white border that
// cameras need; dark on light whatever the terminal's colours are.
func drawQR(text string) (string, error) {
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("drawing the ticket: %w", err)
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < size && y < size && code.At(x, y) == color.Black
	}
	var b strings.Builder
	for y := -2; y < size+2; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -2; x < size+2; x++ {
			b.WriteString(halves[dark(x, y)][dark(x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

// halves by whether the upper and the lower square are dark.
var halves = map[bool]map[bool]string{
	false: {false: " ", true: "▄"},
	true:  {false: "▀", true: "█"},
}
