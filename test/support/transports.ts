import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ERROR_DETAILS } from "../../src/wire/error-details.js";

/** One way to reach a server. */
export interface TransportKind {
  readonly name: string;
  readonly create: (baseUrl: string) => Transport;
}

/** The types that details of errors within messages have. */
const jsonOptions = { registry: ERROR_DETAILS };

/** gRPC over cleartext HTTP/2: what most tests use. */
export const GRPC: TransportKind = {
  name: "gRPC over h2c",
  create: (baseUrl) => createGrpcTransport({ baseUrl }),
};

/** Connect over HTTP/1.1 in JSON: what curl and browsers speak. */
export const CONNECT_JSON: TransportKind = {
  name: "Connect over HTTP/1.1 in JSON",
  create: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, jsonOptions }),
};

/** Connect over HTTP/1.1 in binary. */
export const CONNECT_BINARY: TransportKind = {
  name: "Connect over HTTP/1.1 in binary",
  create: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
};

/** gRPC-Web over HTTP/1.1: what browsers speak. */
export const GRPC_WEB: TransportKind = {
  name: "gRPC-Web over HTTP/1.1",
  create: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

/** Every protocol over every version of HTTP that carries it. */
export const TRANSPORTS: readonly TransportKind[] = [
  CONNECT_JSON,
  CONNECT_BINARY,
  {
    name: "Connect over HTTP/1.1 with GET in JSON",
    create: (baseUrl) =>
      createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true, useBinaryFormat: false, jsonOptions }),
  },
  {
    name: "Connect over HTTP/1.1 with GET in binary",
    create: (baseUrl) =>
      createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true, useBinaryFormat: true }),
  },
  { name: "Connect over h2c", create: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }) },
  GRPC,
  {
    name: "gRPC over h2c in JSON",
    create: (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false, jsonOptions }),
  },
  GRPC_WEB,
  { name: "gRPC-Web over h2c", create: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }) },
];
