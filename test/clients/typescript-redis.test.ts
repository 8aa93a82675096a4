import { testClient } from "./suite.js";

testClient("typescript", "Redis");
