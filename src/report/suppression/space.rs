//! Every table that agrees with what is published: how far a count can be moved inside it.
//!
//! What comes in: counts with their true values, sums of them that are published, equations
//! between them. What goes out: another table that agrees with everything published and in which
//! a count, or a sum of counts, is as large or as small as is asked; or the published sums that
//! are in its way. What may fail: a coefficient beyond 31 bits, and more steps than [`MAX_STEPS`];
//! then nothing is claimed. What must stay true: all arithmetic is exact, and the table that is
//! held agrees with every published sum at any time, because it begins at the truth and every
//! step keeps the sums.
//!
//! The method is the simplex method with bounded variables (Dantzig; Bland's rule against cycling,
//! Mathematics of Operations Research 2 (1977) 103-107), begun at an inner point: variables outside
//! the basis may stand anywhere above their bound. Rows are held sparse, with whole coefficients.

use crate::statistics::rational::Rational;

/// Steps after which an attempt is given up.
const MAX_STEPS: usize = 20_000;
/// Steps in a row that move nothing, after which Bland's rule chooses.
const PATIENCE: usize = 60;

/// How a variable may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// From 0 upwards: a count, less the least that it is known to be.
    AtLeastZero,
    /// Not at all: a sum that is published, measured from its true value.
    Fixed,
    /// Anywhere: a sum that is withheld.
    Free,
}

/// A variable and its coefficient, in few bytes: most of the time goes into moving them.
type Term = (u32, i32);

/// `scale * basic + sum of terms` is constant; `scale` is positive, terms are in order of variable.
#[derive(Debug, Clone)]
struct Row {
    basic: usize,
    scale: i32,
    terms: Vec<Term>,
}

impl Row {
    fn of(&self, variable: usize) -> Option<i32> {
        let at = self
            .terms
            .binary_search_by_key(&variable, |term| term.0 as usize);
        at.ok().map(|at| self.terms[at].1)
    }
}

/// A linear form: variables with their coefficients.
pub type Form = [(usize, i64)];

/// How an attempt to move a form ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// The table that is held reaches the goal.
    Reached,
    /// No table reaches it; these published sums are in the way.
    Stuck(Vec<usize>),
    /// It was given up.
    Unknown,
}

/// A coefficient that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Overflow;

/// The tables that agree with what is published, and one of them.
#[derive(Debug, Clone, Default)]
pub struct Space {
    bounds: Vec<Bound>,
    values: Vec<Rational>,
    rows: Vec<Row>,
    /// The row in which a variable is basic.
    row_of: Vec<Option<usize>>,
    /// Rows that may hold a variable; more may be listed than do.
    columns: Vec<Vec<usize>>,
    /// Sums that are withheld for good, so that nobody asks for their values.
    forgotten: Vec<bool>,
    /// Rows may be half changed, so that nothing can be said any more.
    overflowed: bool,
}

const ZERO: Rational = Rational::whole(0);

impl Space {
    fn variable(&mut self, bound: Bound, value: i64) -> usize {
        self.bounds.push(bound);
        self.values.push(Rational::whole(value.into()));
        self.row_of.push(None);
        self.columns.push(Vec::new());
        self.forgotten.push(false);
        self.bounds.len() - 1
    }

    /// Adds a count that stands so far above the least that it is known to be.
    pub fn count(&mut self, above_least: i64) -> usize {
        self.variable(Bound::AtLeastZero, above_least)
    }

    /// Adds a published sum of counts; it stands for its distance from the true value. To be done
    /// before anything is moved.
    pub fn published(&mut self, form: &Form) -> usize {
        let sum = self.variable(Bound::Fixed, 0);
        let row = self.rows.len();
        for (part, _) in form {
            self.columns[*part].push(row);
        }
        let terms = turned(form);
        self.row_of[sum] = Some(row);
        self.rows.push(Row {
            basic: sum,
            scale: 1,
            terms,
        });
        sum
    }

    /// Withholds a sum that was published.
    pub fn withhold(&mut self, sum: usize) {
        self.bounds[sum] = Bound::Free;
    }

    /// Whether the table that is held has another value for a sum than the truth.
    pub fn has_moved(&self, sum: usize) -> bool {
        self.values[sum] != ZERO
    }

