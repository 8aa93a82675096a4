//! In each test a first call is under way, with the completion of one job.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::*;
use crate::gotaskq::{job_completion::ResultKind, JobCompletion, Lease};

const HOUR: Duration = Duration::from_secs(3600);

type Told = JoinHandle<Result<SettleResult, Status>>;

/// A gatherer, and a stand-in for its server: it says which calls come, and answers each when it is told to.
struct Fixture {
    gatherer: Gatherer<JobCompletion>,
    calls: mpsc::UnboundedReceiver<usize>,
    answers: mpsc::UnboundedSender<Option<Status>>,
    first: Told,
}

impl Fixture {
    async fn begin() -> Self {
        let (called, calls) = mpsc::unbounded_channel();
        let (answers, answering) = mpsc::unbounded_channel::<Option<Status>>();
        let answering = Arc::new(Mutex::new(answering));
        let gatherer = Gatherer::new(move |writes: Vec<JobCompletion>| {
            let answering = answering.clone();
            called.send(writes.len()).unwrap();
            async move {
                match answering.lock().await.recv().await.flatten() {
                    Some(error) => Err(error),
                    None => Ok(writes.iter().map(|_| applied()).collect()),
                }
            }
        });
        let first = settle(&gatherer, 1, HOUR);
        let mut fixture = Self {
            gatherer,
            calls,
            answers,
            first,
        };
        fixture.comes(1).await;
        fixture
    }

    fn settle(&self, bytes: usize, left: Duration) -> Told {
        settle(&self.gatherer, bytes, left)
    }

    async fn comes(&mut self, jobs: usize) {
        assert_eq!(self.calls.recv().await, Some(jobs));
    }

    fn answer(&self, error: Option<Code>) {
        self.answers
            .send(error.map(|code| Status::new(code, "")))
            .unwrap();
    }
}

fn applied() -> SettleOutcome {
    SettleOutcome {
        result: SettleResult::Applied.into(),
        ..Default::default()
    }
}

fn settle(gatherer: &Gatherer<JobCompletion>, bytes: usize, left: Duration) -> Told {
    let lease = Lease {
        lease_expires_in: left.try_into().ok(),
        ..Default::default()
    };
    let result_kind = Some(ResultKind::ResultBytes(vec![0; bytes]));
    let write = JobCompletion {
        result_kind,
        ..Default::default()
    };
    tokio::spawn(gatherer.settle(&Arc::new(Attempt::new(lease)), write))
}

async fn assert_applied(told: Told) {
    assert_eq!(told.await.unwrap().unwrap(), SettleResult::Applied);
}

async fn assert_refused(told: Told, code: Code) {
    assert_eq!(told.await.unwrap().unwrap_err().code(), code);
}

#[tokio::test]
async fn what_comes_while_a_call_is_under_way_goes_together() {
    let mut fixture = Fixture::begin().await;
    let told: Vec<_> = (0..10).map(|_| fixture.settle(1, HOUR)).collect();
    fixture.answer(None);
    fixture.comes(10).await;
    fixture.answer(None);
    for each in told {
        assert_applied(each).await;
    }
    let alone = fixture.settle(1, HOUR);
    fixture.comes(1).await;
    fixture.answer(None);
    assert_applied(alone).await;
}

#[tokio::test]
async fn a_call_is_bounded_in_jobs_and_bytes() {
    let mut fixture = Fixture::begin().await;
    for _ in 0..=BATCH_JOBS {
        fixture.settle(1, HOUR);
    }
    fixture.settle(3 << 20, HOUR);
    let last = fixture.settle(3 << 20, HOUR);
    for jobs in [BATCH_JOBS, 2, 1] {
        fixture.answer(None);
        fixture.comes(jobs).await;
    }
    fixture.answer(None);
    assert_applied(last).await;
}

#[tokio::test]
async fn a_refused_job_does_not_hold_up_the_others() {
    let mut fixture = Fixture::begin().await;
    let mut told: Vec<_> = (0..4).map(|_| fixture.settle(1, HOUR)).collect();
    fixture.answer(None);
    let bad = Some(Code::InvalidArgument);
    for (jobs, answer) in [(4, bad), (2, bad), (1, bad), (1, None), (2, None)] {
        fixture.comes(jobs).await;
        fixture.answer(answer);
    }
    assert_refused(told.remove(0), Code::InvalidArgument).await;
    assert_applied(fixture.first).await;
    for each in told {
        assert_applied(each).await;
    }
}

#[tokio::test]
async fn tries_again_until_the_lease_has_ended() {
    let mut fixture = Fixture::begin().await;
    let held = fixture.settle(1, HOUR);
    let lost = fixture.settle(1, Duration::ZERO);
    fixture.answer(None);
    fixture.comes(2).await;
    fixture.answer(Some(Code::Unavailable));
    fixture.comes(1).await;
    fixture.answer(None);
    assert_applied(held).await;
    assert_refused(lost, Code::Unavailable).await;
}
