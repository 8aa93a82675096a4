package com.example.gotaskq;

import com.google.protobuf.MessageLite;
import gotaskq.v1.SettleOutcome;
import gotaskq.v1.SettleResult;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;

/**
 * Tells the server how jobs ended. What comes while a call is under way goes together in the next one: an outcome alone is
 * told at once, and a thousand of them cost hardly more than one. {@code T} says how a job ended, as in JobCompletion.
 */
final class Gatherer<T extends MessageLite> {
  /** Bounds of one call: the server takes up to 1000 jobs, and messages of up to 4 MiB. */
  static final int BATCH_JOBS = 1000;

  static final int BATCH_BYTES = (4 << 20) - (64 << 10);

  /** Makes one call, which answers an outcome for each. */
  interface Call<T> {
    List<SettleOutcome> settle(List<T> writes) throws StatusRuntimeException;
  }

  private record Settlement<T>(Attempt attempt, T write, CompletableFuture<SettleResult> told) {}

  private final Call<T> call;
  private final ExecutorService executor;
  private final ArrayDeque<Settlement<T>> waiting = new ArrayDeque<>();
  private boolean busy; // whether a call is under way

  Gatherer(Call<T> call, ExecutorService executor) {
    this.call = call;
    this.executor = executor;
  }

  /**
   * Tells how one job ended, again and again until its lease has ended: a repeat is harmless. What the server answered
   * comes in a thread of the executor; or the StatusRuntimeException why it was not told.
   */
  CompletableFuture<SettleResult> settle(Attempt attempt, T write) {
    var settlement = new Settlement<>(attempt, write, new CompletableFuture<>());
    synchronized (this) {
      waiting.add(settlement);
      if (!busy) executor.execute(this::run);
      busy = true;
    }
    return settlement.told;
  }

  /** How many wait for the next call. */
  synchronized int waiting() {
    return waiting.size();
  }

  /** Makes one call after another until nothing waits. */
  private void run() {
    for (var batch = take(); !batch.isEmpty(); batch = take()) tell(batch);
  }

  /** Takes as much of what waits as fits into a call. */
  private synchronized List<Settlement<T>> take() {
    var batch = new ArrayList<Settlement<T>>();
    long size = 0;
    while (!waiting.isEmpty() && batch.size() < BATCH_JOBS) {
      size += waiting.peek().write.getSerializedSize();
      if (size > BATCH_BYTES && !batch.isEmpty()) break;
      batch.add(waiting.poll());
    }
    busy = !batch.isEmpty();
    return batch;
  }

  /** Tells the server, again and again while that may help. */
  private void tell(List<Settlement<T>> batch) {
    for (int failures = 1; !batch.isEmpty(); failures++) {
      StatusRuntimeException error;
      try {
        var outcomes = call.settle(batch.stream().map(Settlement::write).toList());
        for (int at = 0; at < batch.size(); at++) batch.get(at).told.complete(outcomes.get(at).getResult());
        return;
      } catch (StatusRuntimeException thrown) {
        error = thrown;
      }
      if (error.getStatus().getCode() == Status.Code.INVALID_ARGUMENT) {
        // Nothing of the call was done. One bad result must not hold up the others: look for it by halves.
        int half = batch.size() / 2;
        if (half == 0) {
          batch.get(0).told.completeExceptionally(error);
        } else {
          tell(batch.subList(0, half));
          tell(batch.subList(half, batch.size()));
        }
        return;
      }
      Backoff.sleep(failures);
      var held = new ArrayList<Settlement<T>>();
      for (var settlement : batch) {
        if (settlement.attempt.isHeld()) held.add(settlement);
        else settlement.told.completeExceptionally(error);
      }
      batch = held;
    }
  }
}
