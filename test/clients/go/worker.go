package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
	"example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
)

// Handler runs one job, whose payload is JSON as text (job.GetPayloadJson()), and returns a result for encoding/json; nil is
// none. Its context ends when the job is cancelled, its timeout has passed, the lease is lost, or the
// worker shuts down; context.Cause tells which. A job runs at least once: make it safe to repeat.
type Handler func(ctx context.Context, job *gotaskqv1.Job) (any, error)

// Why the context of a handler ended.
var (
	errCanceled = errors.New("the job was cancelled")
	errTimeout  = errors.New("the job took longer than its timeout")
	errLost     = errors.New("the lease was lost")
	errShutdown = errors.New("the worker shuts down")
)

// silence is how long a stream may say nothing: the server sends a heartbeat every 15 s.
const silence = 40 * time.Second

// Worker runs jobs of the types it has handlers for.
type Worker struct {
	Client      gotaskqv1connect.WorkerServiceClient
	Name        string
	Queues      []string // empty: every queue
	Concurrency int      // how many jobs run at the same time
	Prefetch    int      // how many more are taken ahead, for short ones; at most 1000 with Concurrency
	Lease       time.Duration
	Grace       time.Duration // how long running jobs may finish after the context of Run has ended
	Handlers    map[string]Handler

	completions *gatherer[*gotaskqv1.JobCompletion]
	failures    *gatherer[*gotaskqv1.JobFailure]
	releases    *gatherer[*gotaskqv1.JobRelease]

	slots   chan struct{} // holds one value for each job that runs
	closing chan struct{} // closed when no more jobs are taken: those that have not begun never will
	wg      sync.WaitGroup

	mu   sync.Mutex
	held map[string]*lease // by job: what runs, waits for a slot, or is being settled
}

// Run takes and runs jobs until ctx ends, then lets running jobs finish and gives back those that have not begun. Broken
// streams are opened again; jobs of the old stream go on beside those of the new one.
func (w *Worker) Run(ctx context.Context) error {
	w.completions, w.failures, w.releases = newGatherers(w.Client)
	w.slots = make(chan struct{}, w.Concurrency)
	w.closing = make(chan struct{})
	w.held = make(map[string]*lease)
	beating, stopBeating := context.WithCancel(context.Background())
	defer stopBeating()
	go w.heartbeat(beating)

	for failures := 0; ctx.Err() == nil; {
		opened, err := w.stream(ctx)
		// Only an extension tells the server that we are still there: it would give our jobs to others.
		w.extend(beating)
		switch refusal(err) {
		case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeUnauthenticated, connect.CodePermissionDenied:
			return err
		}
		if opened {
			failures = 0
		}
		failures++
		if ctx.Err() == nil {
			log.Printf("stream ended: %v", err)
			sleep(ctx, backoff(failures))
		}
	}

	// After the stream has ended: what is given back would come again on it.
	close(w.closing)
	finished := make(chan struct{})
	go func() { w.wg.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(w.Grace):
		for _, l := range w.leases() {
			l.cancel(errShutdown)
		}
		<-finished
	}
	log.Print("stopped")
	return nil
}

// stream takes jobs from one stream until it ends.
func (w *Worker) stream(ctx context.Context) (opened bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()

	types := make([]string, 0, len(w.Handlers))
	for jobType := range w.Handlers {
		types = append(types, jobType)
	}
	stream, err := w.Client.StreamJobs(ctx, connect.NewRequest(&gotaskqv1.StreamJobsRequest{
		Worker: w.Name,
		Queues: w.Queues,
		Types:  types,
		// The server sends so many jobs, and one more for each that is settled.
		MaxInFlight: int32(w.Concurrency + w.Prefetch),
		Lease:       durationpb.New(w.Lease),
		// As it was sent, to the letter: nothing is lost of large integers.
		PayloadFormat: gotaskqv1.PayloadFormat_PAYLOAD_FORMAT_TEXT,
	}))
	if err != nil {
		return false, err
	}
	defer stream.Close()
	for stream.Receive() {
		watchdog.Reset(silence)
		switch event := stream.Msg().Event.(type) {
		case *gotaskqv1.StreamJobsResponse_Session:
			opened = true
			log.Print("ready")
		case *gotaskqv1.StreamJobsResponse_Lease:
			w.start(newLease(event.Lease))
		case *gotaskqv1.StreamJobsResponse_Cancel:
			w.stop(event.Cancel.JobId, errCanceled)
		case *gotaskqv1.StreamJobsResponse_Drain:
			// Nothing more is leased here. Our jobs go on; the stream ends after them, or when the server closes, and
			// then another one is for another server, or this one when it is back.
			log.Print("drain")
		}
	}
	return opened, stream.Err()
}

