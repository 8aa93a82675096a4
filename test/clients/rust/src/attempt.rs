//! One run of a job under a lease.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::gotaskq::{job::PayloadKind, Job, Lease, LeaseExtension, Progress};

/// What a handler runs.
pub struct Attempt {
    pub job: Job,
    token: String,
    /// Why it should end.
    reason: watch::Sender<Option<&'static str>>,
    state: Mutex<State>,
}

struct State {
    /// The end of the lease.
    until: Instant,
    /// Not told yet.
    progress: Option<Progress>,
}

impl Attempt {
    pub fn new(lease: Lease) -> Self {
        let until = Instant::now() + duration(lease.lease_expires_in.as_ref());
        Self {
            job: lease.job.unwrap_or_default(),
            token: lease.lease_token,
            reason: watch::Sender::new(None),
            state: Mutex::new(State {
                until,
                progress: None,
            }),
        }
    }

    /// The payload as JSON, if the job has one.
    pub fn payload_json(&self) -> Option<&str> {
        match &self.job.payload_kind {
            Some(PayloadKind::PayloadJson(json)) => Some(json),
            _ => None,
        }
    }

    /// Tells with the next heartbeat how far the job is, 0 to 100.
    pub fn progress(&self, percent: f64, message: &str) {
        let message = message.into();
        self.state.lock().unwrap().progress = Some(Progress { percent, message });
    }

    pub fn id(&self) -> String {
        self.job.id.clone()
    }

    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// Has it end, for the first reason that is given.
    pub fn end(&self, why: &'static str) {
        self.reason.send_if_modified(|reason| {
            let is_first = reason.is_none();
            reason.get_or_insert(why);
            is_first
        });
    }

    /// Why it should end, if it should.
    pub fn reason(&self) -> Option<&'static str> {
        *self.reason.borrow()
    }

    /// Resolves to the reason when it should end.
    pub async fn ended(&self) -> &'static str {
        let mut reasons = self.reason.subscribe();
        let reason = reasons
            .wait_for(Option::is_some)
            .await
            .expect("its sender lives as long as the attempt");
        reason.expect("it was waited for")
    }

    /// What keeps the lease for this long, and tells the progress.
    pub fn extension(&self, length: Duration) -> LeaseExtension {
        LeaseExtension {
            job_id: self.id(),
            lease_token: self.token(),
            extension: length.try_into().ok(),
            progress: self.state.lock().unwrap().progress.clone(),
        }
    }

    /// Takes note that the server has got this extension, and of how long the lease still lasted when it was sent.
    pub fn extended(
        &self,
        extension: &LeaseExtension,
        sent: Instant,
        left: Option<&prost_types::Duration>,
    ) {
        let mut state = self.state.lock().unwrap();
        state.until = sent + duration(left);
        if state.progress == extension.progress {
            state.progress = None;
        }
    }

    /// Whether the lease may still hold.
    pub fn is_held(&self) -> bool {
        self.state.lock().unwrap().until > Instant::now()
    }
}

/// A duration on the wire; one that is not set is none.
pub fn duration(value: Option<&prost_types::Duration>) -> Duration {
    value
        .and_then(|value| Duration::try_from(*value).ok())
        .unwrap_or_default()
}
