//! Ends leases.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::{transport::Channel, Code, Request, Status};

use crate::attempt::Attempt;
use crate::gatherer::{Gatherer, BATCH_BYTES};
use crate::gotaskq::{
    job_completion::ResultKind, worker_service_client::WorkerServiceClient, CompleteJobsRequest,
    FailJobsRequest, JobCompletion, JobFailure, JobRelease, ReleaseJobsRequest, SettleResult,
};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(10);

/// Each answer comes when the server was told, or with the error why it was not.
pub struct Settler {
    completions: Gatherer<JobCompletion>,
    failures: Gatherer<JobFailure>,
    releases: Gatherer<JobRelease>,
}

impl Settler {
    pub fn new(client: WorkerServiceClient<Channel>) -> Self {
        let (completing, failing, releasing) = (client.clone(), client.clone(), client);
        Self {
            completions: Gatherer::new(move |completions| {
                let mut client = completing.clone();
                async move {
                    let response = client
                        .complete_jobs(request(CompleteJobsRequest { completions }))
                        .await?;
                    Ok(response.into_inner().outcomes)
                }
            }),
            failures: Gatherer::new(move |failures| {
                let mut client = failing.clone();
                async move {
                    Ok(client
                        .fail_jobs(request(FailJobsRequest { failures }))
                        .await?
                        .into_inner()
                        .outcomes)
                }
            }),
            releases: Gatherer::new(move |releases| {
                let mut client = releasing.clone();
                async move {
                    let response = client
                        .release_jobs(request(ReleaseJobsRequest { releases }))
                        .await?;
                    Ok(response.into_inner().outcomes)
                }
            }),
        }
    }

    /// The job succeeded, with this result as JSON. A result that the server refuses is a failure.
    pub async fn complete(
        &self,
        attempt: &Arc<Attempt>,
        result: Option<String>,
    ) -> Result<SettleResult, Status> {
        let completion = JobCompletion {
            job_id: attempt.id(),
            lease_token: attempt.token(),
            result_kind: result.map(ResultKind::ResultJson),
        };
        let size = completion.encoded_len();
        if size > BATCH_BYTES {
            return self
                .fail(attempt, format!("the result is too large: {size} bytes"))
                .await;
        }
        match self.completions.settle(attempt, completion).await {
            Err(error) if error.code() == Code::InvalidArgument => {
                self.fail(
                    attempt,
                    format!("the result was refused: {}", error.message()),
                )
                .await
            }
            told => told,
        }
    }

    /// The job failed. For one whose cancel was asked for, this acknowledges it.
    pub async fn fail(
        &self,
        attempt: &Arc<Attempt>,
        error: String,
    ) -> Result<SettleResult, Status> {
        let (job_id, lease_token) = (attempt.id(), attempt.token());
        self.failures
            .settle(
                attempt,
                JobFailure {
                    job_id,
                    lease_token,
                    error,
                    ..Default::default()
                },
            )
            .await
    }

    /// The job goes back to its old place.
    pub async fn release(&self, attempt: &Arc<Attempt>) -> Result<SettleResult, Status> {
        let (job_id, lease_token) = (attempt.id(), attempt.token());
        self.releases
            .settle(
                attempt,
                JobRelease {
                    job_id,
                    lease_token,
                    ..Default::default()
                },
            )
            .await
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL);
    request
}
