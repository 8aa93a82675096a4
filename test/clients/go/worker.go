package main

import (
	"context"
	"errors"
	"log"
	"math/rand"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
	"example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
)

// Handler runs one job. Its context ends when the job is cancelled, its timeout has passed, the lease is lost, or the
// worker shuts down; context.Cause tells which. A job runs at least once: make it safe to repeat.
type Handler func(ctx context.Context, job *gotaskqv1.Job) (*structpb.Value, error)

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
	Concurrency int
	Lease       time.Duration
	Grace       time.Duration // how long running jobs may finish after the context of Run has ended
	Handlers    map[string]Handler

	mu      sync.Mutex
	running map[string]*lease // by job
	wg      sync.WaitGroup
}

// lease is a job that runs.
type lease struct {
	job    *gotaskqv1.Job
	token  string
	cancel context.CancelCauseFunc
	until  time.Time // guarded by Worker.mu
}

// Run takes and runs jobs until ctx ends, then lets running jobs finish. Broken streams are opened again; jobs of the
// old stream go on beside those of the new one.
func (w *Worker) Run(ctx context.Context) error {
	w.running = make(map[string]*lease)
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

	finished := make(chan struct{})
	go func() { w.wg.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(w.Grace):
		w.mu.Lock()
		for _, l := range w.running {
			l.cancel(errShutdown)
		}
		w.mu.Unlock()
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
		Worker:      w.Name,
		Queues:      w.Queues,
		Types:       types,
		MaxInFlight: int32(w.Concurrency),
		Lease:       durationpb.New(w.Lease),
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
			w.start(event.Lease)
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

func (w *Worker) start(message *gotaskqv1.Lease) {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &lease{
		job:    message.Job,
		token:  message.LeaseToken,
		cancel: cancel,
		until:  time.Now().Add(message.LeaseExpiresIn.AsDuration()),
	}
	w.mu.Lock()
	w.running[l.job.Id] = l
	w.mu.Unlock()
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		w.run(ctx, l)
	}()
}

func (w *Worker) run(ctx context.Context, l *lease) {
	defer l.cancel(nil)
	if timeout := l.job.Timeout.AsDuration(); timeout > 0 {
		timer := time.AfterFunc(timeout, func() { l.cancel(errTimeout) })
		defer timer.Stop()
	}
	log.Printf("running %s", l.job.Id)
	result, err := w.Handlers[l.job.Type](ctx, l.job)
	outcome, settleErr := w.settle(l, context.Cause(ctx), result, err)
	w.mu.Lock()
	if w.running[l.job.Id] == l {
		delete(w.running, l.job.Id)
	}
	w.mu.Unlock()
	if settleErr != nil {
		log.Printf("lost %s: %v", l.job.Id, settleErr)
		return
	}
	log.Printf("settled %s %s", l.job.Id, outcome)
}

// settle tells the server how a job ended, again and again until the lease has ended: a repeat is harmless.
func (w *Worker) settle(l *lease, cause error, result *structpb.Value, err error) (gotaskqv1.SettleResult, error) {
	for failures := 1; ; failures++ {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		outcomes, callErr := w.tell(ctx, l, cause, result, err)
		cancel()
		if callErr == nil && len(outcomes) == 1 {
			return outcomes[0].Result, nil
		}
		w.mu.Lock()
		left := time.Until(l.until)
		w.mu.Unlock()
		if left <= 0 || refusal(callErr) == connect.CodeInvalidArgument {
			return 0, callErr
		}
		time.Sleep(backoff(failures))
	}
}

// tell makes one call. Up to 1000 jobs fit into it: a worker with many short jobs would gather them.
func (w *Worker) tell(ctx context.Context, l *lease, cause error, result *structpb.Value, err error) ([]*gotaskqv1.SettleOutcome, error) {
	id, token := l.job.Id, l.token
	switch {
	case errors.Is(cause, errShutdown) && err != nil:
		response, err := w.Client.ReleaseJobs(ctx, connect.NewRequest(&gotaskqv1.ReleaseJobsRequest{
			Releases: []*gotaskqv1.JobRelease{{JobId: id, LeaseToken: token}},
		}))
		if err != nil {
			return nil, err
		}
		return response.Msg.Outcomes, nil
	case err != nil:
		// For a job whose cancel was asked for, this acknowledges it.
		response, err := w.Client.FailJobs(ctx, connect.NewRequest(&gotaskqv1.FailJobsRequest{
			Failures: []*gotaskqv1.JobFailure{{JobId: id, LeaseToken: token, Error: err.Error()}},
		}))
		if err != nil {
			return nil, err
		}
		return response.Msg.Outcomes, nil
	}
	completion := &gotaskqv1.JobCompletion{JobId: id, LeaseToken: token}
	if result != nil {
		completion.ResultKind = &gotaskqv1.JobCompletion_Result{Result: result}
	}
	response, err := w.Client.CompleteJobs(ctx, connect.NewRequest(&gotaskqv1.CompleteJobsRequest{
		Completions: []*gotaskqv1.JobCompletion{completion},
	}))
	if err != nil {
		return nil, err
	}
	return response.Msg.Outcomes, nil
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

// extend keeps the leases of all jobs, and learns of cancels and lost leases.
func (w *Worker) extend(ctx context.Context) {
	w.mu.Lock()
	held := make([]*lease, 0, len(w.running))
	for _, l := range w.running {
		held = append(held, l)
	}
	w.mu.Unlock()
	if len(held) == 0 {
		return
	}
	extensions := make([]*gotaskqv1.LeaseExtension, len(held))
	for i, l := range held {
		extensions[i] = &gotaskqv1.LeaseExtension{
			JobId: l.job.Id, LeaseToken: l.token, Extension: durationpb.New(w.Lease),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, w.Lease/3)
	defer cancel()
	sent := time.Now()
	response, err := w.Client.ExtendLeases(ctx, connect.NewRequest(&gotaskqv1.ExtendLeasesRequest{Extensions: extensions}))
	if err != nil {
		log.Printf("leases were not extended: %v", err)
		return // the next tick tries again
	}
	for i, outcome := range response.Msg.Outcomes {
		w.mu.Lock()
		held[i].until = sent.Add(outcome.LeaseExpiresIn.AsDuration())
		w.mu.Unlock()
		switch outcome.Result {
		case gotaskqv1.ExtendResult_EXTEND_RESULT_CANCEL_REQUESTED:
			held[i].cancel(errCanceled)
		case gotaskqv1.ExtendResult_EXTEND_RESULT_LEASE_LOST:
			held[i].cancel(errLost)
		}
	}
}

func (w *Worker) stop(jobID string, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.running[jobID]; l != nil {
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
