import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  type HealthCheckRequest,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as HealthStatus,
} from "../../../gen/health/v1/health_pb.js";
import { serverDraining } from "../../model/common/errors.js";

/** Whether the server can serve calls now. */
export interface HealthSource {
  /** Whether calls are served. */
  readonly isServing: boolean;
  /** Whether the server is shutting down. */
  readonly isDraining: boolean;
  /** Whether watches should end. */
  readonly isClosed: boolean;
  /** Calls `changed` whenever one of these may have changed. Returns the function that ends this. */
  watch(changed: () => void): () => void;
}

/**
 * Implements grpc.health.v1.Health. All services share one state; "" is the server as a whole. As the standard demands,
 * Check of an unknown service fails with NOT_FOUND, and Watch of one sends SERVICE_UNKNOWN and stays open.
 */
export function createHealthService(health: HealthSource, services: ReadonlySet<string>): ServiceImpl<typeof Health> {
  const isKnown = (service: string) => service === "" || services.has(service);

  function statusOf(service: string): HealthStatus {
    if (!isKnown(service)) return HealthStatus.SERVICE_UNKNOWN;
    return health.isServing ? HealthStatus.SERVING : HealthStatus.NOT_SERVING;
  }

  return {
    async check({ service }) {
      if (!isKnown(service)) throw new ConnectError(`there is no service "${service}"`, Code.NotFound);
      return { status: statusOf(service) };
    },

    async list() {
      const names = ["", ...services];
      return {
        statuses: Object.fromEntries(
          names.map((name) => [name, create(HealthCheckResponseSchema, { status: statusOf(name) })]),
        ),
      };
    },

    async *watch({ service }: HealthCheckRequest, { signal }: HandlerContext) {
      let wake: (() => void) | undefined;
      const onChange = () => wake?.();
      const unwatch = health.watch(onChange);
      signal.addEventListener("abort", onChange);
      try {
        let told: HealthStatus | undefined;
        while (!signal.aborted) {
          const status = statusOf(service);
          if (status !== told) {
            told = status;
            yield create(HealthCheckResponseSchema, { status });
            continue;
          }
          if (health.isClosed) throw serverDraining();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        signal.removeEventListener("abort", onChange);
        unwatch();
      }
    },
  };
}
