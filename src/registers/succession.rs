//! Which row supersedes which.
//!
//! What comes in: steps, one for each row that is not the first of its record, or withdraws it.
//! What goes out: which rows of a piece of a register hold as of a size, and what stood before a
//! row. What may fail: nothing; bytes that are no steps give `None`. What must stay true: a row
//! that is in no step is superseded by none; steps are in order of position. Most rows are in no
//! step, so what holds is told without a list of all records.

use std::collections::BTreeMap;

use crate::model::id::Position;

/// Bytes of one step: position (u64) || what stood before (u64, all ones for nothing) || 1 for a
/// withdrawal, else 0. Numbers are big-endian.
const STEP_BYTES: usize = 17;

/// A row that follows another of the same record, or withdraws the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Of the row.
    pub(super) position: Position,
    /// Of the row that it supersedes.
    pub(super) before: Option<Position>,
    /// Whether it withdraws the record.
    pub(super) void: bool,
}

/// The bytes of steps, as a segment keeps them.
pub(super) fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(steps.len() * STEP_BYTES);
    for step in steps {
        bytes.extend_from_slice(&step.position.to_be_bytes());
        bytes.extend_from_slice(&step.before.unwrap_or(Position::MAX).to_be_bytes());
        bytes.push(u8::from(step.void));
    }
    bytes
}

/// Reads what [`encode`] wrote; `None` for other bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Step>> {
    let (steps, rest) = bytes.as_chunks::<STEP_BYTES>();
    let number = |bytes: &[u8]| bytes.try_into().ok().map(Position::from_be_bytes);
    let step = |bytes: &[u8; STEP_BYTES]| {
        Some(Step {
            position: number(&bytes[..8])?,
            before: Some(number(&bytes[8..16])?).filter(|before| *before != Position::MAX),
            void: bytes[16] == 1,
        })
    };
    let steps: Vec<Step> = steps.iter().map(step).collect::<Option<_>>()?;
    let in_order = steps.is_sorted_by(|a, b| a.position < b.position);
    (rest.is_empty() && in_order && encode(&steps) == bytes).then_some(steps)
}

/// The steps of every row that is known.
#[derive(Debug, Default)]
pub(super) struct Succession {
    steps: Vec<Step>,
    /// By the position of what is superseded.
    successors: BTreeMap<Position, Position>,
}

impl Succession {
    /// Adds the steps of later rows.
    pub(super) fn extend(&mut self, steps: &[Step]) {
        self.steps.extend_from_slice(steps);
        let pairs = steps.iter().map(|step| (step.before, step.position));
        let pairs = pairs.filter_map(|(before, position)| Some((before?, position)));
        self.successors.extend(pairs);
    }

    /// Forgets the steps of rows from a position on.
    pub(super) fn cut(&mut self, from: Position) {
        let kept = self.steps.partition_point(|step| step.position < from);
        for step in self.steps.drain(kept..) {
            step.before.map(|before| self.successors.remove(&before));
        }
    }

    /// All steps.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps of rows at positions from `first` up to, and without, `end`.
    pub(super) fn between(&self, first: Position, end: Position) -> &[Step] {
        let at = |position| self.steps.partition_point(|step| step.position < position);
        &self.steps[at(first)..at(end)]
    }

    /// The row that the one at a position superseded.
    pub(super) fn before(&self, position: Position) -> Option<Position> {
        let step = self.between(position, position.saturating_add(1)).first()?;
        step.before
    }

    /// Which of these positions, given in order, hold as of a size: those below it that are no
    /// withdrawal and that no row below it supersedes. Gives indexes.
    pub(super) fn holding(&self, positions: &[Position], size: u64) -> Vec<usize> {
        let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
            return Vec::new();
        };
        let end = last.saturating_add(1).min(size);
        if *first >= end {
            return Vec::new();
        }
        let voids = self.between(*first, end).iter().filter(|step| step.void);
        let mut voids = voids.map(|step| step.position).peekable();
        let superseded = self.successors.range(*first..end);
        let superseded = superseded.filter(|(_, successor)| **successor < size);
        let mut superseded = superseded.map(|(position, _)| *position).peekable();
        let mut holding = Vec::with_capacity(positions.len());
        for (index, position) in positions.iter().enumerate() {
            if *position >= end {
                break;
            }
            while voids.next_if(|void| void < position).is_some() {}
            while superseded.next_if(|other| other < position).is_some() {}
            if voids.peek() != Some(position) && superseded.peek() != Some(position) {
                holding.push(index);
            }
        }
        holding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(position: u64, before: Option<u64>, void: bool) -> Step {
        Step {
            position,
            before,
            void,
        }
    }

    /// 1 is corrected by 4 and that by 8; 2 is withdrawn by 7; 9 withdraws what was never there.
    const STEPS: [Step; 4] = [
        step(4, Some(1), false),
        step(7, Some(2), true),
        step(8, Some(4), false),
        step(9, None, true),
    ];

    #[test]
    fn what_holds_depends_on_the_size_alone() {
        let mut succession = Succession::default();
        succession.extend(&STEPS[..2]);
        succession.extend(&STEPS[2..]);
        let positions = [1, 2, 4, 5, 7, 8, 9, 11];
        for (size, expected) in [
            (0, vec![]),
            (2, vec![1]),
            (4, vec![1, 2]),
            (5, vec![2, 4]),
            (7, vec![2, 4, 5]),
            (8, vec![4, 5]),
            (9, vec![5, 8]),
            (20, vec![5, 8, 11]),
        ] {
            let holding = succession.holding(&positions, size).into_iter();
            let holding: Vec<_> = holding.map(|index| positions[index]).collect();
            assert_eq!(holding, expected, "of {size}");
        }
        assert_eq!(succession.before(8), Some(4));
        assert_eq!(succession.before(5), None);
        assert_eq!(succession.between(5, 9), &STEPS[1..3]);
    }

    #[test]
    fn what_is_cut_off_supersedes_nothing() {
        let mut succession = Succession::default();
        succession.extend(&STEPS);
        succession.cut(5);
        assert_eq!(succession.between(0, u64::MAX), &STEPS[..1]);
        assert_eq!(succession.holding(&[1, 2, 4], 20), [1, 2]);
    }

    #[test]
    fn only_what_was_written_is_read() {
        let bytes = encode(&STEPS);
        assert_eq!(decode(&bytes).as_deref(), Some(&STEPS[..]));
        assert_eq!(decode(&[]), Some(Vec::new()));
        assert_eq!(decode(&bytes[1..]), None);
        let mut other = bytes.clone();
        other[16] = 2;
        assert_eq!(decode(&other), None);
        let reversed: Vec<u8> = bytes.rchunks(STEP_BYTES).flatten().copied().collect();
        assert_eq!(decode(&reversed), None);
    }
}
