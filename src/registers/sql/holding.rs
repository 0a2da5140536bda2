//! Which rows hold, and where the others are superseded, for the engine.
//!
//! What comes in: the steps that the registers keep of rows that follow others. What goes out: for
//! a position, where the row there is superseded, if it is as of a size. What may fail: nothing.
//! What must stay true: it is the same for all registers and all sizes; a row is superseded as of
//! a size when the position of its successor is smaller.
//!
//! Corrections and withdrawals are a small part of all rows. So what is kept is small, and what
//! has to be looked at for most rows is one bit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_schema::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::model::id::Position;
use crate::registers::succession::Step;

/// Superseded rows by position.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    /// One bit for each position of the log, up to the last that is set.
    bits: Vec<u64>,
    /// Positions that are superseded, and where; ascending.
    pairs: Vec<(Position, Position)>,
}

impl Superseded {
    /// From all steps of the registers.
    pub(super) fn of(steps: &[Step]) -> Self {
        let pairs = steps.iter();
        let pairs = pairs.filter_map(|step| Some((step.before?, step.position)));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable();
        let words = pairs.last().map_or(0, |(last, _)| word(*last) + 1);
        let mut bits = vec![0; words];
        for (position, _) in &pairs {
            bits[word(*position)] |= 1 << (position % 64);
        }
        Self { bits, pairs }
    }

    /// Where the row at a position is superseded, if it is.
    fn at(&self, position: Position) -> Option<Position> {
        let bits = self.bits.get(word(position))?;
        if bits & (1 << (position % 64)) == 0 {
            return None;
        }
        let found = self.pairs.binary_search_by_key(&position, |pair| pair.0);
        found.ok().map(|index| self.pairs[index].1)
    }
}

fn word(position: Position) -> usize {
    usize::try_from(position / 64).unwrap_or(usize::MAX)
}

/// The function `superseded_at(position)` as of a size: where the row is superseded, or null.
#[derive(Debug)]
pub(super) struct SupersededAt {
    superseded: Arc<Superseded>,
    size: u64,
    signature: Signature,
}

impl SupersededAt {
    pub(super) fn as_of(superseded: Arc<Superseded>, size: u64) -> Self {
        Self {
            superseded,
            size,
            signature: Signature::exact(vec![DataType::UInt64], Volatility::Immutable),
        }
    }
}

impl PartialEq for SupersededAt {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.superseded, &other.superseded) && self.size == other.size
    }
}

impl Eq for SupersededAt {}

impl Hash for SupersededAt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.size.hash(state);
    }
}

impl ScalarUDFImpl for SupersededAt {
    fn name(&self) -> &'static str {
        "superseded_at"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [positions] = &ColumnarValue::values_to_arrays(&arguments.args)?[..] else {
            return Err(DataFusionError::Internal("one position".to_owned()));
        };
        let positions = positions.as_primitive::<UInt64Type>();
        let later = positions.iter().map(|position| {
            let later = self.superseded.at(position?)?;
            // Positions fit: no log has more than 2^63 entries.
            i64::try_from(later).ok().filter(|_| later < self.size)
        });
        Ok(ColumnarValue::Array(Arc::new(
            later.collect::<Int64Array>(),
        )))
    }
}
