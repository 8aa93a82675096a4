import { request as plain } from "node:http";
import { request as secure } from "node:https";
import { connect } from "node:net";

// Ends with 0 when the server in this container is ready, from the variables of the server itself.

const { PORT = "8000", TLS_CERT, TLS_CLIENT_CA, TLS_CLIENT_AUTH = "required" } = process.env;
const TIMEOUT_MS = 4000;

function end(isReady, why) {
  if (!isReady) process.stderr.write(`${why}\n`);
  process.exit(isReady ? 0 : 1);
}

setTimeout(() => end(false, `no answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS).unref();
if (TLS_CERT && TLS_CLIENT_CA && TLS_CLIENT_AUTH === "required") {
  // Nobody gets an answer without a certificate of a client, so all that can be told is that the port is open.
  connect(Number(PORT), "127.0.0.1", () => end(true)).on("error", (error) => end(false, error.message));
} else {
  // The certificate is for the names that clients use, not for this address.
  const request = TLS_CERT ? secure : plain;
  request({ port: PORT, host: "127.0.0.1", path: "/readyz", rejectUnauthorized: false }, (response) => {
    response
      .setEncoding("utf8")
      .toArray()
      .then((parts) => end(response.statusCode === 200, parts.join("")));
  })
    .on("error", (error) => end(false, error.message))
    .end();
}
