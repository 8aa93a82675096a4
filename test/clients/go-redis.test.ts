import { testClient } from "./suite.js";

testClient("go", "Redis");
