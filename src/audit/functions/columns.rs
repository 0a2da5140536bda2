//! Arguments out of columns, and answers into them.

use std::sync::Arc;

use datafusion::arrow::array::builder::{Float64Builder, Int64Builder};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{Field, Float64Type, Int64Type};

use super::{Gives, Numbers, Shape, Takes, fields};

/// A column of arguments.
enum Column<'a> {
    Whole(&'a Int64Array),
    Real(&'a Float64Array),
    List(&'a ListArray),
    Text(&'a StringArray),
}

/// The arguments of a call, by column.
pub(in super::super) struct Arguments<'a>(Vec<Column<'a>>);

impl<'a> Arguments<'a> {
    pub(super) fn of(takes: &[(&str, Takes)], arrays: &'a [ArrayRef]) -> Result<Self, String> {
        let columns = takes.iter().zip(arrays).map(|((name, takes), array)| {
            let column = match takes {
                Takes::Count | Takes::Whole => array.as_primitive_opt().map(Column::Whole),
                Takes::Real => array.as_primitive_opt().map(Column::Real),
                Takes::Counts | Takes::Reals => array.as_list_opt().map(Column::List),
                Takes::Text => array.as_string_opt().map(Column::Text),
            };
            column.ok_or_else(|| format!("{name} is of another type"))
        });
        columns.collect::<Result<_, _>>().map(Self)
    }

    /// A whole number.
    pub(super) fn whole(&self, argument: usize, row: usize) -> Option<i64> {
        match self.0.get(argument)? {
            Column::Whole(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    /// A whole number that is 0 or more.
    pub(super) fn count(&self, argument: usize, row: usize) -> Option<u64> {
        u64::try_from(self.whole(argument, row)?).ok()
    }

    /// A number.
    pub(super) fn real(&self, argument: usize, row: usize) -> Option<f64> {
        match self.0.get(argument)? {
            Column::Real(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    /// Text.
    pub(super) fn text(&self, argument: usize, row: usize) -> Option<&'a str> {
        match self.0.get(argument)? {
            Column::Text(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    fn list(&self, argument: usize, row: usize) -> Option<ArrayRef> {
        match self.0.get(argument)? {
            Column::List(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    /// A list of counts; a null or a negative number in it makes it none.
    pub(super) fn counts(&self, argument: usize, row: usize) -> Option<Vec<u64>> {
        let list = self.list(argument, row)?;
        let numbers = list.as_primitive_opt::<Int64Type>()?;
        let counts = numbers.iter().map(|number| u64::try_from(number?).ok());
        counts.collect()
    }

    /// A list of numbers; a null in it makes it none.
    pub(super) fn reals(&self, argument: usize, row: usize) -> Option<Vec<f64>> {
        let list = self.list(argument, row)?;
        list.as_primitive_opt::<Float64Type>()?.iter().collect()
    }
}

/// A column of numbers that is being filled.
enum Builder {
    Real(Float64Builder),
    Whole(Int64Builder),
}

impl Builder {
    fn of(gives: Gives) -> Self {
        match gives {
            Gives::Real => Self::Real(Float64Builder::new()),
            Gives::Whole => Self::Whole(Int64Builder::new()),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole numbers are counts, which doubles hold exactly"
    )]
    fn push(&mut self, number: Option<f64>) {
        match self {
            Self::Real(builder) => builder.append_option(number),
            Self::Whole(builder) => builder.append_option(number.map(|number| number as i64)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Whole(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The answers to the rows of a call.
pub(super) struct Answers {
    shape: Shape,
    columns: Vec<Builder>,
    /// Whether a row has an answer.
    answered: Vec<bool>,
    /// Members of each row's list.
    members: Vec<usize>,
}

impl Answers {
    pub(super) fn of(shape: Shape) -> Self {
        let columns = match shape {
            Shape::Number(gives) => vec![Builder::of(gives)],
            Shape::Structure(of) | Shape::List(of) => {
                of.iter().map(|(_, gives)| Builder::of(*gives)).collect()
            }
        };
        Self {
            shape,
            columns,
            answered: Vec::new(),
            members: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, answer: Option<Vec<Numbers>>) {
        self.answered.push(answer.is_some());
        let answer = answer.unwrap_or_default();
        self.members.push(answer.len());
        for numbers in &answer {
            for (column, number) in self.columns.iter_mut().zip(numbers) {
                column.push(Some(*number).filter(|number| !number.is_nan()));
            }
        }
        // A row without an answer still has a place in a column that is no list.
        if answer.is_empty() && !matches!(self.shape, Shape::List(_)) {
            self.columns.iter_mut().for_each(|column| column.push(None));
        }
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        let mut columns: Vec<ArrayRef> = self.columns.iter_mut().map(Builder::finish).collect();
        let nulls = NullBuffer::from(self.answered);
        match self.shape {
            Shape::Number(_) => columns.swap_remove(0),
            Shape::Structure(of) => Arc::new(StructArray::new(fields(of), columns, Some(nulls))),
            Shape::List(of) => {
                let items = StructArray::new(fields(of), columns, None);
                let field = Field::new_list_field(items.data_type().clone(), true);
                let offsets = OffsetBuffer::from_lengths(self.members);
                let items: ArrayRef = Arc::new(items);
                Arc::new(ListArray::new(Arc::new(field), offsets, items, Some(nulls)))
            }
        }
    }
}
