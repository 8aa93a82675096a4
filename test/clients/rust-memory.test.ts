import { testClient } from "./suite.js";

testClient("rust", "memory");
