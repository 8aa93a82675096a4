import { readFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { Authorizer } from "../../../src/access/authorizer.js";
import { createAuthority } from "../../support/certificates.js";
import { refusal } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";

test("an authorizer is given the certificate of a client that the server's authority vouches for, and no other", async () => {
  const authority = createAuthority();
  const { cert, key } = authority.issue("server");
  const names: unknown[] = [];
  const authorizer: Authorizer = ({ certificate }) => {
    names.push(certificate?.subject.CN);
    return certificate?.subject.CN === "mailer" ? { name: "mailer", scopes: ["read"] } : undefined;
  };
  const env = { TLS_CERT: cert, TLS_KEY: key, TLS_CLIENT_CA: authority.ca, TLS_CLIENT_AUTH: "optional" };
  const { port } = await startTestServer(env, { authorizer });
  const show = (name: string | undefined) => {
    const files = name === undefined ? undefined : authority.issue(name);
    return { ca: authority.caText, ...(files && { cert: readFileSync(files.cert), key: readFileSync(files.key) }) };
  };
  const baseUrl = `https://localhost:${port}`;
  for (const create of [
    (nodeOptions: object) => createGrpcTransport({ baseUrl, nodeOptions }),
    (nodeOptions: object) => createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  ]) {
    names.splice(0);
    const list = (name: string | undefined) => createClient(QueueService, create(show(name))).listQueues({});
    expect((await list("mailer")).queues).toHaveLength(1);
    for (const other of ["stranger", undefined]) {
      expect(await refusal(list(other))).toMatchObject({ reason: "TOKEN_INVALID" });
    }
    expect(names).toEqual(["mailer", "stranger", undefined]);
  }
});
