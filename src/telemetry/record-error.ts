import { type Span, SpanStatusCode } from "@opentelemetry/api";
import { describeError } from "../model/common/describe-error.js";
import { NAMES } from "./attributes.js";

/** Marks a span as failed and records the error, which may be anything. */
export function recordError(span: Span, error: unknown): void {
  const { type, message, stack } = describeError(error);
  const name = error instanceof Error ? type : "_OTHER";
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.setAttribute(NAMES.errorType, name);
  span.recordException({ name, message, ...(stack !== undefined && { stack }) });
}
