import { testClient } from "./suite.js";

testClient("java", "Redis");
