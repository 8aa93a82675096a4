import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

// A client beside all others, in a process of its own: creates a job and reads it, again and again, on one connection, and calls a
// server that does nothing, for comparison. Sends its parent how long each call took, ms, or why one failed. Arguments: the URLs of
// the two, and a token. It rests while its parent says so.

const PAUSE_MS = 10;
/** Times that are sent together. */
const MANY = 20;

const [url = "", control = "", token = ""] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };

function call(at: string, method: string, message: object): Promise<{ readonly job: { readonly id: string } }> {
  return new Promise((resolve, reject) => {
    const to = new URL(`/gotaskq.v1.JobService/${method}`, at);
    const sent = request(to, { method: "POST", agent, headers, timeout: 20_000 }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${method}: ${answer.statusCode} ${text}`));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method}: no answer`)));
    sent.on("error", reject);
    sent.end(JSON.stringify(message));
  });
}

async function timed<T>(times: number[], run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  times.push(performance.now() - start);
  return result;
}

const times: number[] = [];
const controls: number[] = [];
let resume: (() => void) | undefined;
let rest: Promise<void> | undefined;
process.on("message", (message) => {
  if (message === "rest") {
    rest = new Promise((resolve) => {
      resume = resolve;
    });
  } else resume?.();
});
process.on("disconnect", () => process.exit());
for (;;) {
  try {
    const created = { queue: "good", type: "echo", payload: { text: "good" } };
    const { job } = await timed(times, () => call(url, "CreateJob", created));
    await timed(times, () => call(url, "GetJob", { id: job.id }));
    await timed(controls, () => call(control, "CreateJob", created));
    if (times.length >= MANY) process.send?.({ times: times.splice(0), controls: controls.splice(0) });
  } catch (error) {
    process.send?.({ error: String(error) });
    await sleep(1000);
  }
  await sleep(PAUSE_MS);
  if (rest !== undefined) {
    process.send?.({ rests: true });
    await rest;
    rest = undefined;
  }
}
