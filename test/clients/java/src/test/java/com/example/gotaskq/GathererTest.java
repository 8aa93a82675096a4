package com.example.gotaskq;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import gotaskq.v1.Job;
import gotaskq.v1.JobCompletion;
import gotaskq.v1.Lease;
import gotaskq.v1.SettleOutcome;
import gotaskq.v1.SettleResult;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.SynchronousQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** In each test a first call is under way, with the completion of one job. */
@Timeout(10)
class GathererTest {
  private static final StatusRuntimeException BAD = Status.INVALID_ARGUMENT.asRuntimeException();
  private static final StatusRuntimeException AWAY = Status.UNAVAILABLE.asRuntimeException();
  private static final int HOUR = 3600;

  private final SynchronousQueue<Integer> calls = new SynchronousQueue<>();
  private final SynchronousQueue<Optional<StatusRuntimeException>> answers = new SynchronousQueue<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Gatherer<JobCompletion> gatherer = new Gatherer<>(this::call, threads);
  private CompletableFuture<SettleResult> first;

  @BeforeEach
  void begin() throws InterruptedException {
    first = settle(1, HOUR);
    comes(1);
  }

  @AfterEach
  void end() {
    threads.shutdownNow();
  }

  /** Stands for a server: it says which calls come, and answers each when it is told to. */
  private List<SettleOutcome> call(List<JobCompletion> writes) {
    try {
      calls.put(writes.size());
      var error = answers.take();
      if (error.isPresent()) throw error.get();
    } catch (InterruptedException interrupted) {
      throw AWAY;
    }
    var applied = SettleOutcome.newBuilder().setResult(SettleResult.SETTLE_RESULT_APPLIED).build();
    return writes.stream().map(write -> applied).toList();
  }

  private CompletableFuture<SettleResult> settle(int bytes, int leftSeconds) {
    var left = Duration.newBuilder().setSeconds(leftSeconds);
    var attempt = new Attempt(Lease.newBuilder().setJob(Job.newBuilder()).setLeaseExpiresIn(left).build());
    var result = ByteString.copyFrom(new byte[bytes]);
    return gatherer.settle(attempt, JobCompletion.newBuilder().setResultBytes(result).build());
  }

  private List<CompletableFuture<SettleResult>> settle(int jobs) {
    var told = new ArrayList<CompletableFuture<SettleResult>>();
    for (int job = 0; job < jobs; job++) told.add(settle(1, HOUR));
    return told;
  }

  private void comes(int jobs) throws InterruptedException {
    assertEquals(jobs, calls.take());
  }

  private void answer() throws InterruptedException {
    answers.put(Optional.empty());
  }

  private void answer(StatusRuntimeException error) throws InterruptedException {
    answers.put(Optional.of(error));
  }

  private static void assertApplied(CompletableFuture<SettleResult> told) {
    assertEquals(SettleResult.SETTLE_RESULT_APPLIED, told.join());
  }

  private static void assertRefused(StatusRuntimeException error, CompletableFuture<SettleResult> told) {
    assertEquals(error, assertThrows(CompletionException.class, told::join).getCause());
  }

  @Test
  void whatComesWhileACallIsUnderWayGoesTogether() throws InterruptedException {
    var told = settle(10);
    answer();
    comes(10);
    answer();
    told.forEach(GathererTest::assertApplied);
    var alone = settle(1, HOUR);
    comes(1);
    answer();
    assertApplied(alone);
  }

  @Test
  void aCallIsBoundedInJobsAndBytes() throws InterruptedException {
    settle(Gatherer.BATCH_JOBS + 1);
    settle(3 << 20, HOUR);
    var last = settle(3 << 20, HOUR);
    for (int jobs : new int[] {Gatherer.BATCH_JOBS, 2, 1}) {
      answer();
      comes(jobs);
    }
    answer();
    assertApplied(last);
  }

  @Test
  void aRefusedJobDoesNotHoldUpTheOthers() throws InterruptedException {
    var told = settle(4);
    answer();
    comes(4);
    answer(BAD);
    comes(2);
    answer(BAD);
    comes(1);
    answer(BAD);
    comes(1);
    answer();
    comes(2);
    answer();
    assertRefused(BAD, told.get(0));
    assertApplied(first);
    told.subList(1, 4).forEach(GathererTest::assertApplied);
  }

  @Test
  void triesAgainUntilTheLeaseHasEnded() throws InterruptedException {
    var held = settle(1, HOUR);
    var lost = settle(1, 0);
    answer();
    comes(2);
    answer(AWAY);
    comes(1);
    answer();
    assertApplied(held);
    assertRefused(AWAY, lost);
  }
}
