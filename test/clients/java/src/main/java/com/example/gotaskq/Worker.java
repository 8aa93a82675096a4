package com.example.gotaskq;

import com.google.protobuf.Duration;
import gotaskq.v1.ExtendLeasesRequest;
import gotaskq.v1.PayloadFormat;
import gotaskq.v1.SettleResult;
import gotaskq.v1.StreamJobsRequest;
import gotaskq.v1.StreamJobsResponse;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Runs jobs of the types it has handlers for, each in a thread. */
public final class Worker {
  /**
   * What a worker does.
   *
   * @param name who it is, for people: host and process
   * @param queues only jobs of these; empty: of every queue
   * @param concurrency how many jobs run at the same time
   * @param prefetch how many more are taken ahead, for short ones; at most 1000 with concurrency
   * @param leaseMillis how long a lease lasts unless it is extended, which a third of it does
   * @param graceMillis how long running jobs may finish after stop()
   * @param handlers by type of job
   */
  public record Options(
      String name,
      List<String> queues,
      int concurrency,
      int prefetch,
      long leaseMillis,
      long graceMillis,
      Map<String, Handler> handlers) {}

  /** How long a stream may say nothing: the server sends a heartbeat every 15 s. */
  private static final long SILENCE_MILLIS = 40_000;

  /** Refusals that do not pass by themselves. */
  private static final Set<Status.Code> FOR_GOOD =
      Set.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.NOT_FOUND,
          Status.Code.UNAUTHENTICATED,
          Status.Code.PERMISSION_DENIED);

  private static final String CANCELED = "the job was cancelled";
  private static final String TIMEOUT = "the job took longer than its timeout";
  private static final String LOST = "the lease was lost";
  private static final String SHUTDOWN = "the worker shuts down";

  private final Options options;
  private final Duration lease;
  private final Connection connection;
  private final Settler settler;
  private final ExecutorService slots;
  private final ScheduledExecutorService timers = Executors.newScheduledThreadPool(2);

  private final CountDownLatch stopping = new CountDownLatch(1);
  private final Context.CancellableContext streams = Context.ROOT.withCancellation();
  private volatile boolean opened; // whether the last stream has come about
  private volatile long heard; // System.nanoTime() of its last message
  private final Set<Attempt> held = new HashSet<>(); // what runs, waits for a slot, or is being settled

  /** A worker that makes its calls over this channel. */
  public Worker(ManagedChannel channel, Options options) {
    this.options = options;
    lease = Durations.ofMillis(options.leaseMillis);
    connection = new Connection(channel);
    settler = new Settler(connection);
    slots = Executors.newFixedThreadPool(options.concurrency);
  }

  /**
   * Takes and runs jobs until {@link #stop}, then lets running jobs finish and gives back those that have not begun. Broken
   * streams are opened again; jobs of the old stream go on beside those of the new one.
   */
  public void run() throws InterruptedException {
    long beat = options.leaseMillis / 3;
    timers.scheduleWithFixedDelay(this::extend, beat, beat, TimeUnit.MILLISECONDS);
    try {
      for (int failed = 1; stopping.getCount() > 0; failed++) {
        opened = false;
        try {
          stream();
        } catch (StatusRuntimeException error) {
          if (FOR_GOOD.contains(error.getStatus().getCode())) throw error;
          if (stopping.getCount() > 0) log("stream ended: " + error.getMessage());
        }
        // Only an extension tells the server that we are still there: it would give our jobs to others.
        extend();
        if (opened) failed = 1;
        stopping.await(Backoff.millis(failed), TimeUnit.MILLISECONDS);
      }
    } finally {
      finish();
    }
    log("stopped");
  }

  /** Takes no more jobs. */
  public void stop() {
    stopping.countDown();
    streams.cancel(null);
  }

  /** Takes jobs from one stream until it ends. */
  private void stream() {
    var request =
        StreamJobsRequest.newBuilder()
            .setWorker(options.name)
            .addAllQueues(options.queues)
            .addAllTypes(options.handlers.keySet())
            // The server sends so many jobs, and one more for each that is settled.
            .setMaxInFlight(options.concurrency + options.prefetch)
            .setLease(lease)
            // As it was sent, to the letter: nothing is lost of large integers.
            .setPayloadFormat(PayloadFormat.PAYLOAD_FORMAT_TEXT)
            .build();
    heard = System.nanoTime();
    var call = streams.withCancellation();
    var watchdog = timers.scheduleWithFixedDelay(() -> endIfSilent(call), 1, 1, TimeUnit.SECONDS);
    try {
      call.run(() -> connection.open().streamJobs(request).forEachRemaining(this::handle));
    } finally {
      watchdog.cancel(false);
      call.cancel(null);
    }
  }

  /** Ends a stream that says nothing for too long: the connection is dead. */
  private void endIfSilent(Context.CancellableContext call) {
    if (System.nanoTime() - heard > TimeUnit.MILLISECONDS.toNanos(SILENCE_MILLIS)) call.cancel(null);
  }

  private void handle(StreamJobsResponse message) {
    heard = System.nanoTime();
    switch (message.getEventCase()) {
      case SESSION -> {
        opened = true;
        log("ready");
      }
      case LEASE -> {
        var attempt = new Attempt(message.getLease());
        synchronized (held) {
          held.add(attempt);
        }
        slots.execute(() -> attempt(attempt));
      }
      case CANCEL -> {
        for (var attempt : held()) {
          if (attempt.id().equals(message.getCancel().getJobId())) end(attempt, CANCELED);
        }
      }
      // Nothing more is leased here. Our jobs go on; the stream ends after them, or when the server closes, and then
      // another one is for another server, or this one when it is back.
      case DRAIN -> log("drain");
      default -> {}
    }
  }

  /** Runs the handler of a job, unless it was ended before that. */
  private void attempt(Attempt attempt) {
    if (!attempt.begin()) return;
    var job = attempt.job();
    log("running " + attempt.id());
    Future<?> timer = null;
    if (job.hasTimeout()) {
      long millis = Durations.toMillis(job.getTimeout());
      timer = timers.schedule(() -> end(attempt, TIMEOUT), millis, TimeUnit.MILLISECONDS);
    }
    String result = null;
    Throwable error = null;
    try {
      result = options.handlers.get(job.getType()).run(attempt);
    } catch (Throwable thrown) { // whatever a handler throws is the failure of its job
      error = thrown;
    } finally {
      attempt.returned();
      if (timer != null) timer.cancel(false);
    }
    if (error == null) completed(attempt, result);
    else if (attempt.reason() != null) failed(attempt, attempt.reason());
    else failed(attempt, error.getMessage() != null ? error.getMessage() : error.getClass().getSimpleName());
  }

  /** Has an attempt end before its handler is done. */
  private void end(Attempt attempt, String reason) {
    if (attempt.end(reason)) failed(attempt, reason);
  }

  private void completed(Attempt attempt, String result) {
    settler.complete(attempt, result).whenComplete((outcome, error) -> settled(attempt, outcome, error));
  }

  private void failed(Attempt attempt, String reason) {
    var told = SHUTDOWN.equals(attempt.reason()) ? settler.release(attempt) : settler.fail(attempt, reason);
    told.whenComplete((outcome, error) -> settled(attempt, outcome, error));
  }

  private void settled(Attempt attempt, SettleResult outcome, Throwable error) {
    if (error != null) log("lost " + attempt.id() + ": " + error.getMessage());
    else log("settled " + attempt.id() + " " + outcome);
    synchronized (held) {
      held.remove(attempt);
      held.notifyAll();
    }
  }

  private List<Attempt> held() {
    synchronized (held) {
      return List.copyOf(held);
    }
  }

  /** Keeps all leases, tells progress, and learns of cancels and lost leases. */
  private void extend() {
    var attempts = held();
    try {
      // There may be more than fit in a call: those of a stream that broke off, and those of the next.
      for (int from = 0; from < attempts.size(); from += Gatherer.BATCH_JOBS) {
        extend(attempts.subList(from, Math.min(from + Gatherer.BATCH_JOBS, attempts.size())));
      }
    } catch (RuntimeException error) {
      log("leases were not extended: " + error.getMessage()); // the next beat tries again
    }
  }

  private void extend(List<Attempt> batch) {
    var extensions = batch.stream().map(attempt -> attempt.extension(lease)).toList();
    var request = ExtendLeasesRequest.newBuilder().addAllExtensions(extensions).build();
    long sent = System.nanoTime();
    var outcomes = connection.within(options.leaseMillis / 3).extendLeases(request).getOutcomesList();
    for (int at = 0; at < outcomes.size(); at++) {
      var attempt = batch.get(at);
      attempt.told(extensions.get(at));
      attempt.extended(sent, outcomes.get(at).getLeaseExpiresIn());
      switch (outcomes.get(at).getResult()) {
        case EXTEND_RESULT_CANCEL_REQUESTED -> end(attempt, CANCELED);
        case EXTEND_RESULT_LEASE_LOST -> end(attempt, LOST);
        default -> {}
      }
    }
  }

  private void finish() throws InterruptedException {
    for (var attempt : held()) {
      if (attempt.endUnlessBegun(SHUTDOWN)) failed(attempt, SHUTDOWN);
    }
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.graceMillis);
    synchronized (held) {
      for (long left; !held.isEmpty() && (left = deadline - System.nanoTime()) > 0; ) {
        TimeUnit.NANOSECONDS.timedWait(held, left);
      }
    }
    for (var attempt : held()) end(attempt, SHUTDOWN);
    synchronized (held) {
      while (!held.isEmpty()) held.wait();
    }
    slots.shutdown();
    settler.close();
    timers.shutdownNow();
  }

  private static void log(String line) {
    System.err.println(line);
  }
}
