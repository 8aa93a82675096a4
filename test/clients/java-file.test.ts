import { testClient } from "./suite.js";

testClient("java", "a file");
