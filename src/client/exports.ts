/** What both entry points, for Node and for browsers, export. */
export * from "../api/exports.js";
export type { ActiveTrace, CallerOptions } from "./calls.js";
export { type ClientRuntime, createTransportClient, type TaskQueueClient } from "./task-queue-client.js";
export type { CallHeaders, HeaderSource, TokenSource } from "./token.js";
