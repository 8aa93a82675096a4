import { describeVariables } from "./server/config/variables.js";
import { loadProgram } from "./server/load-program.js";
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
  const program = await loadProgram().catch((error: Error) => refuse(error.message));
  await program?.runServer(program.readEnvironment());
} else if (others.length === 0 && ["--help", "-h"].includes(first)) process.stdout.write(USAGE);
else if (others.length === 0 && ["--version", "-V"].includes(first)) process.stdout.write(`${readVersion()}\n`);
else refuse(`unexpected argument "${first}": --help tells what there is`);

function refuse(why: string): undefined {
  process.stderr.write(`${why}\n`);
  process.exitCode = 2;
}
