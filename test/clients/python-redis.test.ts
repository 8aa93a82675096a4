import { testClient } from "./suite.js";

testClient("python", "Redis");
