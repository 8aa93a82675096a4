import { describe } from "vitest";
import { describeBulk } from "./bulk.js";
import { describeCancel } from "./cancel.js";
import { describeChangeLog } from "./change-log.js";
import { describeDeadLetter } from "./dead-letter.js";
import { describeEnqueue } from "./enqueue.js";
import { describeExpiry } from "./expiry.js";
import { describeFailing } from "./failing.js";
import { describeFair } from "./fair.js";
import { describeFencing } from "./fencing.js";
import { describeFilters } from "./filters.js";
import { type BackendHarness, openWith } from "./harness.js";
import { describeIds } from "./ids.js";
import { describeKeys } from "./keys.js";
import { describeLeaseExpiry } from "./lease-expiry.js";
import { describeLeaseRequests } from "./lease-requests.js";
import { describeLeasing } from "./leasing.js";
import { describeListing } from "./listing.js";
import { describeModel, type Lacking } from "./model.js";
import { describeNotices } from "./notices.js";
import { describeOrdering } from "./ordering.js";
import { describePendingStates } from "./pending-states.js";
import { describeQueues } from "./queues.js";
import { describeRates } from "./rates.js";
import { describeRequestIds } from "./request-ids.js";
import { describeRetention } from "./retention.js";
import { describeRunNow, describeSnooze } from "./run-now.js";
import { describeSchedules } from "./schedules.js";
import { describeUnique } from "./unique.js";
import { describeUpdate } from "./update.js";
import { describeWallClock } from "./wall-clock.js";

/** Tests everything that a backend must do, topic by topic, and in `modelRuns` random sequences of operations. */
export function backendContract(
  name: string,
  harness: BackendHarness,
  modelRuns = 200,
  lacks: readonly Lacking[] = [],
): void {
  const open = openWith(harness);
  describe(`the ${name} backend`, () => {
    describeEnqueue(open);
    describeRequestIds(open);
    describeIds(open);
    describeOrdering(open, harness);
    describeLeasing(open);
    describeLeaseRequests(open);
    describeFencing(open);
    describeLeaseExpiry(open);
    describeFailing(open);
    describeCancel(open);
    describeExpiry(open);
    describeUnique(open);
    describeRunNow(open);
    describeSnooze(open);
    describeUpdate(open);
    describeSchedules(open);
    describeDeadLetter(open);
    describeListing(open);
    describeFilters(open, harness);
    describeBulk(open);
    describeQueues(open);
    describePendingStates(open);
    describeRates(open);
    describeRetention(open);
    describeWallClock(open);
    describeChangeLog(open);
    describeNotices(open);
    if (!lacks.includes("keys")) {
      describeKeys(open);
      describeFair(open);
    }
    describeModel(harness, modelRuns, lacks);
  });
}
