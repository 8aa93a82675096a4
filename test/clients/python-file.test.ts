import { testClient } from "./suite.js";

testClient("python", "a file");
