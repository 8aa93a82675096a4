package com.example.gotaskq;

import com.google.protobuf.Duration;

/** Durations of protobuf and ms. */
final class Durations {
  private Durations() {}

  static Duration ofMillis(long millis) {
    return Duration.newBuilder().setSeconds(millis / 1000).setNanos((int) (millis % 1000) * 1_000_000).build();
  }

  static long toMillis(Duration duration) {
    return duration.getSeconds() * 1000 + duration.getNanos() / 1_000_000;
  }
}
