import { testClient } from "./suite.js";

testClient("go", "a file");
