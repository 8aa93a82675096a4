package com.example.gotaskq;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import gotaskq.v1.CreateJobRequest;
import gotaskq.v1.JobServiceGrpc;
import gotaskq.v1.PayloadFormat;
import gotaskq.v1.WatchJobRequest;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A client and a worker of GoTaskQ in Java.
 *
 * <pre>
 * Main submit TYPE [JSON]   creates a job and prints its id
 * Main watch ID             prints each status of a job, and its result at the end
 * Main worker               runs jobs until SIGTERM
 * </pre>
 *
 * The server is at GOTASKQ_URL.
 */
public final class Main {
  private static final String USAGE =
      "usage: submit TYPE [JSON] | watch ID | worker [--queue=QUEUE] [--concurrency=N] [--prefetch=N] [--lease=SECONDS]";

  private Main() {}

  public static void main(String[] args) throws Exception {
    var url = System.getenv().getOrDefault("GOTASKQ_URL", "http://127.0.0.1:8000");
    var channel =
        Grpc.newChannelBuilder(url.replaceFirst("^http://", ""), InsecureChannelCredentials.create())
            // Finds out when a connection is dead.
            .keepAliveTime(20, TimeUnit.SECONDS)
            .build();
    try {
      run(channel, args);
    } catch (StatusRuntimeException error) {
      System.err.println(reason(error) + ": " + error.getMessage());
      System.exit(1);
    } catch (IllegalArgumentException error) {
      System.err.println(error.getMessage());
      System.exit(2);
    } finally {
      channel.shutdownNow();
    }
  }

  private static void run(ManagedChannel channel, String[] args) throws InterruptedException {
    var command = args.length == 0 ? "" : args[0];
    if (command.equals("submit") && args.length >= 2) submit(channel, args[1], args.length > 2 ? args[2] : "");
    else if (command.equals("watch") && args.length == 2) watch(channel, args[1]);
    else if (command.equals("worker")) work(channel, flags(args));
    else throw new IllegalArgumentException(USAGE);
  }

  private static void submit(ManagedChannel channel, String type, String payload) {
    var request = CreateJobRequest.newBuilder().setType(type);
    if (!payload.isEmpty()) request.setPayloadJson(payload);
    var jobs = JobServiceGrpc.newBlockingStub(channel).withDeadlineAfter(10, TimeUnit.SECONDS);
    System.out.println(jobs.createJob(request.build()).getJob().getId());
  }

  private static void watch(ManagedChannel channel, String id) {
    var request =
        WatchJobRequest.newBuilder().setId(id).setPayloadFormat(PayloadFormat.PAYLOAD_FORMAT_TEXT).build();
    var messages = JobServiceGrpc.newBlockingStub(channel).watchJob(request);
    while (messages.hasNext()) {
      var message = messages.next();
      if (!message.hasJob()) continue; // a heartbeat
      var job = message.getJob();
      System.out.println(job.getStatus().name().replaceFirst("^JOB_STATUS_", ""));
      if (job.hasResultJson()) System.out.println(job.getResultJson());
    }
  }

  private static void work(ManagedChannel channel, Map<String, String> flags) throws InterruptedException {
    var worker =
        new Worker(
            channel,
            new Worker.Options(
                host() + "/" + ProcessHandle.current().pid(),
                flags.containsKey("queue") ? List.of(flags.get("queue")) : List.of(),
                Integer.parseInt(flags.getOrDefault("concurrency", "10")),
                Integer.parseInt(flags.getOrDefault("prefetch", "0")),
                Math.round(Double.parseDouble(flags.getOrDefault("lease", "30")) * 1000),
                10_000,
                Map.of("echo", Main::echo, "sleep", Main::sleep)));
    var ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(worker, ended)));
    try {
      worker.run();
    } finally {
      ended.countDown();
    }
  }

  /** At SIGTERM: stops the worker, and exits with 0 when it has ended. */
  private static void stop(Worker worker, CountDownLatch ended) {
    if (ended.getCount() == 0) return; // It ended by itself: not at a signal.
    worker.stop();
    try {
      ended.await();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(0);
  }

  private static String echo(Attempt attempt) {
    return attempt.job().hasPayloadJson() ? attempt.job().getPayloadJson() : null;
  }

  /** The payload says for how many ms. */
  private static String sleep(Attempt attempt) throws InterruptedException {
    attempt.progress(50, "asleep");
    Thread.sleep(Math.round(Double.parseDouble(attempt.job().getPayloadJson())));
    return "\"slept in Java\"";
  }

  /** The flags of the worker, as in --lease=1. */
  private static Map<String, String> flags(String[] args) {
    var flags = new HashMap<String, String>();
    for (int at = 1; at < args.length; at++) {
      var parts = args[at].split("=", 2);
      if (!args[at].startsWith("--") || parts.length < 2) throw new IllegalArgumentException(USAGE);
      flags.put(parts[0].substring(2), parts[1]);
    }
    return flags;
  }

  /** Why the server refused a call, as in FIELD_INVALID: a constant, in the details of the error. */
  private static String reason(StatusRuntimeException error) throws InvalidProtocolBufferException {
    var status = StatusProto.fromThrowable(error);
    if (status != null) {
      for (var detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) return detail.unpack(ErrorInfo.class).getReason();
      }
    }
    return error.getStatus().getCode().name();
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException unknown) {
      return "localhost";
    }
  }
}
