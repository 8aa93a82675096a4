import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isTokenShown, isTokenWanted } from "./lib/api.js";
import { href, route } from "./lib/router.js";
import { CreateJobPage } from "./pages/create-job.js";
import { DlqPage } from "./pages/dlq.js";
import { JobPage } from "./pages/job.js";
import { JobsPage } from "./pages/jobs.js";
import { OverviewPage } from "./pages/overview.js";
import { QueuesPage } from "./pages/queues.js";
import { SchedulesPage } from "./pages/schedules.js";
import { WorkersPage } from "./pages/workers.js";
import { Confirmation } from "./ui/dialog.js";
import { LinkBanner, LinkState } from "./ui/link-state.js";
import { Notices } from "./ui/notices.js";
import { Empty } from "./ui/states.js";
import { TokenDialog, TokenState } from "./ui/token-dialog.js";

const NAVIGATION = [
  ["/", "Overview"],
  ["/jobs", "Jobs"],
  ["/dlq", "Dead letters"],
  ["/queues", "Queues"],
  ["/schedules", "Schedules"],
  ["/workers", "Workers"],
] as const;

/** Returns the page of a path, and its title. */
function pageOf(path: string): { title: string; page: JSX.Element } {
  if (path === "/") return { title: "Overview", page: <OverviewPage /> };
  if (path === "/jobs") return { title: "Jobs", page: <JobsPage /> };
  if (path === "/jobs/new") return { title: "New job", page: <CreateJobPage /> };
  const id = /^\/jobs\/(\d+(?:@[a-z0-9._-]+)?)$/.exec(path)?.[1];
  if (id !== undefined) return { title: `Job ${id}`, page: <JobPage key={id} id={id} /> };
  if (path === "/dlq") return { title: "Dead letters", page: <DlqPage /> };
  if (path === "/queues") return { title: "Queues", page: <QueuesPage /> };
  if (path === "/schedules") return { title: "Schedules", page: <SchedulesPage /> };
  if (path === "/workers") return { title: "Workers", page: <WorkersPage /> };
  return {
    title: "No such page",
    page: (
      <Empty title="There is no such page.">
        <a href={href("/")}>Go to the overview</a>
      </Empty>
    ),
  };
}

/** The console: navigation, the page at the current address, and the dialogs and notices over it. */
export function App() {
  const { path } = route.value;
  const { title, page } = pageOf(path);
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  // Runs whenever the path, and with it the page, changes.
  useEffect(() => {
    document.title = `${title} · GoTaskQ`;
    // The heading gets the focus so that screen readers announce the new page.
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
    scrollTo(0, 0);
  }, [path]);

  return (
    <>
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href={href("/")}>
          GoTaskQ
        </a>
        <nav aria-label="Pages">
          {NAVIGATION.map(([to, name]) => {
            const isHere = to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
            return (
              <a key={to} href={href(to)} aria-current={isHere ? "page" : undefined}>
                {name}
              </a>
            );
          })}
        </nav>
        <TokenState />
        <LinkState />
      </header>
      <LinkBanner />
      <main id="main">
        <h1 tabIndex={-1} ref={heading}>
          {title}
        </h1>
        {page}
      </main>
      <Notices />
      <Confirmation />
      {(isTokenWanted.value || isTokenShown.value) && <TokenDialog />}
    </>
  );
}
