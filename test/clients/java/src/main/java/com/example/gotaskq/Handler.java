package com.example.gotaskq;

/** Runs jobs of one type. A job runs at least once: make it safe to repeat. */
@FunctionalInterface
public interface Handler {
  /**
   * Runs one job, whose payload is JSON as text ({@code attempt.job().getPayloadJson()}), and returns its result as JSON,
   * or null for none. Whatever it throws is the failure of the job.
   *
   * <p>Its thread is interrupted when the job is cancelled, its timeout has passed, the lease is lost, or the worker has
   * shut down for too long; {@code attempt.reason()} tells which.
   */
  String run(Attempt attempt) throws Exception;
}
