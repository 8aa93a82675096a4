import { testClient } from "./suite.js";

testClient("rust", "a file");