func (w *Worker) start(l *lease) {
	w.mu.Lock()
	w.held[l.job.Id] = l
	w.mu.Unlock()
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		defer l.cancel(nil)
		result, err := w.run(l)
		outcome, settleErr := w.settle(l, result, err)
		w.mu.Lock()
		if w.held[l.job.Id] == l {
			delete(w.held, l.job.Id)
		}
		w.mu.Unlock()
		if settleErr != nil {
			log.Printf("lost %s: %v", l.job.Id, settleErr)
			return
		}
		log.Printf("settled %s %s", l.job.Id, outcome)
	}()
}

// run waits for a slot and runs the handler in it, unless the job ends before that.
func (w *Worker) run(l *lease) (any, error) {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	case <-w.closing:
		l.cancel(errShutdown)
		return nil, errShutdown
	}
	if timeout := l.job.Timeout.AsDuration(); timeout > 0 {
		timer := time.AfterFunc(timeout, func() { l.cancel(errTimeout) })
		defer timer.Stop()
	}
	log.Printf("running %s", l.job.Id)
	return w.Handlers[l.job.Type](l.ctx, l.job)
}

// settle tells the server how a job ended.
func (w *Worker) settle(l *lease, result any, err error) (gotaskqv1.SettleResult, error) {
	id, token := l.job.Id, l.token
	completion := &gotaskqv1.JobCompletion{JobId: id, LeaseToken: token}
	if err == nil && result != nil {
		var text []byte
		if text, err = json.Marshal(result); err != nil {
			err = fmt.Errorf("the result has no JSON: %w", err)
		}
		completion.ResultKind = &gotaskqv1.JobCompletion_ResultJson{ResultJson: string(text)}
	}
	if err == nil {
		if size := proto.Size(completion); size > batchBytes {
			err = fmt.Errorf("the result is too large: %d bytes", size)
		} else {
			outcome, refused := w.completions.settle(l, completion)
			if refusal(refused) != connect.CodeInvalidArgument {
				return outcome, refused
			}
			err = fmt.Errorf("the result was refused: %w", refused)
		}
	}
	if errors.Is(context.Cause(l.ctx), errShutdown) {
		return w.releases.settle(l, &gotaskqv1.JobRelease{JobId: id, LeaseToken: token})
	}
	// For a job whose cancel was asked for, this acknowledges it.
	return w.failures.settle(l, &gotaskqv1.JobFailure{JobId: id, LeaseToken: token, Error: err.Error()})
}

func (w *Worker) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(w.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.extend(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// extend keeps all leases, tells progress, and learns of cancels and lost ones.
func (w *Worker) extend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.Lease/3)
	defer cancel()
	// There may be more than fit in a call: those of a stream that broke off, and those of the next.
	for held := w.leases(); len(held) > 0; {
		batch := held[:min(len(held), batchJobs)]
		held = held[len(batch):]
		extensions := make([]*gotaskqv1.LeaseExtension, len(batch))
		for i, l := range batch {
			extensions[i] = l.extension(w.Lease)
		}
		sent := time.Now()
		response, err := w.Client.ExtendLeases(ctx, connect.NewRequest(&gotaskqv1.ExtendLeasesRequest{Extensions: extensions}))
		if err != nil {
			log.Printf("leases were not extended: %v", err)
			return // the next tick tries again
		}
		for i, outcome := range response.Msg.Outcomes {
			batch[i].extended(extensions[i], sent.Add(outcome.LeaseExpiresIn.AsDuration()))
			switch outcome.Result {
			case gotaskqv1.ExtendResult_EXTEND_RESULT_CANCEL_REQUESTED:
				batch[i].cancel(errCanceled)
			case gotaskqv1.ExtendResult_EXTEND_RESULT_LEASE_LOST:
				batch[i].cancel(errLost)
			}
		}
	}
}

func (w *Worker) leases() []*lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	leases := make([]*lease, 0, len(w.held))
	for _, l := range w.held {
		leases = append(leases, l)
	}
	return leases
}

func (w *Worker) stop(jobID string, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.held[jobID]; l != nil {
		l.cancel(cause)
	}
}

// refusal is the code that the server answered. It is unavailable for an error of the client's own: that calls a stream
// that breaks off with the server invalid_argument too.
func refusal(err error) connect.Code {
	if err != nil && !connect.IsWireError(err) {
		return connect.CodeUnavailable
	}
	return connect.CodeOf(err)
}

// backoff doubles from 100 ms to 5 s, half of it random, so that workers do not come back all at once.
func backoff(failures int) time.Duration {
	longest := min(5*time.Second, 100*time.Millisecond<<min(failures-1, 6))
	return longest/2 + time.Duration(rand.Int63n(int64(longest/2)))
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
