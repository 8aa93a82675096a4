import { describeVariables } from "./server/config/variables.js";
import { readVersion } from "./version.js";

const USAGE = `A GoTaskQ server. It takes no arguments but these; the environment and a file .env say what it is like.

  --help, -h     this text
  --version, -V  the version

Variables:
${describeVariables()}

\`gotaskq serve\` is the same with flags; README.md explains it all.
`;

// What is asked for in arguments starts no server, and loads none.
const [first, ...others] = process.argv.slice(2);
if (first === undefined) {
  const { readEnvironment, runServer } = await import("./server/program.js");
  await runServer(readEnvironment());
} else if (others.length === 0 && ["--help", "-h"].includes(first)) process.stdout.write(USAGE);
else if (others.length === 0 && ["--version", "-V"].includes(first)) process.stdout.write(`${readVersion()}\n`);
else {
  process.stderr.write(`unexpected argument "${first}": --help tells what there is\n`);
  process.exitCode = 2;
}
