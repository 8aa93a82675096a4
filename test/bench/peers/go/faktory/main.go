// Faktory under the loads of the bench, with its defaults: `client` or `worker`, of the server at FAKTORY_URL.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	faktory "github.com/contribsys/faktory/client"
	worker "github.com/contribsys/faktory_worker_go"

	"example.com/gotaskq-bench/drive"
)

func main() {
	if os.Args[1] == "worker" {
		work()
		return
	}
	pool, err := faktory.NewPool(64)
	if err != nil {
		log.Fatal(err)
	}
	// A string, as that is what a job of 100 bytes costs least with.
	argument := string(drive.Payload)
	drive.Client{
		Create: func() error {
			return pool.With(func(c *faktory.Client) error { return c.Push(faktory.NewJob("noop", argument)) })
		},
		Batch: func() error {
			jobs := make([]*faktory.Job, drive.BatchSize)
			for i := range jobs {
				jobs[i] = faktory.NewJob("noop", argument)
			}
			return pool.With(func(c *faktory.Client) error {
				_, err := c.PushBulk(jobs)
				return err
			})
		},
		Pause:  func() error { return pool.With(func(c *faktory.Client) error { return c.PauseQueues("default") }) },
		Resume: func() error { return pool.With(func(c *faktory.Client) error { return c.ResumeQueues("default") }) },
	}.Run()
}

func work() {
	concurrency, err := strconv.Atoi(os.Getenv("CONCURRENCY"))
	if err != nil {
		log.Fatal(err)
	}
	var counter drive.Counter
	manager := worker.NewManager()
	manager.Concurrency = concurrency
	manager.ProcessStrictPriorityQueues("default")
	manager.Register("noop", func(context.Context, ...interface{}) error {
		counter.Ran()
		return nil
	})
	go func() { log.Fatal(manager.Run()) }()
	counter.Run()
}
