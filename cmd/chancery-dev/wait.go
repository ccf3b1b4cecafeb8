package main

import (
	"time"
)

// patience is how long the story waits for what another process does.
const patience = 40 * time.Second

// eventually tries until it works, or gives the last error.
func eventually(try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
}
