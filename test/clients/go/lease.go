package main

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
)

// lease is a job that this worker holds.
type lease struct {
	job    *gotaskqv1.Job
	token  string
	ctx    context.Context // of the handler
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	until    time.Time
	progress *gotaskqv1.Progress // not told yet
}

// leaseKey is where the context of a handler has its lease.
type leaseKey struct{}

// Progress tells with the next heartbeat how far the job of a handler's context is, 0 to 100.
func Progress(ctx context.Context, percent float64, message string) {
	if l, ok := ctx.Value(leaseKey{}).(*lease); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.progress = &gotaskqv1.Progress{Percent: percent, Message: message}
	}
}

func newLease(message *gotaskqv1.Lease) *lease {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &lease{
		job:    message.Job,
		token:  message.LeaseToken,
		cancel: cancel,
		until:  time.Now().Add(message.LeaseExpiresIn.AsDuration()),
	}
	l.ctx = context.WithValue(ctx, leaseKey{}, l)
	return l
}

// extension keeps the lease for so long, and tells the progress.
func (l *lease) extension(length time.Duration) *gotaskqv1.LeaseExtension {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &gotaskqv1.LeaseExtension{
		JobId: l.job.Id, LeaseToken: l.token, Extension: durationpb.New(length), Progress: l.progress,
	}
}

// extended takes note that the server has got an extension, and of the end of the lease.
func (l *lease) extended(told *gotaskqv1.LeaseExtension, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
	if l.progress == told.Progress {
		l.progress = nil
	}
}

// left is how long the lease still lasts.
func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}
