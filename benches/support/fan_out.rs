//! How soon many subscribers are told of what is recorded.
//!
//! What comes in: a server, how many subscribers, a rate. What goes out: what came in and what was
//! told a second; how long after its commit each subscriber was told of an event. What may fail: a
//! stream that ends. What must stay true: the moment of a commit is between that at which its batch
//! was sent and that at which the writer had the answer. The time since the answer is the shorter:
//! it leaves out what the answer took to come back (an event may be there before it; that is 0). The
//! time since the batch was sent is the longer: it has the whole recording in it. Both are given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::served::{Process, Target};
use super::subscribers::{self, Coding, Subscriber, Taking};
use super::writer::{self, Written};

/// Streams settle before anything is written.
const SETTLE: Duration = Duration::from_secs(1);
/// Longest that is waited for those that are behind.
const PATIENCE: Duration = Duration::from_mins(1);

/// Times, of which percentiles are asked.
pub struct Times(Vec<u32>);

impl Times {
    /// In milliseconds.
    pub fn percentile(&self, per_cent: usize) -> f64 {
        let rank = (self.0.len() * per_cent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0.0, |us| f64::from(*us) / 1e3)
    }
}

/// What was measured.
pub struct FanOut {
    /// Births a second that were recorded.
    pub recorded: f64,
    /// Events a second that were told, to all together.
    pub told: f64,
    /// From the writer's answer.
    pub since_answer: Times,
    /// From the sending of the batch.
    pub since_sent: Times,
    /// Bytes of an event as it came.
    pub event_bytes: u64,
    /// Positions that were left out or told twice.
    pub wrong: u64,
    /// Subscribers that were not told of everything in the end.
    pub late: usize,
    /// Of one processor, of the server.
    pub server_busy: f64,
    /// Of one processor, of the subscribers and the writer.
    pub clients_busy: f64,
    /// Memory of the server at the end, in kB.
    pub memory_kb: f64,
}

/// Writes at a rate while so many subscribers listen.
pub async fn run(
    target: &Target,
    (count, coding): (usize, Coding),
    rate: u32,
    measured: Duration,
) -> Result<FanOut> {
    let open = subscribers::open(target.address, &target.auditors, count, coding).await?;
    let taking = Taking::begin(open);
    tokio::time::sleep(SETTLE).await;
    let warm_up = measured / 5;
    let to = target.clone();
    let begin = Instant::now();
    let busy = (target.process.busy()?, Process::own().busy()?);
    let writing = tokio::task::spawn_blocking(move || writer::write(&to, rate, warm_up + measured));
    let written = writing.await??;
    let last = written.iter().flat_map(|one| &one.positions).max();
    let (told, late) = taking
        .end(*last.context("nothing was written")?, PATIENCE)
        .await?;
    let elapsed = begin.elapsed().as_secs_f64();
    let memory_kb = target.process.memory_kb()?;
    let share = |process: Process, before: Duration| -> Result<f64> {
        Ok(process.busy_since(before)?.as_secs_f64() / elapsed)
    };
    let (server_busy, clients_busy) = (
        share(target.process, busy.0)?,
        share(Process::own(), busy.1)?,
    );
    let counted = Counted::of(&written, &told, begin + warm_up)?;
    Ok(FanOut {
        recorded: counted.recorded,
        told: counted.told,
        since_answer: counted.since_answer,
        since_sent: counted.since_sent,
        event_bytes: event_bytes(&told),
        wrong: told.iter().map(|one| one.wrong).sum(),
        late,
        server_busy,
        clients_busy,
        memory_kb,
    })
}

fn event_bytes(told: &[Subscriber]) -> u64 {
    let bytes: u64 = told.iter().map(|one| one.bytes).sum();
    let events = told.iter().map(|one| {
        let last = one.told.last().map(|(_, last)| *last);
        last.zip(one.first).map_or(0, |(last, first)| last - first)
    });
    bytes / events.sum::<u64>().max(1)
}

struct Counted {
    recorded: f64,
    told: f64,
    since_answer: Times,
    since_sent: Times,
}

impl Counted {
    /// Of what was sent after the warm-up.
    #[expect(clippy::cast_precision_loss, reason = "counts of events are small")]
    fn of(written: &[Written], told: &[Subscriber], begin: Instant) -> Result<Self> {
        let written: Vec<_> = written.iter().filter(|one| one.sent >= begin).collect();
        let mut moments = HashMap::new();
        for one in &written {
            moments.extend(
                one.positions
                    .iter()
                    .map(|at| (*at, (one.sent, one.answered))),
            );
        }
        let (mut since_answer, mut since_sent) = (Vec::new(), Vec::new());
        let mut end = begin;
        for one in told {
            let mut before = one.first.context("a stream did not begin")?;
            for (moment, upto) in &one.told {
                for at in before + 1..=*upto {
                    if let Some((sent, answered)) = moments.get(&at) {
                        since_answer.push(micros(*moment, *answered));
                        since_sent.push(micros(*moment, *sent));
                        end = end.max(*moment);
                    }
                }
                before = *upto;
            }
        }
        ensure!(!since_answer.is_empty(), "nobody was told of anything");
        let last = written.iter().map(|one| one.answered).max();
        let writing = last.context("nothing was written")? - begin;
        let all = since_answer.len() as f64;
        since_answer.sort_unstable();
        since_sent.sort_unstable();
        Ok(Self {
            recorded: moments.len() as f64 / writing.as_secs_f64(),
            told: all / (end - begin).as_secs_f64(),
            since_answer: Times(since_answer),
            since_sent: Times(since_sent),
        })
    }
}

fn micros(later: Instant, earlier: Instant) -> u32 {
    let between = later.saturating_duration_since(earlier).as_micros();
    u32::try_from(between).unwrap_or(u32::MAX)
}

/// Memory of the server for a stream that is told nothing, in kB, and all its memory without any.
pub async fn memory(target: &Target, idle: usize) -> Result<(f64, f64)> {
    // The first streams begin what all need.
    let few = subscribers::open(target.address, &target.auditors, 20, Coding::Plain).await?;
    drop(few);
    tokio::time::sleep(SETTLE * 3).await;
    let without = target.process.memory_kb()?;
    let open = subscribers::open(target.address, &target.auditors, idle, Coding::Plain).await?;
    let taking = Taking::begin(open);
    // They take the first of what is sent, and then wait.
    tokio::time::sleep(SETTLE * 5).await;
    let with = target.process.memory_kb()?;
    taking.end(0, SETTLE).await?;
    let idle = f64::from(u32::try_from(idle.max(1))?);
    Ok(((with - without) / idle, without))
}
