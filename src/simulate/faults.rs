//! The faults that can be seeded, by name, and how the truth about them is written.
//!
//! Names come in, faults go out; an unknown name is refused with the list of those that are known.
//! What must stay true: a fault is listed only if it is made; the lines of `truth.csv` say which
//! rule family (`DU` stands for both duplicate rules) owes a finding, and about which records, or
//! which office, or which office in which period.

use std::fmt;
use std::str::FromStr;

use super::SimulateError;
use super::delivery::{Delivery, Kind};

macro_rules! faults {
    ($($variant:ident $name:literal $what:literal),+ $(,)?) => {
        /// A kind of fault that a delivery can be given.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $what] $variant,)+
        }

        impl Fault {
            /// Every fault, in the order of the list of names.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the command line and in `truth.csv`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the fault is, in a few words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }
    };
}

faults! {
    DupExact "dup_exact" "A birth is reported twice under two record numbers.",
    DupFuzzy "dup_fuzzy" "A birth is reported again with another name, no ID number, or by another village.",
    BadId "bad_id" "A mother's ID number has a wrong check digit.",
    SharedId "shared_id" "Two residents carry one ID number.",
    Backdated "backdated" "A birth is reported more than a year after it happened.",
    BeforeEvent "before_event" "A birth is reported before it happened.",
    DeathFirst "death_first" "A person dies before being born.",
    MotherAge "mother_age" "A mother is far too young or too old.",
    Interval "interval" "A mother bears twice within 60 to 150 days.",
    WeightTypo "weight_typo" "A birth weight has lost or gained a digit.",
    CertFormat "cert_format" "A birth certificate number is malformed.",
    Omitted "omitted" "A village leaves out a birth that the hospital reports.",
    Fabricated "fabricated" "A village reports a hospital birth that the hospital does not know.",
    UnderReport "under_report" "A village leaves out a third of its births.",
    SexFlip "sex_flip" "A village reports many girls as boys.",
    DayHeap "day_heap" "A village dates births to the 1st and the 15th.",
    Bunching "bunching" "A village reports on the last two days of the month.",
    WeightHeap "weight_heap" "A village rounds birth weights to 500 g.",
    GirlsLate "girls_late" "A village reports half of its girls more than a month late.",
    Edge "edge" "A township dates births of early October to the end of the statistical year.",
    LossDup "loss_dup" "A pregnancy loss is reported twice.",
    ReturnMismatch "return_mismatch" "A return counts more births than the ledger.",
    ReturnSum "return_sum" "Boys and girls of a return do not add up to its births.",
    TownshipSum "township_sum" "A township's return is not the sum of its villages'.",
    PopulationJump "population_jump" "A return's population is 5% too large.",
    LateReturn "late_return" "A village submits its return on the 12th.",
    Repeats "repeats" "A village returns one number of births ten months running.",
    Outlier "outlier" "A village returns six times its usual births in one month.",
    ZeroRun "zero_run" "A village returns no births for eight months.",
    Smooth "smooth" "A village returns nearly the same births every month.",
    DupPayment "dup_payment" "A beneficiary is paid twice.",
    EarlyPay "early_pay" "Somebody below the age of the scheme is listed and paid.",
    WrongAmount "wrong_amount" "A payment is not the amount of the rate table.",
    Unpaid "unpaid" "A listed beneficiary is never paid.",
    Ghost "ghost" "Persons who are in no register are paid to one account.",
    DeadPaid "dead_paid" "Somebody is paid for a year after the death.",
    FewMarriages "few_marriages" "A village leaves out most of its marriages.",
    Slide "slide" "A village reports few marriages from the middle of the delivery on.",
    AgeHeap "age_heap" "A village knows ages without ID numbers, most of them to five years.",
    RateBases "rate_bases" "Two rates of one return divide by different populations.",
    Funding "funding" "The township receives too little programme funding.",
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = SimulateError;

    /// Accepts `dup_exact` as well as `dup-exact`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().replace('-', "_");
        Self::ALL
            .iter()
            .find(|fault| fault.name() == name)
            .copied()
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
                SimulateError::UnknownFault {
                    name: text.trim().to_owned(),
                    known: known.join(", "),
                }
            })
    }
}

/// Reads a list of faults: `all`, or names set apart by commas; empty means none.
pub fn parse_faults(list: &str) -> Result<Vec<Fault>, SimulateError> {
    let list = list.trim();
    if list == "all" {
        return Ok(Fault::ALL.to_vec());
    }
    let names = list.split(',').filter(|name| !name.trim().is_empty());
    let mut faults = names.map(str::parse).collect::<Result<Vec<Fault>, _>>()?;
    faults.sort_unstable();
    faults.dedup();
    Ok(faults)
}

/// One line of `truth.csv`.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    /// Name of the fault, or of a consequence of it that is owed a finding of its own.
    pub(super) fault: &'static str,
    /// The family of rules that owes the finding.
    pub(super) family: &'static str,
    /// Records, an office, or `office@period`, set apart by spaces.
    pub(super) keys: String,
    /// Whether the finding must name all the keys, or any of them.
    pub(super) all: bool,
    /// Families that may rightly name the keys too.
    pub(super) also: &'static str,
    /// Whether the fault is strong enough for the finding to be owed.
    pub(super) must: bool,
    pub(super) note: String,
}

impl Truth {
    /// A fault whose finding may name any of the keys.
    pub(super) fn any(fault: &'static str, family: &'static str, keys: String) -> Self {
        Self {
            fault,
            family,
            keys,
            all: false,
            also: "",
            must: true,
            note: String::new(),
        }
    }

    /// A fault whose finding must name all keys.
    pub(super) fn all(fault: &'static str, family: &'static str, keys: String) -> Self {
        Self {
            all: true,
            ..Self::any(fault, family, keys)
        }
    }

    pub(super) fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }

    pub(super) fn owed(self, must: bool) -> Self {
        Self { must, ..self }
    }

    pub(super) fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    pub(super) fn write(&self, delivery: &mut Delivery) -> Result<(), SimulateError> {
        let sheet = delivery.sheet(Kind::Truth);
        sheet.text(self.fault).text(self.family).text(&self.keys);
        sheet
            .text(if self.all { "all" } else { "any" })
            .text(self.also);
        sheet
            .text(if self.must { "1" } else { "0" })
            .text(&self.note);
        sheet.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_faults_are_read() {
        assert_eq!(parse_faults("all").unwrap(), Fault::ALL);
        assert_eq!(parse_faults("").unwrap(), []);
        let two = parse_faults("ghost, dup-exact,ghost").unwrap();
        assert_eq!(two, [Fault::DupExact, Fault::Ghost]);
        let error = parse_faults("gost").unwrap_err().to_string();
        assert!(
            error.starts_with("unknown fault gost; known are all, dup_exact"),
            "{error}"
        );
    }
}
