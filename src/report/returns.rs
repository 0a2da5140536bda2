//! Statistical returns: what one should say, and how what was sent stands to the ledger.
//!
//! What comes in: a snapshot, an office and a period. What goes out: a [`Draft`] filled from the
//! ledger, or from the returns of the offices below; and the lines that were sent, each beside
//! the ledger's count ([`Counter`]). What may fail: nothing; what is not there is said to be
//! missing. What must stay true: a return is judged as it counts, by the day of its submission;
//! what came later is a restatement and no error of the return.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::Serialize;

use crate::indicators::counted::Counted;
use crate::indicators::returned::{LINES, line_named, returned};
use crate::model::code::{OfficeLevel, Source};
use crate::model::fields::ReturnFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::period::Period;
use crate::registers::row::RegisterRow;
use crate::registers::snapshot::Snapshot;

/// A line that was sent, as it is now.
pub type Sent<'a> = (&'a RegisterRow, &'a ReturnFields);

/// One line of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DraftLine {
    /// The indicator.
    pub indicator: String,
    /// What the return should say.
    pub value: i128,
    /// What the ledger counts for the office itself, as the return counts.
    pub own_count: i128,
    /// Offices below that sent a return without this line.
    pub without: Vec<OfficeCode>,
}

/// A return filled from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// Whose.
    pub office: OfficeCode,
    /// Which period.
    pub period: Period,
    /// The last entry that counts.
    pub as_of: Option<Position>,
    /// The day of the submission: what was reported later does not count.
    pub submitted_on: NaiveDate,
    /// Offices below whose returns are summed; none for a village.
    pub sum_of: Vec<OfficeCode>,
    /// Those of them that sent no return.
    pub missing: Vec<OfficeCode>,
    /// The lines.
    pub lines: Vec<DraftLine>,
}

/// The offices whose returns an office sums up: a township its villages, a county its townships.
#[must_use]
pub fn summed(offices: &OfficeDirectory, office: OfficeCode) -> Vec<OfficeCode> {
    let below = match offices.get(office).map(|office| office.level) {
        Some(OfficeLevel::Township) => OfficeLevel::Village,
        Some(OfficeLevel::County) => OfficeLevel::Township,
        _ => return Vec::new(),
    };
    let all = offices.all().into_iter();
    all.filter(|other| other.level == below && offices.is_within(other.code, office))
        .map(|other| other.code)
        .collect()
}

/// Every line that counts, by office and period, then by indicator: of two for one indicator the
/// last submitted, of two of one day the later entry.
pub struct Sheets<'a> {
    by_return: BTreeMap<(OfficeCode, Period), Lines<'a>>,
}

/// The lines of one return by indicator.
pub type Lines<'a> = BTreeMap<&'a str, Sent<'a>>;

impl<'a> Sheets<'a> {
    /// The returns of a snapshot.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let mut by_return: BTreeMap<(OfficeCode, Period), Lines<'a>> = BTreeMap::new();
        for (row, fields) in snapshot.returns() {
            let (Some(office), Some(period), Some(indicator), Some(Source::Village)) = (
                fields.office,
                fields.period,
                &fields.indicator,
                fields.source,
            ) else {
                continue;
            };
            let lines = by_return.entry((office, period)).or_default();
            let earlier = lines.get(indicator.0.as_str());
            if earlier.is_none_or(|(_, known)| known.submitted_on <= fields.submitted_on) {
                lines.insert(&indicator.0, (row, fields));
            }
        }
        Self { by_return }
    }

    /// The lines of a return; `None` when it was not sent.
    #[must_use]
    pub fn lines(&self, office: OfficeCode, period: Period) -> Option<&Lines<'a>> {
        self.by_return.get(&(office, period))
    }

    /// Every return that was sent.
    pub fn all(&self) -> impl Iterator<Item = (&(OfficeCode, Period), &Lines<'a>)> {
        self.by_return.iter()
    }
}

/// The indicators that an office sent in any return: a line that it never sends would be missing
/// in all others from then on.
fn form_of(sheets: &Sheets<'_>, office: OfficeCode) -> BTreeSet<String> {
    let own = sheets.all().filter(|((code, _), _)| *code == office);
    own.flat_map(|(_, lines)| lines.keys().map(|name| (*name).to_owned()))
        .collect()
}

/// The value of a line as a whole number.
#[must_use]
pub fn whole(fields: &ReturnFields) -> Option<i128> {
    fields.value.as_ref()?.0.parse().ok()
}

