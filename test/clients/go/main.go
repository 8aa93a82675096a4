// A client and a worker of GoTaskQ in Go.
//
//	gotaskq submit TYPE [JSON]   creates a job and prints its id
//	gotaskq watch ID             prints each status of a job, and its result at the end
//	gotaskq worker               runs jobs until SIGTERM
//
// The server is at GOTASKQ_URL.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	gotaskqv1 "example.com/gotaskq-client/gen/gotaskq/v1"
	"example.com/gotaskq-client/gen/gotaskq/v1/gotaskqv1connect"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	url := os.Getenv("GOTASKQ_URL")
	if url == "" {
		url = "http://127.0.0.1:8000"
	}
	if err := run(ctx, url, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string, args []string) error {
	jobs := gotaskqv1connect.NewJobServiceClient(http.DefaultClient, url)
	switch {
	case len(args) >= 2 && args[0] == "submit":
		return submit(ctx, jobs, args[1], strings.Join(args[2:], " "))
	case len(args) == 2 && args[0] == "watch":
		return watch(ctx, jobs, args[1])
	case len(args) >= 1 && args[0] == "worker":
		return work(ctx, url, args[1:])
	}
	return fmt.Errorf("usage: gotaskq submit TYPE [JSON] | watch ID | worker")
}

func submit(ctx context.Context, jobs gotaskqv1connect.JobServiceClient, jobType, payload string) error {
	request := &gotaskqv1.CreateJobRequest{Type: jobType}
	if payload != "" {
		value := new(structpb.Value)
		if err := protojson.Unmarshal([]byte(payload), value); err != nil {
			return fmt.Errorf("the payload is no JSON: %w", err)
		}
		request.PayloadKind = &gotaskqv1.CreateJobRequest_Payload{Payload: value}
	}
	response, err := jobs.CreateJob(ctx, connect.NewRequest(request))
	if err != nil {
		return err
	}
	fmt.Println(response.Msg.Job.Id)
	return nil
}

func watch(ctx context.Context, jobs gotaskqv1connect.JobServiceClient, id string) error {
	stream, err := jobs.WatchJob(ctx, connect.NewRequest(&gotaskqv1.WatchJobRequest{Id: id}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		job := stream.Msg().GetJob()
		if job == nil {
			continue // a heartbeat
		}
		fmt.Println(strings.TrimPrefix(job.Status.String(), "JOB_STATUS_"))
		if result := job.GetResult(); result != nil {
			text, err := protojson.Marshal(result)
			if err != nil {
				return err
			}
			fmt.Println(string(text))
		}
	}
	return stream.Err()
}

func work(ctx context.Context, url string, args []string) error {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	concurrency := flags.Int("concurrency", 10, "jobs at the same time")
	prefetch := flags.Int("prefetch", 0, "jobs taken ahead")
	lease := flags.Float64("lease", 30, "length of a lease in seconds")
	queue := flags.String("queue", "", "only jobs of this queue")
	if err := flags.Parse(args); err != nil {
		return err
	}
	host, _ := os.Hostname()
	worker := &Worker{
		Client:      gotaskqv1connect.NewWorkerServiceClient(http.DefaultClient, url),
		Name:        fmt.Sprintf("%s/%d", host, os.Getpid()),
		Concurrency: *concurrency,
		Prefetch:    *prefetch,
		Lease:       time.Duration(*lease * float64(time.Second)),
		Grace:       10 * time.Second,
		Handlers: map[string]Handler{
			"echo": func(_ context.Context, job *gotaskqv1.Job) (*structpb.Value, error) {
				return job.GetPayload(), nil
			},
			// The payload says for how many ms.
			"sleep": func(ctx context.Context, job *gotaskqv1.Job) (*structpb.Value, error) {
				select {
				case <-time.After(time.Duration(job.GetPayload().GetNumberValue()) * time.Millisecond):
					return structpb.NewStringValue("slept in Go"), nil
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			},
		},
	}
	if *queue != "" {
		worker.Queues = []string{*queue}
	}
	return worker.Run(ctx)
}
