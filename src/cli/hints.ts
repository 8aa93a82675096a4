import type { TaskQueueError } from "../model/common/errors.js";
import { EXIT, exitCodeOf } from "./exit-codes.js";

/** What stands in the way to a server, by the code that Node, or OpenSSL, gives its error. */
const OBSTACLES: readonly (readonly [code: RegExp, hint: string])[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED)$/,
    "--tls-ca or GOTASKQ_TLS_CA names who vouches for its certificate",
  ],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "--tls-server-name or GOTASKQ_TLS_SERVER_NAME says the name in its certificate"],
  [
    /^ERR_SSL_\w*(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/,
    "it may ask for a certificate: --tls-cert and --tls-key show one",
  ],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, "it may speak no TLS: then its URL begins with http://"],
  [/^ERR_HTTP2_ERROR$/, "it may speak TLS: then its URL begins with https://; or it is no server of GoTaskQ"],
];

/** What a person may try after an error. `urls`: of the server that was called. */
export function hintsOf(error: TaskQueueError, urls: readonly string[]): readonly string[] {
  const { code, reason } = error;
  const where = urls.join(", ");
  const obstacle = obstacleOf(error);
  if (obstacle !== undefined) return [`${where}: ${obstacle}`];
  if (reason === "TOKEN_INVALID") return ["--token, --token-file, GOTASKQ_TOKEN or GOTASKQ_TOKEN_FILE say who calls"];
  // With a reason of its own, a server has answered.
  if (code !== "UNAVAILABLE" || reason !== code) return [];
  // A server that wants a certificate ends the connection, and TLS 1.3 tells no more of it.
  const shows = urls.some((url) => url.startsWith("https:")) ? ["--tls-cert and --tls-key show it a certificate"] : [];
  return [`is a server at ${where}? --url or GOTASKQ_URL says where it is`, ...shows];
}

/** The exit code for an error of a call: a server that cannot be talked to is as good as away. */
export function exitCodeOfError(error: TaskQueueError): number {
  return obstacleOf(error) === undefined ? exitCodeOf(error.code) : EXIT.unavailable;
}

function obstacleOf(error: TaskQueueError): string | undefined {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const code = "code" in each ? String(each.code) : "";
    const found = OBSTACLES.find(([pattern]) => pattern.test(code));
    if (found !== undefined) return found[1];
  }
  return undefined;
}
