import { createServer } from "node:http";

// A server that does nothing but answer, beside the one under test: how long a call to it takes tells what the machine adds. Prints
// its URL.

const server = createServer((request, response) => {
  request.resume().on("end", () => response.end('{"job":{"id":"1"}}'));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
process.on("disconnect", () => process.exit());
