//! Runs jobs of a GoTaskQ server.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::{transport::Channel, Code, Request, Status};

use crate::attempt::{duration, Attempt};
use crate::backoff::backoff;
use crate::gatherer::BATCH_JOBS;
use crate::gotaskq::{
    stream_jobs_response::Event, worker_service_client::WorkerServiceClient, ExtendLeasesRequest,
    ExtendResult, PayloadFormat, StreamJobsRequest,
};
use crate::settler::Settler;

/// How long a stream may say nothing: the server sends a heartbeat every 15 s.
const SILENCE: Duration = Duration::from_secs(40);

const CANCELED: &str = "the job was cancelled";
const TIMEOUT: &str = "the job took longer than its timeout";
const LOST: &str = "the lease was lost";
const SHUTDOWN: &str = "the worker shuts down";

/// What a handler answers: a result as JSON, or none; an error is the failure of the job.
pub type Outcome = Result<Option<String>, Box<dyn Error + Send + Sync>>;

/// Runs jobs of one type. A job runs at least once: make it safe to repeat. Its future is dropped when the job is
/// cancelled, its timeout has passed, the lease is lost, or the worker has shut down for too long.
pub type Handler =
    Box<dyn Fn(Arc<Attempt>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// Makes a handler of an async function.
pub fn handler<F, Running>(run: F) -> Handler
where
    F: Fn(Arc<Attempt>) -> Running + Send + Sync + 'static,
    Running: Future<Output = Outcome> + Send + 'static,
{
    Box::new(move |attempt| Box::pin(run(attempt)))
}

/// What a worker does.
pub struct Options {
    /// Who it is, for people: host and process.
    pub name: String,
    /// Only jobs of these; empty: of every queue.
    pub queues: Vec<String>,
    /// How many jobs run at the same time.
    pub concurrency: usize,
    /// How many more are taken ahead, for short ones; at most 1000 with `concurrency`.
    pub prefetch: usize,
    /// How long a lease lasts unless it is extended, which each third of it does.
    pub lease: Duration,
    /// How long running jobs may finish after the worker was told to stop.
    pub grace: Duration,
}

/// Runs jobs of the types it has handlers for.
pub struct Worker {
    client: WorkerServiceClient<Channel>,
    options: Options,
    handlers: HashMap<String, Handler>,
    settler: Settler,
    slots: Semaphore,
    /// One task for each job.
    jobs: TaskTracker,
    /// Cancelled when no more jobs are taken: those that have not begun never will.
    closing: CancellationToken,
    /// What runs, waits for a slot, or is being settled.
    held: Mutex<Vec<Arc<Attempt>>>,
}

impl Worker {
    pub fn new(
        channel: Channel,
        options: Options,
        handlers: HashMap<String, Handler>,
    ) -> Arc<Self> {
        let client = WorkerServiceClient::new(channel);
        Arc::new(Self {
            settler: Settler::new(client.clone()),
            client,
            slots: Semaphore::new(options.concurrency),
            options,
            handlers,
            jobs: TaskTracker::new(),
            closing: CancellationToken::new(),
            held: Mutex::default(),
        })
    }

    /// Takes and runs jobs until `stopping` is cancelled, then lets running jobs finish and gives back those that have not
    /// begun. Broken streams are opened again; jobs of the old stream go on beside those of the new one.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) -> Result<(), Status> {
        let worker = self.clone();
        let _heartbeat =
            AbortOnDropHandle::new(tokio::spawn(async move { worker.heartbeat().await }));
        let refused = stopping.run_until_cancelled(self.take()).await;
        // After the stream has ended: what is given back would come again on it.
        self.closing.cancel();
        self.jobs.close();
        if timeout(self.options.grace, self.jobs.wait()).await.is_err() {
            for attempt in self.held() {
                attempt.end(SHUTDOWN);
            }
            self.jobs.wait().await;
        }
        eprintln!("stopped");
        refused.map_or(Ok(()), Err)
    }

    /// Takes jobs, from one stream after another. Returns a refusal that does not pass by itself.
    async fn take(self: &Arc<Self>) -> Status {
        let mut failures = 0;
        loop {
            let mut opened = false;
            let ended = self.stream(&mut opened).await;
            // Only an extension tells the server that we are still there: it would give our jobs to others.
            self.extend().await;
            match ended {
                Ok(()) => eprintln!("stream ended"),
                Err(status) => match status.code() {
                    Code::InvalidArgument
                    | Code::NotFound
                    | Code::Unauthenticated
                    | Code::PermissionDenied => {
                        return status;
                    }
                    _ => eprintln!("stream ended: {}", status.message()),
                },
            }
            failures = if opened { 1 } else { failures + 1 };
            sleep(backoff(failures)).await;
        }
    }

    /// Takes jobs from one stream until it ends.
    async fn stream(self: &Arc<Self>, opened: &mut bool) -> Result<(), Status> {
        let request = StreamJobsRequest {
            worker: self.options.name.clone(),
            queues: self.options.queues.clone(),
            types: self.handlers.keys().cloned().collect(),
            // The server sends so many jobs, and one more for each that is settled.
            max_in_flight: (self.options.concurrency + self.options.prefetch) as i32,
            lease: self.options.lease.try_into().ok(),
            // As it was sent, to the letter: nothing is lost of large integers.
            payload_format: PayloadFormat::Text.into(),
        };
        let silent = |_| Status::unavailable("the server says nothing");
        let mut client = self.client.clone();
        let mut messages = timeout(SILENCE, client.stream_jobs(request))
            .await
            .map_err(silent)??
            .into_inner();
        while let Some(message) = timeout(SILENCE, messages.message())
            .await
            .map_err(silent)??
        {
            match message.event {
                Some(Event::Session(_)) => {
                    *opened = true;
                    eprintln!("ready");
                }
                Some(Event::Lease(lease)) => {
                    let attempt = Arc::new(Attempt::new(lease));
                    self.held.lock().unwrap().push(attempt.clone());
                    self.jobs.spawn(self.clone().attempt(attempt));
                }
                Some(Event::Cancel(notice)) => {
                    for attempt in self.held() {
                        if attempt.job.id == notice.job_id {
                            attempt.end(CANCELED);
                        }
                    }
                }
                // Nothing more is leased here. Our jobs go on; the stream ends after them, or when the server closes, and
                // then another one is for another server, or this one when it is back.
                Some(Event::Drain(_)) => eprintln!("drain"),
                Some(Event::Heartbeat(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Runs one job and settles it.
    async fn attempt(self: Arc<Self>, attempt: Arc<Attempt>) {
        let told = match self.perform(&attempt).await {
            Ok(result) => self.settler.complete(&attempt, result).await,
            Err(_) if attempt.reason() == Some(SHUTDOWN) => self.settler.release(&attempt).await,
            Err(error) => self.settler.fail(&attempt, error.to_string()).await,
        };
        match told {
            Ok(result) => eprintln!("settled {} {}", attempt.job.id, result.as_str_name()),
            Err(status) => eprintln!("lost {}: {}", attempt.job.id, status.message()),
        }
        self.held
            .lock()
            .unwrap()
            .retain(|other| !Arc::ptr_eq(other, &attempt));
    }

    /// Waits for a slot and runs the handler in it, unless the job ends before that.
    async fn perform(&self, attempt: &Arc<Attempt>) -> Outcome {
        let _slot = tokio::select! {
            biased;
            reason = attempt.ended() => return Err(reason.into()),
            _ = self.closing.cancelled() => {
                attempt.end(SHUTDOWN);
                return Err(SHUTDOWN.into());
            }
            slot = self.slots.acquire() => slot?,
        };
        eprintln!("running {}", attempt.job.id);
        let handler = self
            .handlers
            .get(&attempt.job.r#type)
            .ok_or("there is no handler for this type")?;
        // In a task of its own, so that a panic ends nothing else.
        let running = AbortOnDropHandle::new(tokio::spawn(handler(attempt.clone())));
        let limit = attempt
            .job
            .timeout
            .as_ref()
            .map_or(Duration::MAX, |limit| duration(Some(limit)));
        tokio::select! {
            biased;
            result = running => result?,
            reason = attempt.ended() => Err(reason.into()),
            _ = sleep(limit) => Err(TIMEOUT.into()),
        }
    }

    async fn heartbeat(&self) {
        loop {
            sleep(self.options.lease / 3).await;
            self.extend().await;
        }
    }

    /// Keeps all leases, tells progress, and learns of cancels and lost leases.
    async fn extend(&self) {
        // There may be more than fit in a call: those of a stream that broke off, and those of the next.
        for batch in self.held().chunks(BATCH_JOBS) {
            let extensions: Vec<_> = batch
                .iter()
                .map(|attempt| attempt.extension(self.options.lease))
                .collect();
            let mut request = Request::new(ExtendLeasesRequest {
                extensions: extensions.clone(),
            });
            request.set_timeout(self.options.lease / 3);
            let sent = Instant::now();
            let outcomes = match self.client.clone().extend_leases(request).await {
                Ok(response) => response.into_inner().outcomes,
                Err(status) => {
                    eprintln!("leases were not extended: {}", status.message()); // the next beat tries again
                    return;
                }
            };
            for ((attempt, extension), outcome) in batch.iter().zip(&extensions).zip(&outcomes) {
                attempt.extended(extension, sent, outcome.lease_expires_in.as_ref());
                match outcome.result() {
                    ExtendResult::CancelRequested => attempt.end(CANCELED),
                    ExtendResult::LeaseLost => attempt.end(LOST),
                    ExtendResult::Ok | ExtendResult::Unspecified => {}
                }
            }
        }
    }

    fn held(&self) -> Vec<Arc<Attempt>> {
        self.held.lock().unwrap().clone()
    }
}
