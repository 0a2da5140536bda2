//! Which rows a later one supersedes, and where that stands.
//!
//! What comes in: all rows of a register. What goes out: for each superseded row the position of
//! the one that supersedes it, from which follows what was current as of any position. What may
//! fail: a file that was replaced. What must stay true: a row (record, version) is superseded by
//! the row (record, version + 1) and by no other, so this is found once for all moments: as of a
//! size, a row is superseded when the position of its successor is smaller.
//!
//! Corrections and voids are a small part of all rows. So what is kept is small, and what has to
//! be looked at for most rows is one bit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, Int64Array};
use arrow_schema::DataType;
use datafusion::common::JoinType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::{col, lit};
use futures_util::TryStreamExt;

use super::engine::finding;
use super::versions::Versions;
use crate::model::id::Position;

/// Superseded rows by position.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    /// One bit for each position of the log.
    bits: Vec<u64>,
    /// Positions that are superseded, and where; ascending.
    pairs: Vec<(Position, Position)>,
}

impl Superseded {
    /// Looks through a register: the few rows that are not the first of their record, joined with
    /// all rows.
    ///
    /// # Errors
    /// When a file was replaced.
    pub(super) async fn find(versions: Arc<Versions>, runtime: Arc<RuntimeEnv>) -> Result<Self> {
        let context = finding(runtime);
        let rows = context.read_table(versions)?;
        let later = rows
            .clone()
            .filter(col("version").gt(lit(1_u64)))?
            .select(vec![
                col("record_id").alias("of_record"),
                (col("version") - lit(1_u64)).alias("before"),
                col("position").alias("at"),
            ])?;
        let columns = ["record_id", "version"];
        let mut found = later
            .join(
                rows.select_columns(&["record_id", "version", "position"])?,
                JoinType::Inner,
                &["of_record", "before"],
                &columns,
                None,
            )?
            .select_columns(&["position", "at"])?
            .execute_stream()
            .await?;
        let mut pairs = Vec::new();
        while let Some(batch) = found.try_next().await? {
            let column = |index: usize| batch.column(index).as_primitive::<UInt64Type>();
            let (positions, later) = (column(0).values(), column(1).values());
            pairs.extend(positions.iter().copied().zip(later.iter().copied()));
        }
        Ok(Self::of(pairs))
    }

    fn of(mut pairs: Vec<(Position, Position)>) -> Self {
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
            // Positions fit: a log of more has never been written.
            i64::try_from(later).ok().filter(|_| later < self.size)
        });
        Ok(ColumnarValue::Array(Arc::new(
            later.collect::<Int64Array>(),
        )))
    }
}
