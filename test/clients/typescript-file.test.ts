import { testClient } from "./suite.js";

testClient("typescript", "a file");
