import { readFile, writeFile } from "node:fs/promises";
import { documented } from "../layout/document.js";

// npm run redis:document  writes the tables of the README anew

const readme = new URL("../README.md", import.meta.url);
await writeFile(readme, documented(await readFile(readme, "utf8")));