    /// Keeps a withheld sum so for good. Where it is basic, its row only says what it is.
    pub fn forget(&mut self, sum: usize) {
        self.forgotten[sum] = true;
        if let Some(row) = self.row_of[sum] {
            self.rows[row].terms = Vec::new();
        }
    }

    /// Publishes a sum that was withheld and has not moved.
    pub fn publish(&mut self, sum: usize) {
        self.bounds[sum] = Bound::Fixed;
    }

    /// The value of a form in the table that is held; `None` where it does not fit.
    pub fn value(&self, form: &Form) -> Option<Rational> {
        let mut whole = 0_i128;
        let mut sum = ZERO;
        for (variable, by) in form {
            let (value, by) = (self.values[*variable], i128::from(*by));
            // Most values are whole, and whole numbers need no lowest terms.
            if value.denominator() == 1 {
                whole = whole.checked_add(value.numerator().checked_mul(by)?)?;
            } else {
                sum = sum.minus(value.times(Rational::whole(-by))?)?;
            }
        }
        sum.minus(Rational::whole(-whole))
    }

    /// Moves the table that is held until the form is at least the goal.
    pub fn raise(&mut self, form: &Form, goal: Rational) -> Moved {
        if self.overflowed {
            return Moved::Unknown;
        }
        let moved = self.try_to_raise(form, goal);
        self.overflowed = moved.is_err();
        moved.unwrap_or(Moved::Unknown)
    }

    fn try_to_raise(&mut self, form: &Form, goal: Rational) -> Result<Moved, Overflow> {
        let mut objective = self.objective(form)?;
        let mut still = 0;
        let missing = self.value(form).and_then(|value| goal.minus(value));
        let mut missing = missing.ok_or(Overflow)?;
        for _ in 0..MAX_STEPS {
            if missing <= ZERO {
                return Ok(Moved::Reached);
            }
            let Some((entering, up)) = self.entering(&objective, still > PATIENCE) else {
                let in_the_way = objective.terms.iter().map(|term| term.0 as usize);
                let fixed = in_the_way.filter(|v| self.bounds[*v] == Bound::Fixed);
                return Ok(Moved::Stuck(fixed.collect()));
            };
            let rows = self.rows_with(entering);
            let (limit, leaving) = self.limit(entering, up, &rows)?;
            // As far as is needed, but by a whole number: while all variables outside the basis are
            // whole, no value has a larger denominator than the scale of its row.
            let gain = objective.of(entering).unwrap_or(0).unsigned_abs();
            let gain = Rational::new(i128::from(gain), objective.scale.into()).ok_or(Overflow)?;
            let needed = missing.over(gain).map(rounded_up).ok_or(Overflow)?;
            let enough = limit.is_none_or(|limit| needed <= limit);
            let by = limit.filter(|_| !enough).unwrap_or(needed);
            still = if by == ZERO { still + 1 } else { 0 };
            self.shift(entering, up, by, &rows)?;
            let gained = by.times(gain).ok_or(Overflow)?;
            missing = missing.minus(gained).ok_or(Overflow)?;
            if let Some(row) = leaving.filter(|_| !enough) {
                let (mut filled, mut room) = (Vec::new(), Vec::new());
                let pivot = self.pivot(row, entering, &rows)?;
                take_out(&mut objective, &pivot, &mut filled, &mut room)?;
                self.settle(row, pivot);
            }
        }
        Ok(Moved::Unknown)
    }

    /// The form as a row over variables outside the basis; its basic variable is the form itself.
    fn objective(&self, form: &Form) -> Result<Row, Overflow> {
        let mut row = Row {
            basic: usize::MAX,
            scale: 1,
            terms: turned(form),
        };
        let (mut filled, mut room) = (Vec::new(), Vec::new());
        for other in form.iter().filter_map(|(v, _)| self.row_of[*v]) {
            take_out(&mut row, &self.rows[other], &mut filled, &mut room)?;
        }
        Ok(row)
    }

