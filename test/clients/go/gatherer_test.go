package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
)

type completions = []*gotaskqv1.JobCompletion

var (
	errBad  = connect.NewWireError(connect.CodeInvalidArgument, errors.New("a field is bad"))
	errAway = connect.NewWireError(connect.CodeUnavailable, errors.New("the server is away"))
)

// standIn stands for a server: it says which calls come, and answers each when it is told to.
type standIn struct {
	calls   chan completions
	answers chan error
}

func (s *standIn) call(_ context.Context, batch completions) ([]*gotaskqv1.SettleOutcome, error) {
	s.calls <- batch
	if err := <-s.answers; err != nil {
		return nil, err
	}
	outcomes := make([]*gotaskqv1.SettleOutcome, len(batch))
	for i, each := range batch {
		outcomes[i] = &gotaskqv1.SettleOutcome{JobId: each.JobId, Result: gotaskqv1.SettleResult_SETTLE_RESULT_APPLIED}
	}
	return outcomes, nil
}

// fixture is a gatherer whose first call is under way, with the completion of job "first".
type fixture struct {
	*testing.T
	server   *standIn
	gatherer *gatherer[*gotaskqv1.JobCompletion]
	jobs     sync.WaitGroup
	mu       sync.Mutex
	told     map[string]error
}

func begin(t *testing.T) *fixture {
	server := &standIn{calls: make(chan completions), answers: make(chan error)}
	f := &fixture{T: t, server: server, gatherer: newGatherer(server.call), told: make(map[string]error)}
	f.settle("first", 1, time.Hour)
	f.comes(1)
	return f
}

// settle settles a job in a goroutine of its own, and returns once it waits, or its call is under way.
func (f *fixture) settle(id string, bytes int, left time.Duration) {
	before := f.waiting()
	held := &lease{until: time.Now().Add(left)}
	result := &gotaskqv1.JobCompletion_ResultBytes{ResultBytes: []byte(strings.Repeat("x", bytes))}
	f.jobs.Add(1)
	go func() {
		defer f.jobs.Done()
		_, err := f.gatherer.settle(held, &gotaskqv1.JobCompletion{JobId: id, ResultKind: result})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.told[id] = err
	}()
	if id != "first" {
		for f.waiting() == before {
			time.Sleep(10 * time.Microsecond)
		}
	}
}

func (f *fixture) waiting() int {
	f.gatherer.mu.Lock()
	defer f.gatherer.mu.Unlock()
	return len(f.gatherer.waiting)
}

// comes waits for the next call, and checks how many jobs are in it.
func (f *fixture) comes(jobs int) {
	f.Helper()
	if batch := <-f.server.calls; len(batch) != jobs {
		f.Fatalf("a call has %d jobs, not %d", len(batch), jobs)
	}
}

// ends waits until all jobs are told, and checks what the last one was.
func (f *fixture) ends(id string, want error) {
	f.Helper()
	f.jobs.Wait()
	if !errors.Is(f.told[id], want) {
		f.Fatalf("%s was told %v, not %v", id, f.told[id], want)
	}
}

func TestWhatComesWhileACallIsUnderWayGoesTogether(t *testing.T) {
	f := begin(t)
	for i := range 10 {
		f.settle(fmt.Sprint(i), 1, time.Hour)
	}
	f.server.answers <- nil
	f.comes(10)
	f.server.answers <- nil
	f.ends("9", nil)
	f.settle("first", 1, time.Hour) // alone again, and at once
	f.comes(1)
	f.server.answers <- nil
	f.ends("first", nil)
}

func TestACallIsBoundedInJobsAndBytes(t *testing.T) {
	f := begin(t)
	for i := range batchJobs + 1 {
		f.settle(fmt.Sprint(i), 1, time.Hour)
	}
	f.settle("large", 3<<20, time.Hour)
	f.settle("another", 3<<20, time.Hour)
	for _, jobs := range []int{batchJobs, 2, 1} {
		f.server.answers <- nil
		f.comes(jobs)
	}
	f.server.answers <- nil
	f.ends("another", nil)
}

func TestARefusedJobDoesNotHoldUpTheOthers(t *testing.T) {
	f := begin(t)
	for i := range 4 {
		f.settle(fmt.Sprint(i), 1, time.Hour)
	}
	f.server.answers <- nil
	for _, call := range []struct {
		jobs   int
		answer error
	}{{4, errBad}, {2, errBad}, {1, errBad}, {1, nil}, {2, nil}} {
		f.comes(call.jobs)
		f.server.answers <- call.answer
	}
	f.ends("0", errBad)
	for _, id := range []string{"first", "1", "2", "3"} {
		f.ends(id, nil)
	}
}

func TestTriesAgainUntilTheLeaseHasEnded(t *testing.T) {
	f := begin(t)
	f.settle("held", 1, time.Hour)
	f.settle("lost", 1, 0)
	f.server.answers <- nil
	f.comes(2)
	f.server.answers <- errAway
	f.comes(1)
	f.server.answers <- nil
	f.ends("held", nil)
	f.ends("lost", errAway)
}
