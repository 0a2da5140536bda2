//! One look for all who ask at once.
//!
//! What comes in: how to look, from each who asks. What goes out: to each what was seen by a look
//! that began after it asked. What may fail: whatever a look may; all who waited for it are told.
//! What must stay true: nobody is answered with what was seen before it asked; whoever goes away
//! while it looks takes nobody else's answer with it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Joins those who ask at once.
pub struct Joint<T> {
    /// How many looks were begun.
    begun: AtomicU64,
    /// The last look that ended, by its number, and what was seen.
    last: Mutex<(u64, Option<T>)>,
}

impl<T> Default for Joint<T> {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            last: Mutex::new((0, None)),
        }
    }
}

impl<T: Clone> Joint<T> {
    /// Looks, or waits for somebody else's look if that begins later than now.
    pub async fn ask<Look: Future<Output = T>>(&self, look: impl FnOnce() -> Look) -> T {
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let (number, Some(seen)) = &*last
            && *number > begun_before
        {
            return seen.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let seen = look().await;
        *last = (number, Some(seen.clone()));
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const WHILE: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn who_comes_during_a_look_shares_the_next() {
        let joint = Arc::new(Joint::default());
        let looks = Arc::new(AtomicU64::new(0));
        let ask = |wait: u32| {
            let (joint, looks) = (joint.clone(), looks.clone());
            tokio::spawn(async move {
                sleep(WHILE / 10 * wait).await;
                let look = || async {
                    let number = looks.fetch_add(1, Ordering::SeqCst) + 1;
                    sleep(WHILE).await;
                    number
                };
                joint.ask(look).await
            })
        };
        let asked: Vec<_> = [0, 1, 2, 3, 25].into_iter().map(ask).collect();
        let mut seen = Vec::new();
        for one in asked {
            seen.push(one.await.unwrap());
        }
        assert_eq!(seen, [1, 2, 2, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_the_look_to_the_next() {
        let joint = Joint::default();
        let never = joint.ask(|| async {
            sleep(WHILE).await;
            1
        });
        assert!(tokio::time::timeout(WHILE / 2, never).await.is_err());
        assert_eq!(joint.ask(|| async { 2 }).await, 2);
    }
}
