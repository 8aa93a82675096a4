import { testClient } from "./suite.js";

testClient("typescript", "memory");