impl Draft {
    /// Fills a return from what is current in the snapshot, with the lines that the office sends;
    /// with all that are counted, when it never sent one.
    #[must_use]
    pub fn fill(
        snapshot: &Snapshot,
        office: OfficeCode,
        period: Period,
        submitted_on: NaiveDate,
    ) -> Self {
        let own = returned(snapshot, office, period, Some(submitted_on));
        let sheets = Sheets::of(snapshot);
        let sum_of = summed(&snapshot.offices, office);
        let sent = |code: &OfficeCode| Some((*code, sheets.lines(*code, period)?));
        let below: Vec<(OfficeCode, &Lines<'_>)> = sum_of.iter().filter_map(sent).collect();
        let missing = sum_of.iter().copied();
        let missing: Vec<OfficeCode> = missing
            .filter(|code| sheets.lines(*code, period).is_none())
            .collect();
        let form = form_of(&sheets, office);
        let used = |name: &&str| form.is_empty() || form.contains(*name);
        let names = LINES.iter().map(|(name, _)| *name).filter(used);
        let lines = names.filter_map(|name| {
            let own_count = own.get(name).copied().unwrap_or_default();
            if sum_of.is_empty() {
                return Some(DraftLine {
                    indicator: name.to_owned(),
                    value: own_count,
                    own_count,
                    without: Vec::new(),
                });
            }
            let values: Vec<(OfficeCode, Option<i128>)> = below
                .iter()
                .map(|(code, lines)| (*code, lines.get(name).and_then(|(_, line)| whole(line))))
                .collect();
            // What no office below reports, its sum does not report either.
            values
                .iter()
                .any(|(_, value)| value.is_some())
                .then(|| DraftLine {
                    indicator: name.to_owned(),
                    value: values.iter().filter_map(|(_, value)| *value).sum(),
                    own_count,
                    without: values
                        .iter()
                        .filter(|(_, value)| value.is_none())
                        .map(|(code, _)| *code)
                        .collect(),
                })
        });
        Self {
            office,
            period,
            as_of: snapshot.position(),
            submitted_on,
            lines: lines.collect(),
            missing,
            sum_of,
        }
    }

    /// Whether every office below sent every line.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.lines.iter().all(|line| line.without.is_empty())
    }
}

/// What a line of a return is, beside the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineVerdict {
    /// It says what the ledger says.
    Agrees,
    /// It was right when it was sent; what came later is a restatement.
    Restated,
    /// It does not say what the ledger counted by the day of its submission.
    Error,
    /// A figure that the ledger does not count.
    Quoted,
}

impl LineVerdict {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Restated => "restated",
            Self::Error => "error",
            Self::Quoted => "quoted",
        }
    }
}

/// A line that was sent, beside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which period.
    pub period: Period,
    /// The indicator.
    pub indicator: String,
    /// What the return says, word for word.
    pub value: Option<String>,
    /// When it was submitted, as claimed.
    pub submitted_on: Option<NaiveDate>,
    /// Where its entry stands.
    pub position: Position,
    /// What the ledger counts as the return counts: of a township, the sum of its villages'
    /// returns, where all are there.
    pub counted: Option<i128>,
    /// What the ledger counts of the period now, whenever it was reported.
    pub now: Option<i128>,
    /// The return less what it should have counted.
    pub difference: Option<i128>,
    /// What came after it: the ledger now less what it should have counted.
    pub came_later: Option<i128>,
    /// What it is.
    pub verdict: LineVerdict,
}

/// Sums of the lines of an indicator over periods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Lines that are summed.
    pub lines: u64,
    /// What the returns say.
    pub value: i128,
    /// What they should have counted.
    pub counted: i128,
    /// What the ledger counts now.
    pub now: i128,
    /// What came later.
    pub came_later: i128,
    /// Lines that are errors of their return.
    pub errors: u64,
}

/// The returns of an office, line by line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Whose.
    pub office: OfficeCode,
    /// Periods inside this one, and itself.
    pub period: Period,
    /// The last entry that counts.
    pub as_of: Option<Position>,
    /// The lines, in order of period.
    pub lines: Vec<Line>,
    /// Sums of flows by indicator, over periods of the shortest kind that was sent.
    pub totals: BTreeMap<String, Total>,
}

/// Counts as returns count, each kept once it was made.
pub struct Counter<'a> {
    snapshot: &'a Snapshot,
    sheets: Sheets<'a>,
    office: OfficeCode,
    /// Whose returns its own are the sum of.
    sum_of: Vec<OfficeCode>,
    counts: HashMap<(Period, Option<NaiveDate>), BTreeMap<&'static str, i128>>,
}

