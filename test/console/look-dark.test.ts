import { describeLook } from "./support/look.js";

describeLook("dark", (name) => name !== "overview");
