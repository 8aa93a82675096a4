package main

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
	"example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
)

// Bounds of one call: the server takes up to 1000 jobs, and messages of up to 4 MiB.
const (
	batchJobs  = 1000
	batchBytes = 4<<20 - 64<<10
)

// gatherer tells the server how jobs ended. What comes while a call is under way goes together in the next one: an
// outcome alone is told at once, and a thousand of them cost hardly more than one. T says how a job ended, as in
// JobCompletion.
type gatherer[T proto.Message] struct {
	call func(ctx context.Context, batch []T) ([]*gotaskqv1.SettleOutcome, error)

	mu      sync.Mutex
	waiting []settlement[T]
	busy    bool // whether a call is under way
}

func newGatherer[T proto.Message](call func(context.Context, []T) ([]*gotaskqv1.SettleOutcome, error)) *gatherer[T] {
	return &gatherer[T]{call: call}
}

type settlement[T proto.Message] struct {
	lease *lease
	write T
	size  int
	told  chan<- told
}

// told is what the server answered, or why it was not told.
type told struct {
	result gotaskqv1.SettleResult
	err    error
}

// settle tells how one job ended, and waits for the answer. It tries again until the lease has ended: a repeat is
// harmless.
func (g *gatherer[T]) settle(l *lease, write T) (gotaskqv1.SettleResult, error) {
	answer := make(chan told, 1)
	g.mu.Lock()
	g.waiting = append(g.waiting, settlement[T]{lease: l, write: write, size: proto.Size(write), told: answer})
	first := !g.busy
	g.busy = true
	g.mu.Unlock()
	if first {
		go g.run()
	}
	a := <-answer
	return a.result, a.err
}

// run makes one call after another until nothing waits.
func (g *gatherer[T]) run() {
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		g.tell(batch)
	}
}

// take takes as much of what waits as fits into a call.
func (g *gatherer[T]) take() []settlement[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	count, size := 0, 0
	for ; count < min(len(g.waiting), batchJobs); count++ {
		size += g.waiting[count].size
		if size > batchBytes && count > 0 {
			break
		}
	}
	batch := g.waiting[:count:count]
	g.waiting = g.waiting[count:]
	if count == 0 {
		g.busy, g.waiting = false, nil
	}
	return batch
}

// tell tells the server, again and again while that may help.
func (g *gatherer[T]) tell(batch []settlement[T]) {
	for failures := 1; len(batch) > 0; failures++ {
		writes := make([]T, len(batch))
		for i, s := range batch {
			writes[i] = s.write
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		outcomes, err := g.call(ctx, writes)
		cancel()
		if err == nil && len(outcomes) == len(batch) {
			for i, s := range batch {
				s.told <- told{result: outcomes[i].Result}
			}
			return
		}
		if refusal(err) == connect.CodeInvalidArgument {
			// Nothing of the call was done. One bad result must not hold up the others: look for it by halves.
			if half := len(batch) / 2; half > 0 {
				g.tell(batch[:half])
				g.tell(batch[half:])
			} else {
				batch[0].told <- told{err: err}
			}
			return
		}
		time.Sleep(backoff(failures))
		batch = g.alive(batch, err)
	}
}

// alive returns the settlements whose lease still holds, and gives the others up.
func (g *gatherer[T]) alive(batch []settlement[T], err error) []settlement[T] {
	var alive []settlement[T]
	for _, s := range batch {
		if s.lease.left() > 0 {
			alive = append(alive, s)
		} else {
			s.told <- told{err: err}
		}
	}
	return alive
}

func newGatherers(client gotaskqv1connect.WorkerServiceClient) (
	*gatherer[*gotaskqv1.JobCompletion], *gatherer[*gotaskqv1.JobFailure], *gatherer[*gotaskqv1.JobRelease],
) {
	complete := func(ctx context.Context, batch []*gotaskqv1.JobCompletion) ([]*gotaskqv1.SettleOutcome, error) {
		response, err := client.CompleteJobs(ctx, connect.NewRequest(&gotaskqv1.CompleteJobsRequest{Completions: batch}))
		if err != nil {
			return nil, err
		}
		return response.Msg.Outcomes, nil
	}
	fail := func(ctx context.Context, batch []*gotaskqv1.JobFailure) ([]*gotaskqv1.SettleOutcome, error) {
		response, err := client.FailJobs(ctx, connect.NewRequest(&gotaskqv1.FailJobsRequest{Failures: batch}))
		if err != nil {
			return nil, err
		}
		return response.Msg.Outcomes, nil
	}
	release := func(ctx context.Context, batch []*gotaskqv1.JobRelease) ([]*gotaskqv1.SettleOutcome, error) {
		response, err := client.ReleaseJobs(ctx, connect.NewRequest(&gotaskqv1.ReleaseJobsRequest{Releases: batch}))
		if err != nil {
			return nil, err
		}
		return response.Msg.Outcomes, nil
	}
	return newGatherer(complete), newGatherer(fail), newGatherer(release)
}
