import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Health } from "../../../gen/health/v1/health_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import { createDlqService } from "./dlq-service.js";
import { createHealthService, type HealthSource } from "./health-service.js";
import { createJobService } from "./job-service.js";
import { createQueueService } from "./queue-service.js";
import { createReflectionServices } from "./reflection-service.js";
import { createScheduleService } from "./schedule-service.js";
import { createServerService, type ServerInfo } from "./server-service.js";
import { createWorkerService } from "./worker-service.js";

/** A service and its implementation. */
export interface ServiceImplSpec<S extends DescService = DescService> {
  readonly desc: S;
  readonly impl: Partial<ServiceImpl<S>>;
  /** Bytes of a message that its methods take, where that is less than what all take. */
  readonly readMaxBytes?: number | undefined;
}

/** Bytes of a request of reflection: a name. */
const REFLECTION_BYTES = 16 * 1024;

/** The services of our own, and those that others have defined. */
const OWN = [JobService, QueueService, DlqService, ScheduleService, WorkerService, ServerService];
const STANDARD = [Health, ServerReflection, ServerReflectionAlpha];

/** The services of our own, on a view of the engine. */
export function createOwnServices(
  engine: EngineView,
  health: HealthSource,
  info: ServerInfo,
): readonly ServiceImplSpec[] {
  return [
    spec(JobService, createJobService(engine)),
    spec(QueueService, createQueueService(engine)),
    spec(DlqService, createDlqService(engine)),
    spec(ScheduleService, createScheduleService(engine)),
    spec(WorkerService, createWorkerService(engine)),
    spec(ServerService, createServerService(engine, health, info)),
  ];
}

/** Health and reflection, which tell of all services. */
export function createStandardServices(health: HealthSource): readonly ServiceImplSpec[] {
  const all = [...OWN, ...STANDARD];
  const reflection = createReflectionServices(all);
  return [
    spec(Health, createHealthService(health, new Set(all.map(({ typeName }) => typeName)))),
    { ...spec(ServerReflection, reflection.v1), readMaxBytes: REFLECTION_BYTES },
    { ...spec(ServerReflectionAlpha, reflection.v1alpha), readMaxBytes: REFLECTION_BYTES },
  ];
}

/** A service of any kind, with what implements it. */
export function spec<S extends DescService>(desc: S, impl: Partial<ServiceImpl<S>>): ServiceImplSpec {
  return { desc, impl } as unknown as ServiceImplSpec;
}
