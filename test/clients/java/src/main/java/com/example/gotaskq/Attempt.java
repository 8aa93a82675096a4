package com.example.gotaskq;

import com.google.protobuf.Duration;
import gotaskq.v1.Job;
import gotaskq.v1.Lease;
import gotaskq.v1.LeaseExtension;
import gotaskq.v1.Progress;

/** One run of a job under a lease: it waits for a slot, and then begins or is ended, whichever comes first. */
public final class Attempt {
  private final Job job;
  private final String token;
  private long until; // System.nanoTime() at the end of the lease
  private Progress progress; // not told yet
  private boolean begun;
  private Thread runner; // of the handler, while it runs
  private String reason; // why it should end

  Attempt(Lease lease) {
    job = lease.getJob();
    token = lease.getLeaseToken();
    extended(System.nanoTime(), lease.getLeaseExpiresIn());
  }

  public Job job() {
    return job;
  }

  /** Why the handler should end, or null while it need not. */
  public synchronized String reason() {
    return reason;
  }

  /** Tells with the next heartbeat how far the job is, 0 to 100. */
  public synchronized void progress(double percent, String message) {
    progress = Progress.newBuilder().setPercent(percent).setMessage(message).build();
  }

  String id() {
    return job.getId();
  }

  String token() {
    return token;
  }

  /** What keeps the lease for this long, and tells the progress. */
  synchronized LeaseExtension extension(Duration length) {
    var extension = LeaseExtension.newBuilder().setJobId(id()).setLeaseToken(token).setExtension(length);
    if (progress != null) extension.setProgress(progress);
    return extension.build();
  }

  /** Takes note that the server has got this extension. */
  synchronized void told(LeaseExtension extension) {
    if (extension.hasProgress() && extension.getProgress() == progress) progress = null;
  }

  /** Takes note of how long the lease still lasted at this System.nanoTime(). */
  synchronized void extended(long at, Duration left) {
    until = at + left.getSeconds() * 1_000_000_000L + left.getNanos();
  }

  /** Whether the lease may still hold. */
  synchronized boolean isHeld() {
    return until - System.nanoTime() > 0;
  }

  /** Begins in this thread. Returns false when it was ended before. */
  synchronized boolean begin() {
    if (reason != null) return false;
    begun = true;
    runner = Thread.currentThread();
    return true;
  }

  /** Takes note that the handler has returned: nothing interrupts its thread any more. */
  synchronized void returned() {
    runner = null;
    Thread.interrupted();
  }

  /** Interrupts the handler for this reason. Returns true when it had not begun, and so never will. */
  synchronized boolean end(String why) {
    if (reason != null) return false;
    reason = why;
    if (runner != null) runner.interrupt();
    return !begun;
  }

  /** The same, but for a handler that runs: that goes on. */
  synchronized boolean endUnlessBegun(String why) {
    return !begun && end(why);
  }
}