    /// A variable that raises the objective, and whether upwards.
    fn entering(&self, objective: &Row, first: bool) -> Option<(usize, bool)> {
        let mut best: Option<(u32, usize, bool)> = None;
        for (variable, by) in &objective.terms {
            let up = *by < 0;
            let variable = *variable as usize;
            let may = match self.bounds[variable] {
                Bound::AtLeastZero => up || self.values[variable] > ZERO,
                Bound::Free => true,
                Bound::Fixed => false,
            };
            let gain = by.unsigned_abs();
            if may && best.is_none_or(|(most, _, _)| gain > most) {
                best = Some((gain, variable, up));
                if first {
                    break;
                }
            }
        }
        best.map(|(_, variable, up)| (variable, up))
    }

    /// Rows that hold the variable outside their basis.
    fn rows_with(&mut self, variable: usize) -> Vec<usize> {
        let mut rows = std::mem::take(&mut self.columns[variable]);
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|row| self.rows[*row].of(variable).is_some());
        self.columns[variable].clone_from(&rows);
        rows
    }

    /// How far the variable can go, and the row whose basic variable stops it; no row where it
    /// stops itself, no limit where nothing does.
    fn limit(
        &self,
        entering: usize,
        up: bool,
        rows: &[usize],
    ) -> Result<(Option<Rational>, Option<usize>), Overflow> {
        let own = !up && self.bounds[entering] == Bound::AtLeastZero;
        let mut limit = own.then(|| self.values[entering]);
        let mut leaving: Option<(usize, bool)> = None;
        for index in rows {
            let row = &self.rows[*index];
            let by = row.of(entering).unwrap_or(0);
            let falls = (by > 0) == up;
            let stop = match self.bounds[row.basic] {
                Bound::Fixed => ZERO,
                Bound::AtLeastZero if falls => {
                    let ratio = Rational::new(row.scale.into(), by.unsigned_abs().into());
                    let stop = ratio.and_then(|ratio| self.values[row.basic].times(ratio));
                    stop.ok_or(Overflow)?
                }
                Bound::AtLeastZero | Bound::Free => continue,
            };
            let is_fixed = self.bounds[row.basic] == Bound::Fixed;
            // Of several that stop it at once a published sum leaves, for it never comes back;
            // then the first variable.
            let before = |(other, fixed): (usize, bool)| {
                let basic = self.rows[other].basic;
                (!is_fixed, row.basic) < (!fixed, basic)
            };
            let nearer = match limit {
                None => true,
                Some(limit) => stop < limit || (stop == limit && leaving.is_some_and(before)),
            };
            if nearer {
                limit = Some(stop);
                leaving = Some((*index, is_fixed));
            }
        }
        Ok((limit, leaving.map(|(row, _)| row)))
    }

    /// Moves the variable, and with it every basic variable that depends on it.
    fn shift(
        &mut self,
        entering: usize,
        up: bool,
        by: Rational,
        rows: &[usize],
    ) -> Result<(), Overflow> {
        if by == ZERO {
            return Ok(());
        }
        let down = if up {
            Rational::whole(-1)
        } else {
            Rational::whole(1)
        };
        let fall = by.times(down).ok_or(Overflow)?;
        let rise = fall.times(Rational::whole(-1)).ok_or(Overflow)?;
        let mut moved = vec![(entering, self.values[entering].minus(fall).ok_or(Overflow)?)];
        for index in rows {
            let row = &self.rows[*index];
            let share = Rational::new(row.of(entering).unwrap_or(0).into(), row.scale.into());
            let lost = share.and_then(|share| share.times(rise)).ok_or(Overflow)?;
            moved.push((
                row.basic,
                self.values[row.basic].minus(lost).ok_or(Overflow)?,
            ));
        }
        // Nothing is changed before everything is known to fit.
        for (variable, value) in moved {
            self.values[variable] = value;
        }
        Ok(())
    }

    /// The row in which the variable takes the place of the basic one, after it has left all other
    /// rows.
    fn pivot(&mut self, index: usize, entering: usize, rows: &[usize]) -> Result<Row, Overflow> {
        let row = &self.rows[index];
        let leaving = row.basic;
        let mut pivot = Row {
            basic: entering,
            scale: row.of(entering).unwrap_or(1),
            terms: row.terms.clone(),
        };
        let number = u32::try_from(leaving).map_err(|_| Overflow)?;
        pivot.terms.retain(|term| term.0 as usize != entering);
        let at = pivot.terms.partition_point(|term| term.0 < number);
        pivot.terms.insert(at, (number, row.scale));
        reduce(&mut pivot);
        let (mut filled, mut room) = (Vec::new(), Vec::new());
        for other in rows.iter().filter(|other| **other != index) {
            take_out(&mut self.rows[*other], &pivot, &mut filled, &mut room)?;
            for variable in filled.drain(..) {
                self.columns[variable].push(*other);
            }
        }
        Ok(pivot)
    }

    /// Puts the new row in its place.
    fn settle(&mut self, index: usize, mut row: Row) {
        let leaving = self.rows[index].basic;
        self.columns[leaving].push(index);
        self.columns[row.basic].clear();
        self.row_of[leaving] = None;
        self.row_of[row.basic] = Some(index);
        if self.forgotten[row.basic] {
            row.terms = Vec::new();
        }
        self.rows[index] = row;
    }
}

