//! How people log in: arguments of `serve`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::delivering::certificates;
use crate::app::AppError;
use crate::app::error::failed;
use crate::http::login::options::{ClientPassword, LoginOptions, NOT_BUILT, UNDER_WAY};

/// How people log in.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the arguments begin so"
)]
pub struct LoggingIn {
    /// Let people log in at this OpenID Connect provider, as `https://id.county.example`.
    #[arg(long, value_name = "URL", requires_all = ["oidc_client", "oidc_redirect"])]
    oidc_issuer: Option<String>,
    /// What the provider calls this server.
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_client: Option<String>,
    /// A file with the secret that the provider gave to this server.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    oidc_client_secret_file: Option<PathBuf>,
    /// Where the provider sends people back to, as `https://ledger.county.example/v1/login/callback`.
    #[arg(long, value_name = "URL", requires = "oidc_issuer")]
    oidc_redirect: Option<String>,
    /// The claim that holds a person's role.
    #[arg(
        long,
        default_value = "vitaledger_role",
        value_name = "CLAIM",
        requires = "oidc_issuer"
    )]
    oidc_role_claim: String,
    /// The claim that holds the code of a person's office.
    #[arg(
        long,
        default_value = "vitaledger_office",
        value_name = "CLAIM",
        requires = "oidc_issuer"
    )]
    oidc_office_claim: String,
    /// For how many hours a token of a login works.
    #[arg(long, default_value_t = 8, value_name = "HOURS", requires = "oidc_issuer", value_parser = clap::value_parser!(u64).range(1..=24))]
    oidc_hours: u64,
    /// Also trust the certificate authorities of this file (PEM) for the provider.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    oidc_ca: Option<PathBuf>,
}

fn password(path: &Path) -> Result<ClientPassword, AppError> {
    let text = std::fs::read_to_string(path).map_err(failed("read", path))?;
    let text = Zeroizing::new(text);
    let secret = text.trim();
    if secret.is_empty() {
        let said = format!("{} is empty; it is to hold a secret", path.display());
        return Err(AppError::Usage(said));
    }
    Ok(ClientPassword(Zeroizing::new(secret.to_owned())))
}

impl LoggingIn {
    /// How people log in, if they do.
    ///
    /// # Errors
    /// When an address or a file cannot be used, or this build cannot log people in.
    pub fn options(&self) -> Result<Option<LoginOptions>, AppError> {
        let Some(issuer) = &self.oidc_issuer else {
            return Ok(None);
        };
        if cfg!(not(feature = "oidc")) {
            return Err(AppError::Usage(NOT_BUILT.to_owned()));
        }
        let secret = self.oidc_client_secret_file.as_deref();
        let trusted = self.oidc_ca.as_deref().map(certificates).transpose()?;
        let options = LoginOptions {
            issuer: issuer.clone(),
            client: self.oidc_client.clone().unwrap_or_default(),
            password: secret.map(password).transpose()?,
            redirect: self.oidc_redirect.clone().unwrap_or_default(),
            role_claim: self.oidc_role_claim.clone(),
            office_claim: self.oidc_office_claim.clone(),
            lifetime: Duration::from_hours(self.oidc_hours),
            under_way: UNDER_WAY,
            trusted: trusted.unwrap_or_default(),
        };
        let checked = options.check();
        checked.map_err(|error| AppError::Usage(error.to_string()))?;
        Ok(Some(options))
    }
}
