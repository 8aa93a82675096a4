package main

import (
	"context"
	"sync"
	"time"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
)

// lease is a job that this worker holds.
type lease struct {
	job    *gotaskqv1.Job
	token  string
	ctx    context.Context // of the handler
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	until time.Time
}

func newLease(message *gotaskqv1.Lease) *lease {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &lease{
		job:    message.Job,
		token:  message.LeaseToken,
		ctx:    ctx,
		cancel: cancel,
		until:  time.Now().Add(message.LeaseExpiresIn.AsDuration()),
	}
}

func (l *lease) extend(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
}

// left is how long the lease still lasts.
func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}
