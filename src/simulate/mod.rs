//! Deliveries of invented data, with the truth about their faults.
//!
//! What comes in: a seed and options (population, months, villages, faults). What goes out: a
//! folder of CSV files as the intake reads them (`offices`, `registrations`, `births`,
//! `pregnancy_losses`, `disbursements`, `activities`, `returns`), and `truth.csv` where faults
//! were asked for. What may fail: options outside their limits, a fault for which the delivery is
//! too small, the disk, a folder that already holds a delivery. What must stay true: the same
//! seed and options give the same bytes; a delivery without faults breaks no rule of records,
//! sums, sources or payments, and its figures are no more remarkable than chance makes them; all
//! persons are invented and live in a region whose code is assigned to no place.
//!
//! # How it works in constant memory
//!
//! Nothing that is generated is kept. A person or an event is derived from its number by a keyed
//! hash (`dice`), distinct ID numbers come from a bijection (`people`), the days of events
//! from one counter a day (`calendar`). The day loop (`run`) holds the numbers of those
//! events that have happened and are not reported yet (at most 30 days of them), one row, the
//! counts of each village and month, and the chosen faults. So memory grows with the events of a
//! month and with villages times months, never with the length of the files.
//!
//! # What is in a delivery
//!
//! Residents live in households of a village; a village reports to its township, and each
//! township has a hospital, which reports births and losses too, and a police station, which
//! reports deaths too. A woman bears at most once in a delivery (twins apart), so intervals
//! between births cannot be wrong. Where births outnumber the register's mothers, the rest are of
//! women who live here and are registered elsewhere. Some births take place at home or in a
//! hospital that sends no file; some mothers in the hospital live elsewhere. Marriages are of
//! persons outside the register. The list of the family support holds about a quarter of those
//! who were 60 on the first day (those who had applied), as long as they live. No household is
//! made to look like a family, nobody divorces, only the aged die, and there are no seasons.
//!
//! # Faults
//!
//! [`Fault::ALL`] names them. Faults of single records have 1 to 40 cases, in villages that have
//! no fault as a whole; each fault of a whole village that births or returns show has a village of
//! its own, so all of them together need twelve. Faults of marriages, ages and rates, which touch
//! neither, lie in the first village and the last. Where a delivery is too small for the audit to see a fault, the truth
//! says that its finding is not owed (`must` is 0).
//!
//! # Order of the rows
//!
//! Each file is in the order of `reported_on` (`submitted_on`). The exceptions: the return of a
//! township that waited for a late village stands after that village's, with its own earlier
//! date, because its sums need it.

mod calendar;
mod delivery;
mod dice;
mod events;
mod faults;
mod names;
mod payments;
mod people;
mod plan;
mod returns;
mod rows;
mod run;
mod seeds;
mod targets;
mod world;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

pub use delivery::{FileRows, Summary};
pub use faults::{Fault, parse_faults};
pub use plan::{Options, Plan, half_year};

/// Why a delivery could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A number outside its limits.
    #[error("{option} must be between {least} and {most}, not {value}")]
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// What was asked for.
        value: u64,
        /// Smallest value allowed.
        least: u64,
        /// Largest value allowed.
        most: u64,
    },
    /// A start that is not the first of a month.
    #[error("a delivery starts on the first of a month from 1990 to 2090, not on {start}")]
    Start {
        /// What was asked for.
        start: NaiveDate,
    },
    /// More persons than there are ID numbers for their ages.
    #[error(
        "there are not enough ID numbers for so many persons; ask for fewer births or residents"
    )]
    TooManyPersons,
    /// A name that is no fault's.
    #[error("unknown fault {name}; known are all, {known}")]
    UnknownFault {
        /// What was asked for.
        name: String,
        /// The names of all faults.
        known: String,
    },
    /// A delivery in which a fault has no room.
    #[error("the fault {fault} needs {needs}")]
    NoRoom {
        /// Which fault.
        fault: Fault,
        /// What the delivery must have.
        needs: &'static str,
    },
    /// A file or folder that could not be written.
    #[error("{} could not be written: {source} (a delivery is written to a new or empty folder)", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes a delivery to the folder `dir`, which may be new. `progress` hears now and then how
/// many rows have been written.
pub fn write(
    dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, SimulateError> {
    run::run(dir, Plan::from_options(options)?, &options.faults, progress)
}

/// Writes the half-year of the known figures (see [`half_year`]).
pub fn write_half_year(dir: &Path, seed: u64) -> Result<Summary, SimulateError> {
    run::run(dir, half_year(seed), &[], &mut |_| ())
}
