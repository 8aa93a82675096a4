import { hashToken, newToken } from "../../access/hash-token.js";

// `npm run --silent token`: makes a token and prints it with its hash, as JSON.
const token = newToken();
process.stdout.write(`${JSON.stringify({ token, sha256: hashToken(token) })}\n`);
