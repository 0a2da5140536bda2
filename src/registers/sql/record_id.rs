//! Ids as people and other systems write them.
//!
//! What comes in: a column of 16-byte ids. What goes out: a column of their text, 36 characters
//! with hyphens (RFC 9562, section 4), whose order is that of the bytes. What may fail: nothing.
//! What must stay true: it is made only where a query uses it.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use uuid::Uuid;

/// The function that writes ids.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IdText {
    signature: Signature,
}

impl IdText {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::exact(vec![DataType::FixedSizeBinary(16)], Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for IdText {
    fn name(&self) -> &'static str {
        "id_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ids] = &ColumnarValue::values_to_arrays(&arguments.args)?[..] else {
            return Err(DataFusionError::Internal("one id".to_owned()));
        };
        let ids = ids.as_fixed_size_binary();
        let mut texts = StringViewBuilder::with_capacity(ids.len());
        let mut text = Uuid::encode_buffer();
        for id in ids {
            let id = id.and_then(|bytes| Uuid::from_slice(bytes).ok());
            texts.append_option(id.map(|id| &*id.hyphenated().encode_lower(&mut text)));
        }
        Ok(ColumnarValue::Array(Arc::new(texts.finish())))
    }
}
