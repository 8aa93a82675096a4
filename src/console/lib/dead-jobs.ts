import { useEffect, useRef, useState } from "preact/hooks";
import { type Job, JobView } from "../../../gen/gotaskq/v1/job_pb.js";
import { api } from "./api.js";
import type { DeadFilter } from "./dead-groups.js";

/** Jobs per page. */
const PAGE_SIZE = 50;

/** Jobs that are read in one call at the most. */
const MAX_SIZE = 1000;

/** A page of the server may have few jobs or none where there are more: so many are asked for at most. */
const MAX_CALLS = 20;

/** Dead jobs that match, the latest death first, as far as they were read. */
export interface DeadList {
  /** Undefined until the first page has come. */
  readonly jobs: readonly Job[] | undefined;
  readonly error: unknown;
  readonly hasMore: boolean;
  /** Reads the next page, or the first one again when it failed. Does nothing while one is read. */
  readonly more: () => void;
}

interface State {
  readonly jobs: readonly Job[] | undefined;
  readonly error: unknown;
  readonly pageToken: string;
}

/** Reads dead jobs page by page; what is shown is read again when `version` changes. */
export function useDeadJobs(filter: DeadFilter, version: string): DeadList {
  const [state, setState] = useState<State>({ jobs: undefined, error: undefined, pageToken: "" });
  const latest = useRef(state);
  latest.current = state;
  const reading = useRef<AbortController>(undefined);
  const key = JSON.stringify(filter);

  async function read(before: readonly Job[], from: string, wanted: number): Promise<void> {
    reading.current?.abort();
    const leave = new AbortController();
    reading.current = leave;
    const jobs = [...before];
    let pageToken = from;
    try {
      for (let calls = 0; calls < MAX_CALLS && jobs.length - before.length < wanted; calls++) {
        const pageSize = Math.min(MAX_SIZE, wanted - (jobs.length - before.length));
        const request = { filter, view: JobView.BASIC, pageSize, pageToken };
        const page = await api.dlq.listDeadJobs(request, { signal: leave.signal });
        jobs.push(...page.jobs);
        pageToken = page.nextPageToken;
        if (pageToken === "") break;
      }
      if (!leave.signal.aborted) setState({ jobs, error: undefined, pageToken });
    } catch (error) {
      if (!leave.signal.aborted) setState({ ...latest.current, error });
    } finally {
      if (reading.current === leave) reading.current = undefined;
    }
  }

  useEffect(() => {
    void read([], "", Math.max(PAGE_SIZE, latest.current.jobs?.length ?? 0));
    return () => reading.current?.abort();
  }, [key, version]);

  return {
    jobs: state.jobs,
    error: state.error,
    hasMore: state.pageToken !== "",
    more() {
      const { jobs, pageToken } = state;
      if (reading.current !== undefined || (jobs !== undefined && pageToken === "")) return;
      void read(jobs ?? [], pageToken, PAGE_SIZE);
    },
  };
}
