//! Who asks, and what may be done: typed.
//!
//! What comes in: `Authorization: Bearer vitaledger_...`. What goes out: an [`Allowed`], whose type
//! says what it allows, with the ledger to act on under the name of the token. What may fail: no
//! token, one that does not work, one of another role. What must stay true: a handler that takes
//! no [`Allowed`] reads nothing but what is public; what is not of the token's office or one below
//! it answers as if it were not there.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::frame::Asker;
use super::problem::{Kind, Problem, Said};
use super::service::Service;
use crate::app::App;
use crate::app::records::{Reach, office_of_record};
use crate::app::tokens::{TokenState, actor_of};
use crate::ledger::history::RecordHistory;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::model::time::Timestamp;
use crate::store::access::{Token, TokenRole};

/// What may be done.
pub trait Permission: Send + Sync + 'static {
    /// By whom.
    const ROLES: &'static [TokenRole];
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $($role:ident),+;)+) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Permission for $name {
            const ROLES: &'static [TokenRole] = &[$(TokenRole::$role),+];
        }
    )+};
}

permissions! {
    /// Read what is public of records, registers, figures and findings.
    Reading: Registrar, Auditor, Supervisor, Integrator;
    /// Record, correct and void; import files.
    Reporting: Registrar;
    /// See sealed fields, for a purpose that is recorded.
    Unsealing: Registrar, Auditor;
    /// Read whole entries, make evidence.
    Auditing: Auditor;
    /// Run audits; ask, confirm, dismiss and waive findings.
    Judging: Auditor, Supervisor;
    /// Answer findings for an office.
    Answering: Registrar, Supervisor;
}

/// Who asks.
pub struct Authority {
    /// Their token.
    pub token: Uuid,
    /// The hash of its secret.
    pub hash: [u8; 32],
    /// What it is for.
    pub role: TokenRole,
    /// The office whose subtree it is for.
    pub office: OfficeCode,
    /// The last moment at which it works.
    pub expires_at: Timestamp,
    /// The ledger, acted on by them.
    pub app: App,
    /// The offices as they were when the token was looked at.
    pub offices: Arc<OfficeDirectory>,
}

impl Authority {
    /// Whether an office is theirs.
    #[must_use]
    pub fn sees(&self, office: OfficeCode) -> bool {
        self.offices.is_within(office, self.office)
    }

    /// The office that is asked for, or their own.
    ///
    /// # Errors
    /// When it is another's, or not registered: there is no telling which.
    pub fn top(&self, asked: Option<OfficeCode>) -> Result<OfficeCode, Problem> {
        match asked {
            None => Ok(self.office),
            Some(office) if self.sees(office) && self.offices.get(office).is_some() => Ok(office),
            Some(_) => Err(self.hidden("there is no such office", "没有该单位")),
        }
    }

    /// What is not theirs, answered as if it were not there, and logged as refused.
    #[must_use]
    pub fn hidden(&self, en: &str, zh: &str) -> Problem {
        let mut problem = Problem::not_found(en, zh);
        problem.logged_as = Some(Kind::OtherOffice);
        problem
    }

    /// What they may change.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach {
            offices: self.offices.clone(),
            within: Some(self.office),
        }
    }

    /// A record, if it is theirs.
    ///
    /// # Errors
    /// When there is none, or it is another's.
    pub fn own(&self, history: Option<RecordHistory>) -> Result<RecordHistory, Problem> {
        let (en, zh) = ("there is no such record", "没有该记录");
        let Some(history) = history else {
            return Err(Problem::not_found(en, zh));
        };
        match office_of_record(&history) {
            Some(office) if self.sees(office) => Ok(history),
            _ => Err(self.hidden(en, zh)),
        }
    }
}

/// An [`Authority`] that allows something.
pub struct Allowed<P>(pub Authority, PhantomData<P>);

impl<P> std::ops::Deref for Allowed<P> {
    type Target = Authority;

    fn deref(&self) -> &Authority {
        &self.0
    }
}

fn secret(parts: &Parts) -> Result<&str, Problem> {
    let none = || {
        let said = Said::new(
            "send a token: Authorization: Bearer vitaledger_...",
            "请携带令牌：Authorization: Bearer vitaledger_...",
        );
        Problem::new(Kind::NoToken, said)
    };
    let header = parts.headers.get(AUTHORIZATION).ok_or_else(none)?;
    let text = header.to_str().map_err(|_| none())?;
    let (scheme, secret) = text.split_once(' ').ok_or_else(none)?;
    // RFC 9110, 11.1: the scheme is the same in any case.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(none());
    }
    Ok(secret.trim())
}

async fn authenticate(parts: &Parts, service: &Service) -> Result<Authority, Problem> {
    let secret = secret(parts)?;
    let void = |en, zh| Problem::new(Kind::VoidToken, Said::new(en, zh));
    let token: Option<Token> = service.app.token_of(secret).await?;
    let Some(token) = token else {
        return Err(void("there is no such token", "没有该令牌"));
    };
    if let Some(Asker(asker)) = parts.extensions.get::<Asker>() {
        // Set once for each request, here.
        let _ = asker.set(token.id);
    }
    match TokenState::of(&token, Timestamp::now()) {
        TokenState::Valid => {}
        TokenState::Expired => return Err(void("the token has expired", "令牌已过期")),
        TokenState::Revoked => return Err(void("the token was revoked", "令牌已吊销")),
    }
    let appended = service.appended.clone();
    let app = service.app.acting(actor_of(token.id), appended);
    // As of the look at the token: once for each request.
    let offices = app.offices_known();
    Ok(Authority {
        token: token.id,
        hash: token.hash,
        role: token.role,
        office: token.office,
        expires_at: token.expires_at,
        app,
        offices,
    })
}

impl<P: Permission> FromRequestParts<Service> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let authority = authenticate(parts, service).await?;
        if P::ROLES.contains(&authority.role) {
            return Ok(Self(authority, PhantomData));
        }
        let list = |word: fn(TokenRole) -> &'static str, between: &str| {
            let words: Vec<_> = P::ROLES.iter().map(|role| word(*role)).collect();
            words.join(between)
        };
        let own = authority.role;
        let said = Said::new(
            format!(
                "this is for the role {}, and the token is of a {own}",
                list(TokenRole::as_str, " or ")
            ),
            format!(
                "此操作限于{}，而该令牌属于{}",
                list(TokenRole::zh, "或"),
                own.zh()
            ),
        );
        Err(Problem::new(Kind::NotPermitted, said))
    }
}
