package com.example.gotaskq;

import java.util.concurrent.ThreadLocalRandom;

/** How long to wait before something is tried again. */
final class Backoff {
  private Backoff() {}

  /** Doubles from 100 ms to 5 s, half of it random, so that workers do not come back all at once; in ms. */
  static long millis(int failures) {
    long longest = Math.min(5000, 100L << Math.min(failures - 1, 6));
    return longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2);
  }

  static void sleep(int failures) {
    try {
      Thread.sleep(millis(failures));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
