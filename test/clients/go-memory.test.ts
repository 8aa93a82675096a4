import { testClient } from "./suite.js";

testClient("go", "memory");
