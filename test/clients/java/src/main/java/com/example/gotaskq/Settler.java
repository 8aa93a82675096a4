package com.example.gotaskq;

import gotaskq.v1.CompleteJobsRequest;
import gotaskq.v1.FailJobsRequest;
import gotaskq.v1.JobCompletion;
import gotaskq.v1.JobFailure;
import gotaskq.v1.JobRelease;
import gotaskq.v1.ReleaseJobsRequest;
import gotaskq.v1.SettleOutcome;
import gotaskq.v1.SettleResult;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Ends leases. Each answer comes when the server was told, or with the error why it was not. */
final class Settler {
  /** How long a call may take. */
  private static final long CALL_MILLIS = 10_000;

  private final Connection connection;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Gatherer<JobCompletion> completions = new Gatherer<>(this::complete, threads);
  private final Gatherer<JobFailure> failures = new Gatherer<>(this::fail, threads);
  private final Gatherer<JobRelease> releases = new Gatherer<>(this::release, threads);

  Settler(Connection connection) {
    this.connection = connection;
  }

  /** The job succeeded, with this result as JSON or null. A result that the server refuses is a failure. */
  CompletableFuture<SettleResult> complete(Attempt attempt, String result) {
    var write = JobCompletion.newBuilder().setJobId(attempt.id()).setLeaseToken(attempt.token());
    if (result != null) write.setResultJson(result);
    var completion = write.build();
    int size = completion.getSerializedSize();
    if (size > Gatherer.BATCH_BYTES) return fail(attempt, "the result is too large: " + size + " bytes");
    return completions
        .settle(attempt, completion)
        .exceptionallyCompose(
            error ->
                Status.fromThrowable(error).getCode() == Status.Code.INVALID_ARGUMENT
                    ? fail(attempt, "the result was refused: " + error.getMessage())
                    : CompletableFuture.failedFuture(error));
  }

  /** The job failed. For one whose cancel was asked for, this acknowledges it. */
  CompletableFuture<SettleResult> fail(Attempt attempt, String reason) {
    var write = JobFailure.newBuilder().setJobId(attempt.id()).setLeaseToken(attempt.token()).setError(reason);
    return failures.settle(attempt, write.build());
  }

  /** The job goes back to its old place. */
  CompletableFuture<SettleResult> release(Attempt attempt) {
    var write = JobRelease.newBuilder().setJobId(attempt.id()).setLeaseToken(attempt.token());
    return releases.settle(attempt, write.build());
  }

  /** Ends its threads when nothing is under way any more. */
  void close() {
    threads.shutdown();
  }

  private List<SettleOutcome> complete(List<JobCompletion> writes) {
    var request = CompleteJobsRequest.newBuilder().addAllCompletions(writes).build();
    return connection.within(CALL_MILLIS).completeJobs(request).getOutcomesList();
  }

  private List<SettleOutcome> fail(List<JobFailure> writes) {
    var request = FailJobsRequest.newBuilder().addAllFailures(writes).build();
    return connection.within(CALL_MILLIS).failJobs(request).getOutcomesList();
  }

  private List<SettleOutcome> release(List<JobRelease> writes) {
    var request = ReleaseJobsRequest.newBuilder().addAllReleases(writes).build();
    return connection.within(CALL_MILLIS).releaseJobs(request).getOutcomesList();
  }
}
