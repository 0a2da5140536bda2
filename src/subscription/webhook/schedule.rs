//! When a delivery is tried again (the schedule that Standard Webhooks recommends).
//!
//! What comes in: how many attempts failed, what the endpoint asked for, a random number. What goes
//! out: how long to wait; nothing when it was the last attempt. What may fail: nothing. What must
//! stay true: no attempt is earlier than the schedule or the endpoint says, and none is put off for
//! longer than [`LONGEST`].

use std::time::Duration;

use chrono::DateTime;

use crate::model::time::Timestamp;

/// Pauses after the first failed attempt, the second, ...: three days in all.
const PAUSES_SECONDS: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];
/// Attempts of a delivery, with the first.
pub const ATTEMPTS: u32 = 10;
/// Longest pause, whatever an endpoint asks for.
pub const LONGEST: Duration = Duration::from_hours(28);
/// Up to so many parts of a hundred are added, so that what failed together does not come together
/// again.
const JITTER_PER_CENT: u32 = 15;

/// How long to wait after the attempt of this number, from 1, has failed; nothing when it was the
/// last. `dice` is a random number from 0 up to 1; `asked` is what the endpoint asked for.
#[must_use]
pub fn pause_after(attempt: u32, dice: f64, asked: Option<Duration>) -> Option<Duration> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let seconds = PAUSES_SECONDS.get(index)?;
    let base = Duration::from_secs(*seconds).max(asked.unwrap_or_default());
    let jitter = f64::from(JITTER_PER_CENT) / 100.0 * dice.clamp(0.0, 1.0);
    Some(base.min(LONGEST).mul_f64(1.0 + jitter).min(LONGEST))
}

/// What `Retry-After` asks for (RFC 9110, 10.2.3): seconds, or a moment.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // What is longer than the type is longer than anybody waits.
        return Some(value.parse().map_or(LONGEST, Duration::from_secs));
    }
    let moment = DateTime::parse_from_rfc2822(value).ok()?;
    // A moment that is past asks for nothing.
    let micros = moment.timestamp_micros().checked_sub(now.micros())?;
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_three_days_and_then_no_more() {
        let pauses: Vec<Duration> = (1..)
            .map_while(|attempt| pause_after(attempt, 0.0, None))
            .collect();
        assert_eq!(pauses.len() + 1, usize::try_from(ATTEMPTS).unwrap());
        assert_eq!(pauses[0], Duration::from_secs(5));
        let total: Duration = pauses.iter().sum();
        // 75:35:05, as the recommendation has it.
        assert_eq!(total, Duration::from_secs(75 * 3600 + 35 * 60 + 5));
        assert_eq!(pause_after(0, 0.0, None), None);
        assert_eq!(pause_after(ATTEMPTS, 0.0, None), None);
    }

    #[test]
    fn chance_only_adds_and_adds_little() {
        let (least, most) = (pause_after(2, 0.0, None), pause_after(2, 1.0, None));
        assert_eq!(least, Some(Duration::from_mins(5)));
        assert_eq!(most, Some(Duration::from_secs(345)));
        assert_eq!(pause_after(9, 1.0, None), Some(Duration::from_mins(1656)));
    }

    #[test]
    fn an_endpoint_can_ask_for_more_but_not_for_less_or_for_ever() {
        let asked = |seconds| pause_after(1, 0.0, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(1), Some(Duration::from_secs(5)));
        assert_eq!(asked(120), Some(Duration::from_mins(2)));
        assert_eq!(asked(u64::MAX), Some(LONGEST));
        assert_eq!(pause_after(1, 1.0, Some(Duration::MAX)), Some(LONGEST));
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::parse_canonical("2026-11-28T10:00:00.000000Z").unwrap();
        let of = |text| retry_after(text, now).map(|pause| pause.as_secs());
        assert_eq!(of("120"), Some(120));
        assert_eq!(of(" 0 "), Some(0));
        assert_eq!(of("Sat, 28 Nov 2026 10:02:00 GMT"), Some(120));
        assert_eq!(of("Sat, 28 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!(of("99999999999999999999999"), Some(LONGEST.as_secs()));
        for wrong in ["", "-1", "soon", "1.5", "2026-11-28"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
