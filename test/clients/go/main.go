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
	"encoding/json"
	"errors"
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
	"google.golang.org/genproto/googleapis/rpc/errdetails"

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
		log.Fatal(reason(err), ": ", err)
	}
}

// reason is why the server refused a call, as in FIELD_INVALID: a constant, in the details of the error.
func reason(err error) string {
	var refused *connect.Error
	if errors.As(err, &refused) {
		for _, detail := range refused.Details() {
			if value, err := detail.Value(); err == nil {
				if info, ok := value.(*errdetails.ErrorInfo); ok {
					return info.Reason
				}
			}
		}
	}
	return "error"
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
		request.PayloadKind = &gotaskqv1.CreateJobRequest_PayloadJson{PayloadJson: payload}
	}
	response, err := jobs.CreateJob(ctx, connect.NewRequest(request))
	if err != nil {
		return err
	}
	fmt.Println(response.Msg.Job.Id)
	return nil
}

func watch(ctx context.Context, jobs gotaskqv1connect.JobServiceClient, id string) error {
	stream, err := jobs.WatchJob(ctx, connect.NewRequest(&gotaskqv1.WatchJobRequest{
		Id: id, PayloadFormat: gotaskqv1.PayloadFormat_PAYLOAD_FORMAT_TEXT,
	}))
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
		if result := job.GetResultJson(); result != "" {
			fmt.Println(result)
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
			"echo": func(_ context.Context, job *gotaskqv1.Job) (any, error) {
				if job.GetPayloadJson() == "" {
					return nil, nil
				}
				return json.RawMessage(job.GetPayloadJson()), nil
			},
			// The payload says for how many ms.
			"sleep": func(ctx context.Context, job *gotaskqv1.Job) (any, error) {
				var ms float64
				if err := json.Unmarshal([]byte(job.GetPayloadJson()), &ms); err != nil {
					return nil, err
				}
				Progress(ctx, 50, "asleep")
				select {
				case <-time.After(time.Duration(ms * float64(time.Millisecond))):
					return "slept in Go", nil
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
