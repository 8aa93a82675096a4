//! A client and a worker of GoTaskQ in Rust.
//!
//! ```text
//! gotaskq-client submit TYPE [JSON]   creates a job and prints its id
//! gotaskq-client watch ID             prints each status of a job, and its result at the end
//! gotaskq-client worker               runs jobs until SIGTERM
//! ```
//!
//! The server is at GOTASKQ_URL.

mod attempt;
mod backoff;
mod gatherer;
mod settler;
mod worker;

/// What is generated from the protos.
mod gotaskq {
    #![allow(clippy::all)]
    tonic::include_proto!("gotaskq.v1");
}

use std::{collections::HashMap, env, process::ExitCode, time::Duration};

use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;
use tonic::{
    transport::{Channel, Endpoint},
    Status,
};
use tonic_types::StatusExt;

use gotaskq::{
    create_job_request::PayloadKind, job, job_service_client::JobServiceClient,
    watch_job_response::Event, CreateJobRequest, PayloadFormat, WatchJobRequest,
};
use worker::{handler, Options, Worker};

const USAGE: &str =
    "usage: submit TYPE [JSON] | watch ID | worker [--queue=QUEUE] [--concurrency=N] [--prefetch=N] [--lease=SECONDS]";

/// Why a command failed.
enum Failure {
    Usage,
    Call(Box<Status>),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(Failure::Call(status)) => {
            // A constant, in the details of the error, as FIELD_INVALID.
            let reason = status
                .get_details_error_info()
                .map_or(format!("{:?}", status.code()), |info| info.reason);
            eprintln!("{reason}: {}", status.message());
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Result<(), Failure> {
    let url = env::var("GOTASKQ_URL").unwrap_or("http://127.0.0.1:8000".into());
    let channel = Endpoint::from_shared(url)
        .map_err(|error| Status::invalid_argument(format!("GOTASKQ_URL: {error}")))?
        .connect_timeout(Duration::from_secs(10))
        // Finds out when a connection is dead.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .connect_lazy();
    match args {
        ["submit", job_type] => submit(channel, job_type, None).await,
        ["submit", job_type, payload] => submit(channel, job_type, Some(payload)).await,
        ["watch", id] => watch(channel, id).await,
        ["worker", flags @ ..] => work(channel, flags).await,
        _ => Err(Failure::Usage),
    }
}

async fn submit(channel: Channel, job_type: &str, payload: Option<&str>) -> Result<(), Failure> {
    let request = CreateJobRequest {
        r#type: job_type.into(),
        payload_kind: payload.map(|json| PayloadKind::PayloadJson(json.into())),
        ..Default::default()
    };
    let response = JobServiceClient::new(channel)
        .create_job(request)
        .await?
        .into_inner();
    println!("{}", response.job.unwrap_or_default().id);
    Ok(())
}

async fn watch(channel: Channel, id: &str) -> Result<(), Failure> {
    let request = WatchJobRequest {
        id: id.into(),
        payload_format: PayloadFormat::Text.into(),
    };
    let mut messages = JobServiceClient::new(channel)
        .watch_job(request)
        .await?
        .into_inner();
    while let Some(message) = messages.message().await? {
        let Some(Event::Job(job)) = message.event else {
            continue;
        }; // a heartbeat
        println!(
            "{}",
            job.status().as_str_name().trim_start_matches("JOB_STATUS_")
        );
        if let Some(job::ResultKind::ResultJson(json)) = job.result_kind {
            println!("{json}");
        }
    }
    Ok(())
}

async fn work(channel: Channel, args: &[&str]) -> Result<(), Failure> {
    let flags: HashMap<&str, &str> = args
        .iter()
        .map(|arg| {
            arg.strip_prefix("--")
                .and_then(|flag| flag.split_once('='))
                .ok_or(Failure::Usage)
        })
        .collect::<Result<_, _>>()?;
    let options = Options {
        name: format!(
            "{}/{}",
            env::var("HOSTNAME").unwrap_or("localhost".into()),
            std::process::id()
        ),
        queues: flags
            .get("queue")
            .map(|queue| queue.to_string())
            .into_iter()
            .collect(),
        concurrency: number(&flags, "concurrency", 10.0)? as usize,
        prefetch: number(&flags, "prefetch", 0.0)? as usize,
        lease: Duration::try_from_secs_f64(number(&flags, "lease", 30.0)?)
            .map_err(|_| Failure::Usage)?,
        grace: Duration::from_secs(10),
    };
    let handlers = HashMap::from([
        (
            "echo".to_string(),
            handler(|attempt| async move { Ok(attempt.payload_json().map(String::from)) }),
        ),
        // The payload says for how many ms.
        (
            "sleep".to_string(),
            handler(|attempt| async move {
                attempt.progress(50.0, "asleep");
                let ms: f64 = attempt.payload_json().unwrap_or("0").parse()?;
                tokio::time::sleep(Duration::try_from_secs_f64(ms / 1000.0)?).await;
                Ok(Some("\"slept in Rust\"".into()))
            }),
        ),
    ]);
    let stopping = CancellationToken::new();
    tokio::spawn(stop_at_signals(stopping.clone()));
    Ok(Worker::new(channel, options, handlers)
        .run(stopping)
        .await?)
}

fn number(flags: &HashMap<&str, &str>, name: &str, default: f64) -> Result<f64, Failure> {
    flags
        .get(name)
        .map_or(Ok(default), |text| text.parse().map_err(|_| Failure::Usage))
}

async fn stop_at_signals(stopping: CancellationToken) {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler of SIGTERM");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler of SIGINT");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stopping.cancel();
}
