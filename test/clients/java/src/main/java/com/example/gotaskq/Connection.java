package com.example.gotaskq;

import gotaskq.v1.WorkerServiceGrpc;
import gotaskq.v1.WorkerServiceGrpc.WorkerServiceBlockingStub;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** The calls of a worker, whose server may be away for a while. */
record Connection(ManagedChannel channel, WorkerServiceBlockingStub stub) {
  Connection(ManagedChannel channel) {
    this(channel, WorkerServiceGrpc.newBlockingStub(channel));
  }

  /** For one call that takes as long as it likes. */
  WorkerServiceBlockingStub open() {
    // gRPC alone would wait for up to two minutes before it connects again.
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) channel.resetConnectBackoff();
    return stub;
  }

  /** For one call that takes so many ms at most. */
  WorkerServiceBlockingStub within(long millis) {
    return open().withDeadlineAfter(millis, TimeUnit.MILLISECONDS);
  }
}
