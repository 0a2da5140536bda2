//! A build without the feature `oidc`: nobody logs in.

use std::convert::Infallible;

use axum::http::{HeaderMap, HeaderValue};

use super::options::{LoginOptions, NOT_BUILT};
use super::{Going, ProviderAnswer};
use crate::app::AppError;
use crate::app::tokens::MadeToken;
use crate::http::problem::Problem;
use crate::http::service::Service;

/// There is none.
pub struct Login(Infallible);

impl Login {
    /// Says that this build cannot.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: LoginOptions) -> Result<Self, AppError> {
        Err(AppError::Usage(NOT_BUILT.to_owned()))
    }

    /// Never called.
    #[allow(clippy::unused_async, reason = "that of the other build waits")]
    pub async fn begin(&self, _: &Service) -> Result<Going, Problem> {
        match self.0 {}
    }

    /// Never called.
    #[allow(clippy::unused_async, reason = "that of the other build waits")]
    pub async fn end(
        &self,
        _: &Service,
        _: &HeaderMap,
        _: ProviderAnswer,
    ) -> (Result<MadeToken, Problem>, Option<HeaderValue>) {
        match self.0 {}
    }
}
