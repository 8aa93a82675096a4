//! How long to wait before something is tried again.

use std::time::Duration;

/// Doubles from 100 ms to 5 s, half of it random, so that workers do not come back all at once.
pub fn backoff(failures: u32) -> Duration {
    let longest = Duration::from_secs(5)
        .min(Duration::from_millis(100) * (1 << failures.saturating_sub(1).min(6)));
    longest / 2 + (longest / 2).mul_f64(rand::random())
}
