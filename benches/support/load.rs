//! Clients that work side by side, each sending its next command once the last was answered.
//!
//! What comes in: commands that were made before, and what to do with one. What goes out: how
//! many were answered a second, and how long each waited. What must stay true: what is measured
//! begins after a warm-up, which opens connections and prepares statements; a command that fails
//! is counted apart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, ensure};

/// What was measured.
pub struct Load {
    /// Commands that failed.
    pub failed: usize,
    /// From the end of the warm-up to the last answer.
    pub elapsed: Duration,
    /// Of each command that was answered after the warm-up, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    /// From the latencies of what was done.
    pub fn new(mut latencies: Vec<Duration>, failed: usize, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self {
            failed,
            elapsed,
            latencies,
        }
    }

    /// A percentile of the latencies, in milliseconds.
    pub fn percentile(&self, per_cent: usize) -> f64 {
        let rank = (self.latencies.len() * per_cent).div_ceil(100);
        let found = self.latencies.get(rank.saturating_sub(1));
        found.map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }

    /// Commands a second.
    #[expect(clippy::cast_precision_loss, reason = "a count of commands is small")]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// How many clients there are, and how long is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Clients at once.
    pub clients: usize,
    /// How long is measured.
    pub measured: Duration,
}

impl Plan {
    fn warm_up(&self) -> Duration {
        self.measured / 5
    }

    /// As many commands as are enough at a rate a second that is not reached.
    pub fn commands(&self, rate: u64) -> usize {
        let seconds = (self.measured + self.warm_up()).as_secs() + 1;
        usize::try_from(seconds * rate).unwrap_or(usize::MAX)
    }
}

/// What a client of its own measured.
struct Client {
    latencies: Vec<Duration>,
    failed: Vec<Error>,
    last: Instant,
}

/// Runs the clients until the time is over or the commands are used up.
pub async fn run<Command, Answer>(
    plan: Plan,
    commands: Vec<Command>,
    execute: impl Fn(Command) -> Answer + Clone + Send + 'static,
) -> Result<Load>
where
    Command: Send + 'static,
    Answer: Future<Output = Result<()>> + Send,
{
    let commands = Arc::new(Mutex::new(commands.into_iter()));
    let begin = Instant::now() + plan.warm_up();
    let end = begin + plan.measured;
    let clients: Vec<_> = (0..plan.clients)
        .map(|_| {
            let (commands, execute) = (commands.clone(), execute.clone());
            let next = move || {
                let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
                commands.next()
            };
            tokio::spawn(async move {
                let mut client = Client {
                    latencies: Vec::new(),
                    failed: Vec::new(),
                    last: begin,
                };
                while let Some(command) = next() {
                    let started = Instant::now();
                    if started >= end {
                        break;
                    }
                    match execute(command).await {
                        Ok(()) if started >= begin => {
                            client.latencies.push(started.elapsed());
                            client.last = Instant::now();
                        }
                        Ok(()) => {}
                        Err(error) => client.failed.push(error),
                    }
                }
                client
            })
        })
        .collect();
    let (mut latencies, mut failed, mut last) = (Vec::new(), Vec::new(), begin);
    for client in clients {
        let client = client.await?;
        latencies.extend(client.latencies);
        failed.extend(client.failed);
        last = last.max(client.last);
    }
    if let Some(error) = failed.first() {
        println!("({} failed; the first: {error:#})", failed.len());
    }
    ensure!(!latencies.is_empty(), "nothing was done after the warm-up");
    Ok(Load::new(latencies, failed.len(), last - begin))
}
