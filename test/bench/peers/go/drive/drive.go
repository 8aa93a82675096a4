// Package drive lets the bench tell a program what to do: a line comes in, and "done" goes out once that is done.
package drive

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// BatchSize is how many jobs a batch has.
const BatchSize = 100

// Payload is that of every job: 100 bytes.
var Payload = []byte(`{"text":"` + strings.Repeat("x", 89) + `"}`)

// Client creates jobs.
type Client struct {
	Create func() error
	Batch  func() error // nil: there is no such call
	Pause  func() error
	Resume func() error
}

// Run says "ready", then does what the lines say:
//
//	create CALLERS JOBS   creates jobs one by one, from so many callers, each of which waits for its answer
//	batch CALLERS JOBS    the same in batches
//	pause, resume         whether workers get jobs
func (c Client) Run() {
	fmt.Println("ready")
	for line := range lines() {
		var callers, jobs int64
		var err error
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "create":
			fmt.Sscan(rest, &callers, &jobs)
			err = load(callers, jobs, c.Create)
		case "batch":
			fmt.Sscan(rest, &callers, &jobs)
			err = load(callers, jobs/BatchSize, c.Batch)
		case "pause":
			err = c.Pause()
		case "resume":
			err = c.Resume()
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("done")
	}
}

// Counter counts the jobs that a worker ran.
type Counter struct {
	mu     sync.Mutex
	count  int
	wanted int
}

// Ran counts one.
func (c *Counter) Ran() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	c.tell()
}

// Run says "ready", then does what the lines say:
//
//	until JOBS   waits until so many have run since the start
func (c *Counter) Run() {
	fmt.Println("ready")
	for line := range lines() {
		c.mu.Lock()
		fmt.Sscanf(line, "until %d", &c.wanted)
		c.tell()
		c.mu.Unlock()
	}
}

func (c *Counter) tell() {
	if c.wanted > 0 && c.count >= c.wanted {
		c.wanted = 0
		fmt.Println("done")
	}
}

func lines() <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

func load(callers, calls int64, call func() error) error {
	var left atomic.Int64
	left.Store(calls)
	failed := make(chan error, callers)
	for range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range callers {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}
