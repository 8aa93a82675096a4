// asynq under the loads of the bench, with its defaults: `client` or `worker`, on the Redis at REDIS_ADDRESS.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	"github.com/hibiken/asynq"

	"example.com/gotaskq-bench/drive"
)

func main() {
	redis := asynq.RedisClientOpt{Addr: os.Getenv("REDIS_ADDRESS")}
	if os.Args[1] == "worker" {
		work(redis)
		return
	}
	client := asynq.NewClient(redis)
	inspector := asynq.NewInspector(redis)
	drive.Client{
		Create: func() error {
			_, err := client.Enqueue(asynq.NewTask("noop", drive.Payload))
			return err
		},
		Pause:  func() error { return inspector.PauseQueue("default") },
		Resume: func() error { return inspector.UnpauseQueue("default") },
	}.Run()
}

func work(redis asynq.RedisClientOpt) {
	concurrency, err := strconv.Atoi(os.Getenv("CONCURRENCY"))
	if err != nil {
		log.Fatal(err)
	}
	var counter drive.Counter
	mux := asynq.NewServeMux()
	mux.HandleFunc("noop", func(context.Context, *asynq.Task) error {
		counter.Ran()
		return nil
	})
	server := asynq.NewServer(redis, asynq.Config{Concurrency: concurrency, LogLevel: asynq.ErrorLevel})
	if err := server.Start(mux); err != nil {
		log.Fatal(err)
	}
	counter.Run()
}
