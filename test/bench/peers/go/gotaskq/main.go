// A client of GoTaskQ in Go under the loads of the bench: gRPC over one connection, to the server at GOTASKQ_URL.
package main

import (
	"context"
	"net/http"
	"os"

	"connectrpc.com/connect"

	"example.com/gotaskq-bench/drive"
	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
	"example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
)

func main() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	plain := &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	url := os.Getenv("GOTASKQ_URL")
	jobs := gotaskqv1connect.NewJobServiceClient(plain, url, connect.WithGRPC())
	queues := gotaskqv1connect.NewQueueServiceClient(plain, url, connect.WithGRPC())
	// The type that the example worker runs.
	request := &gotaskqv1.CreateJobRequest{
		Type: "echo", PayloadKind: &gotaskqv1.CreateJobRequest_PayloadJson{PayloadJson: string(drive.Payload)},
	}
	batch := make([]*gotaskqv1.CreateJobRequest, drive.BatchSize)
	for i := range batch {
		batch[i] = request
	}
	ctx := context.Background()
	drive.Client{
		Create: func() error {
			_, err := jobs.CreateJob(ctx, connect.NewRequest(request))
			return err
		},
		Batch: func() error {
			_, err := jobs.BatchCreateJobs(ctx, connect.NewRequest(&gotaskqv1.BatchCreateJobsRequest{Requests: batch}))
			return err
		},
		Pause: func() error {
			_, err := queues.PauseQueue(ctx, connect.NewRequest(&gotaskqv1.PauseQueueRequest{Name: "default"}))
			return err
		},
		Resume: func() error {
			_, err := queues.ResumeQueue(ctx, connect.NewRequest(&gotaskqv1.ResumeQueueRequest{Name: "default"}))
			return err
		},
	}.Run()
}