/// The form with the other sign, in order of variable.
fn turned(form: &Form) -> Vec<Term> {
    let turned = form.iter().filter_map(|(variable, by)| {
        let variable = u32::try_from(*variable).ok()?;
        Some((variable, i32::try_from(-by).ok()?))
    });
    let mut terms: Vec<Term> = turned.collect();
    terms.sort_unstable_by_key(|term| term.0);
    terms
}

/// Takes the basic variable of `pivot` out of a row. Variables that come into the row are noted;
/// `room` is where the row is made anew. After an overflow the row is as it was.
fn take_out(
    row: &mut Row,
    pivot: &Row,
    filled: &mut Vec<usize>,
    room: &mut Vec<Term>,
) -> Result<(), Overflow> {
    let Some(by) = row.of(pivot.basic) else {
        return Ok(());
    };
    let divisor = common_divisor(by.unsigned_abs(), pivot.scale.unsigned_abs());
    let divisor = i32::try_from(divisor).map_err(|_| Overflow)?;
    let (times, by) = (pivot.scale / divisor, by / divisor);
    let scale = row.scale.checked_mul(times).ok_or(Overflow)?;
    room.clear();
    let (mut own, mut others) = (row.terms.iter(), pivot.terms.iter());
    let (mut left, mut right) = (own.next(), others.next());
    loop {
        let (variable, factor) = match (left, right) {
            (Some((a, x)), Some((b, y))) if a == b => {
                (left, right) = (own.next(), others.next());
                (*a, sum_of_products(*x, times, *y, by)?)
            }
            (Some((a, x)), Some((b, _))) if a < b => {
                left = own.next();
                (*a, sum_of_products(*x, times, 0, 0)?)
            }
            (_, Some((b, y))) => {
                right = others.next();
                filled.push(*b as usize);
                (*b, sum_of_products(0, 0, *y, by)?)
            }
            (Some((a, x)), None) => {
                left = own.next();
                (*a, sum_of_products(*x, times, 0, 0)?)
            }
            (None, None) => break,
        };
        if factor != 0 && variable as usize != pivot.basic {
            room.push((variable, factor));
        }
    }
    std::mem::swap(&mut row.terms, room);
    row.scale = scale;
    reduce(row);
    Ok(())
}

/// `a times - b by`.
fn sum_of_products(a: i32, times: i32, b: i32, by: i32) -> Result<i32, Overflow> {
    let exact = i64::from(a) * i64::from(times) - i64::from(b) * i64::from(by);
    i32::try_from(exact).map_err(|_| Overflow)
}

/// Puts a row into lowest terms, with a positive scale.
fn reduce(row: &mut Row) {
    let mut divisor = row.scale.unsigned_abs();
    for (_, by) in &row.terms {
        if divisor == 1 {
            break;
        }
        divisor = common_divisor(divisor, by.unsigned_abs());
    }
    let divisor = i32::try_from(divisor).unwrap_or(1).max(1) * row.scale.signum();
    if divisor != 1 {
        row.scale /= divisor;
        for (_, by) in &mut row.terms {
            *by /= divisor;
        }
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The least whole number that is not below a fraction above 0.
fn rounded_up(fraction: Rational) -> Rational {
    let (over, under) = (fraction.numerator(), fraction.denominator());
    Rational::whole(over.div_euclid(under) + i128::from(over.rem_euclid(under) > 0))
}
