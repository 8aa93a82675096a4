//! Tells a server how jobs ended, many in one call.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};

use crate::attempt::Attempt;
use crate::backoff::backoff;
use crate::gotaskq::{SettleOutcome, SettleResult};

/// Bounds of one call: the server takes up to 1000 jobs, and messages of up to 4 MiB.
pub const BATCH_JOBS: usize = 1000;
pub const BATCH_BYTES: usize = (4 << 20) - (64 << 10);

/// Makes the calls of one kind. What comes while a call is under way goes together in the next one: an outcome alone is
/// told at once, and a thousand of them cost hardly more than one. `T` says how a job ended, as in `JobCompletion`.
pub struct Gatherer<T> {
    waiting: mpsc::UnboundedSender<Settlement<T>>,
}

struct Settlement<T> {
    attempt: Arc<Attempt>,
    write: T,
    told: oneshot::Sender<Result<SettleResult, Status>>,
}

impl<T: Message + Clone + 'static> Gatherer<T> {
    /// `call` makes one call, which answers an outcome for each.
    pub fn new<F, Answer>(call: F) -> Self
    where
        F: Fn(Vec<T>) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Vec<SettleOutcome>, Status>> + Send + 'static,
    {
        let (waiting, settlements) = mpsc::unbounded_channel();
        tokio::spawn(run(call, settlements));
        Self { waiting }
    }

    /// Tells how one job ended, again and again until its lease has ended: a repeat is harmless. Resolves to what the
    /// server answered, or to the error why it was not told.
    pub fn settle(
        &self,
        attempt: &Arc<Attempt>,
        write: T,
    ) -> impl Future<Output = Result<SettleResult, Status>> {
        let (told, answer) = oneshot::channel();
        let attempt = attempt.clone();
        let sent = self.waiting.send(Settlement {
            attempt,
            write,
            told,
        });
        async move {
            let gone = |_| Status::internal("the gatherer is gone");
            sent.map_err(|_| gone(()))?;
            answer.await.map_err(|_| gone(()))?
        }
    }
}

/// Makes one call after another while there are settlements.
async fn run<T, F, Answer>(call: F, mut settlements: mpsc::UnboundedReceiver<Settlement<T>>)
where
    T: Message + Clone,
    F: Fn(Vec<T>) -> Answer,
    Answer: Future<Output = Result<Vec<SettleOutcome>, Status>>,
{
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(first) = settlements.recv().await else {
                return;
            };
            waiting.push_back(first);
        }
        while let Ok(next) = settlements.try_recv() {
            waiting.push_back(next);
        }
        tell(&call, take(&mut waiting)).await;
    }
}

/// Takes as much of what waits as fits into a call.
fn take<T: Message>(waiting: &mut VecDeque<Settlement<T>>) -> Vec<Settlement<T>> {
    let (mut count, mut size) = (0, 0);
    for settlement in waiting.iter().take(BATCH_JOBS) {
        size += settlement.write.encoded_len();
        if size > BATCH_BYTES && count > 0 {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}

/// Tells the server, again and again while that may help.
async fn tell<T, F, Answer>(call: &F, batch: Vec<Settlement<T>>)
where
    T: Message + Clone,
    F: Fn(Vec<T>) -> Answer,
    Answer: Future<Output = Result<Vec<SettleOutcome>, Status>>,
{
    let mut parts = vec![batch];
    let mut failures = 0;
    while let Some(mut part) = parts.pop() {
        match call(part.iter().map(|each| each.write.clone()).collect()).await {
            Ok(outcomes) => {
                for (settlement, outcome) in part.into_iter().zip(outcomes) {
                    let _ = settlement.told.send(Ok(outcome.result()));
                }
            }
            // Nothing of the call was done. One bad result must not hold up the others: look for it by halves.
            Err(error) if error.code() == Code::InvalidArgument && part.len() > 1 => {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
            Err(error) => {
                let is_final = error.code() == Code::InvalidArgument;
                if !is_final {
                    failures += 1;
                    tokio::time::sleep(backoff(failures)).await;
                }
                let (again, given_up): (Vec<_>, _) = part
                    .into_iter()
                    .partition(|each| !is_final && each.attempt.is_held());
                for settlement in given_up {
                    let _ = settlement.told.send(Err(error.clone()));
                }
                if !again.is_empty() {
                    parts.push(again);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