impl<'a> Counter<'a> {
    /// For an office in a snapshot.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, office: OfficeCode) -> Self {
        Self {
            snapshot,
            sheets: Sheets::of(snapshot),
            office,
            sum_of: summed(&snapshot.offices, office),
            counts: HashMap::new(),
        }
    }

    /// The returns that were sent.
    #[must_use]
    pub const fn sheets(&self) -> &Sheets<'a> {
        &self.sheets
    }

    fn count(&mut self, period: Period, by: Option<NaiveDate>, indicator: &str) -> Option<i128> {
        let (snapshot, office) = (self.snapshot, self.office);
        let made = self.counts.entry((period, by));
        let counts = made.or_insert_with(|| returned(snapshot, office, period, by));
        counts.get(indicator).copied()
    }

    /// What a line should have said: the sum of the returns below, where all are there, or the
    /// count.
    fn should_say(&mut self, period: Period, indicator: &str, by: NaiveDate) -> Option<i128> {
        let below = self.sum_of.iter().map(|code| {
            let (_, line) = self.sheets.lines(*code, period)?.get(indicator)?;
            whole(line)
        });
        match below.collect::<Option<Vec<i128>>>() {
            Some(values) if !values.is_empty() => Some(values.into_iter().sum()),
            _ => self.count(period, Some(by), indicator),
        }
    }

    /// The lines that the office sent for periods inside this one, and for itself, beside the
    /// ledger.
    #[must_use]
    pub fn lines(&mut self, within: Period) -> Vec<Line> {
        let own = self.sheets.all();
        let sent: Vec<Sent<'a>> = own
            .filter(|((office, period), _)| *office == self.office && within.has(*period))
            .flat_map(|(_, lines)| lines.values().copied())
            .collect();
        let mut lines: Vec<Line> = sent
            .into_iter()
            .filter_map(|sent| self.compare(sent))
            .collect();
        let place = |name: &str| LINES.iter().position(|(known, _)| *known == name);
        lines.sort_by_key(|line| {
            let known = place(&line.indicator).unwrap_or(LINES.len());
            (
                line.period.last_day(),
                line.period,
                known,
                line.indicator.clone(),
            )
        });
        lines
    }

    /// Holds a line against the ledger as it is now.
    fn compare(&mut self, (row, fields): Sent<'a>) -> Option<Line> {
        let period = fields.period?;
        let indicator = fields.indicator.as_ref()?.0.clone();
        let mut line = Line {
            period,
            value: fields.value.as_ref().map(|value| value.0.clone()),
            submitted_on: fields.submitted_on,
            position: row.position,
            counted: None,
            now: None,
            difference: None,
            came_later: None,
            verdict: LineVerdict::Quoted,
            indicator,
        };
        if line_named(&line.indicator).is_some() {
            line.counted = self.should_say(period, &line.indicator, line.day());
            line.now = self.count(period, None, &line.indicator);
            line.judge(whole(fields));
        }
        Some(line)
    }

    /// A line that does not fit the ledger as it is now may have fitted it as it was when the
    /// return was counted, of which this is a counter: then what it counted was corrected or
    /// withdrawn since, or came with an earlier day of report.
    pub fn excuse(&mut self, line: &mut Line) {
        let value = line.value.as_deref().and_then(|text| text.parse().ok());
        let counted = self.should_say(line.period, &line.indicator, line.day());
        if line.verdict == LineVerdict::Error && value.is_some() && value == counted {
            line.counted = counted;
            line.judge(value);
        }
    }
}

impl Line {
    /// The day up to which the return counts.
    fn day(&self) -> NaiveDate {
        self.submitted_on.unwrap_or_else(|| self.period.last_day())
    }

    fn judge(&mut self, value: Option<i128>) {
        self.difference = value
            .zip(self.counted)
            .map(|(value, counted)| value - counted);
        self.came_later = self
            .now
            .zip(self.counted)
            .map(|(now, counted)| now - counted);
        self.verdict = match (self.difference, self.came_later) {
            (Some(0), Some(0)) => LineVerdict::Agrees,
            (Some(0), _) => LineVerdict::Restated,
            _ => LineVerdict::Error,
        };
    }
}

/// Sums of flows by indicator, over the shortest kind of period alone: a quarter has its months.
#[must_use]
pub fn totals(lines: &[Line]) -> BTreeMap<String, Total> {
    let shortest = lines.iter().map(|line| line.period.months()).min();
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    for line in lines {
        let stock = line_named(&line.indicator).is_none_or(Counted::is_stock);
        let flow = line.verdict != LineVerdict::Quoted && !stock;
        if !flow || Some(line.period.months()) != shortest {
            continue;
        }
        let value = line.value.as_deref().and_then(|text| text.parse().ok());
        let total = totals.entry(line.indicator.clone()).or_default();
        total.lines += 1;
        total.value += value.unwrap_or(0);
        total.counted += line.counted.unwrap_or(0);
        total.now += line.now.unwrap_or(0);
        total.came_later += line.came_later.unwrap_or(0);
        total.errors += u64::from(line.verdict == LineVerdict::Error);
    }
    totals
}

#[cfg(test)]
mod tests;
