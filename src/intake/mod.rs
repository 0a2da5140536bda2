//! From the files of a delivery to rows: the first stage of the data's way.
//!
//! What comes in: paths of a folder or of files (CSV, XLSX, JSON Lines), as offices send them.
//! What goes out: a [`Delivery`], which names each file with its size and SHA-256, and from it
//! [`IntakeRow`]s, whose cells stand in the order of the schema's columns whatever the file's
//! own order, language or encoding was. What may fail: a file whose header cannot be read stops
//! the delivery before any row ([`IntakeError`]); a row that cannot be read is a [`RefusedRow`],
//! which goes to the rejects file ([`RejectsWriter`]) and never ends the reading of the rows after
//! it. What must stay true: every row of a file comes out once, as a row or as a refusal; what a
//! cell says is not judged here but by the model; and no message and no `Debug` text quotes the
//! value of a sealed column.
//!
//! ```text
//! paths -> recognise -> encoding (SHA-256, charset) -> headers -> csv | xlsx | json rows -> order
//! ```

mod csv_rows;
mod delivery;
mod encoding;
mod headers;
mod import;
mod json_rows;
mod order;
mod recognise;
mod refusal;
mod rejects;
mod row;
mod window;
mod xlsx_cells;
mod xlsx_limits;
mod xlsx_rows;

pub use delivery::{DeliveredFile, Delivery, Format, Rows, Skipped};
pub use headers::HeaderFault;
pub use import::{
    BATCH_ROWS, BatchReceipt, ImportError, ImportOptions, ImportSummary, PartCounts, import,
};
pub use order::OrderedRows;
pub use refusal::{IntakeError, RefusedRow, RowReason};
pub use rejects::RejectsWriter;
pub use row::{Cells, IntakeRow, Part, RowKind, RowSource};

#[cfg(test)]
mod tests;
