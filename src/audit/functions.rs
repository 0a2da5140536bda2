//! The statistics as functions of SQL.
//!
//! What comes in: counts, lists of counts, shares and names, as columns. What goes out: numbers,
//! or structures with a p-value and what it was computed from. What may fail: an argument of
//! another type, which the engine says before it begins. What must stay true: every function is
//! that of [`crate::statistics`], so that a rule in SQL and a test in Rust agree to the last digit;
//! null goes in as null and comes out as null.
//!
//! A test gives a structure with `p` (exact, never too small), `p_mid` (for the multiplicity step)
//! and more fields that [`FUNCTIONS`] lists. `t['p']` takes one out. A test of every member of a
//! series gives a list of such structures, in the order of the series; `unnest` makes rows of it,
//! and [`each`] takes a field of every member.

mod columns;
pub mod each;
mod measures;
#[cfg(test)]
mod tests;
mod tests_of_counts;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;

use self::columns::{Answers, Arguments};

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A whole number, 0 or more.
    Count,
    /// A whole number.
    Whole,
    /// A number.
    Real,
    /// A list of counts, in order.
    Counts,
    /// A list of numbers, in order.
    Reals,
    /// Text.
    Text,
}

/// The type of an answer, or of a field of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// A number.
    Real,
    /// A whole number.
    Whole,
}

/// What a function answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A number.
    Number(Gives),
    /// A structure of named numbers.
    Structure(&'static [(&'static str, Gives)]),
    /// A list of such structures, one for each member of the series.
    List(&'static [(&'static str, Gives)]),
}

/// The numbers of one answer; as many as the structure has fields.
pub(super) type Numbers = Vec<f64>;
/// Computes the answer to one row; none where an argument is null or allows no statement. A shape
/// that is no list gives one set of numbers.
pub(super) type Compute = fn(&Arguments<'_>, usize) -> Option<Vec<Numbers>>;

/// A function of SQL.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub takes: &'static [(&'static str, Takes)],
    /// Its answer.
    pub gives: Shape,
    /// One sentence: what it says.
    pub says: &'static str,
    pub(super) compute: Compute,
}

/// Every function, in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Function> {
    tests_of_counts::FUNCTIONS.iter().chain(measures::FUNCTIONS)
}

/// Makes the functions known to a session.
pub fn register(context: &SessionContext) {
    for function in all() {
        context.register_udf(ScalarUDF::from(Statistic::of(function)));
    }
    context.register_udf(ScalarUDF::from(each::Each::new()));
}

fn data_type(takes: Takes) -> DataType {
    let list = |data| DataType::List(Arc::new(Field::new_list_field(data, true)));
    match takes {
        Takes::Count | Takes::Whole => DataType::Int64,
        Takes::Real => DataType::Float64,
        Takes::Counts => list(DataType::Int64),
        Takes::Reals => list(DataType::Float64),
        Takes::Text => DataType::Utf8,
    }
}

const fn number_type(gives: Gives) -> DataType {
    match gives {
        Gives::Real => DataType::Float64,
        Gives::Whole => DataType::Int64,
    }
}

fn fields(of: &[(&str, Gives)]) -> Fields {
    let field = |(name, gives): &(&str, Gives)| Field::new(*name, number_type(*gives), true);
    of.iter().map(field).collect()
}

impl Shape {
    fn data_type(self) -> DataType {
        match self {
            Self::Number(gives) => number_type(gives),
            Self::Structure(of) => DataType::Struct(fields(of)),
            Self::List(of) => {
                let item = DataType::Struct(fields(of));
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
        }
    }
}

/// A function as the engine calls it.
#[derive(Debug)]
struct Statistic {
    function: &'static Function,
    signature: Signature,
}

impl Statistic {
    fn of(function: &'static Function) -> Self {
        let takes = function.takes.iter().map(|(_, takes)| data_type(*takes));
        Self {
            function,
            signature: Signature::exact(takes.collect(), Volatility::Immutable),
        }
    }
}

impl PartialEq for Statistic {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Statistic {}

impl Hash for Statistic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Statistic {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.function.gives.data_type())
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&call.args)?;
        let arguments = Arguments::of(self.function.takes, &arrays)
            .map_err(|what| DataFusionError::Execution(format!("{}: {what}", self.name())))?;
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut answers = Answers::of(self.function.gives);
        for row in 0..rows {
            answers.push((self.function.compute)(&arguments, row));
        }
        Ok(ColumnarValue::Array(answers.finish()))
    }
}
