//! A login from its beginning to its token.
//!
//! What comes in: who wants to log in; then what the provider answers by way of their browser. What goes
//! out: where to go, with a cookie; then a token, made as the command line makes it. What may fail: see
//! [`super`]. What must stay true: without the state of a login that this browser has under way, the
//! provider is not asked anything; a cookie is forgotten with its first answer, whatever that is.

use axum::http::{HeaderMap, HeaderValue};

use super::begun::Cookies;
use super::options::LoginOptions;
use super::provider::Provider;
use super::{Going, ProviderAnswer, away, refused};
use crate::app::AppError;
use crate::app::tokens::{MadeToken, NewToken};
use crate::http::problem::{Kind, Problem, Said};
use crate::http::service::Service;
use crate::model::time::Timestamp;

/// By whom a token was made, in its entry, when somebody logged in.
const ACTOR: &str = "login";

/// How people log in.
pub struct Login {
    options: LoginOptions,
    cookies: Cookies,
    provider: Provider,
}

/// A moment that is as much later.
fn after(now: Timestamp, time: std::time::Duration) -> i64 {
    let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    now.micros().saturating_add(time)
}

fn not_begun() -> Problem {
    let said = Said::new(
        "this browser has no such login under way: begin at /v1/login, and end it within minutes in the same browser",
        "此浏览器没有进行中的该次登录：请从 /v1/login 重新开始，并在同一浏览器中于数分钟内完成",
    );
    Problem::new(Kind::LoginNotBegun, said)
}

/// What it means that a provider gives no code (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6).
fn without_code(error: &str) -> Problem {
    match error {
        "server_error" | "temporarily_unavailable" => away(),
        _ => refused(
            "the identity provider says no; log in again, or ask whoever runs it",
            "身份提供方拒绝了登录，请重新登录或联系其管理人员",
        ),
    }
}

impl Login {
    /// How people log in; nothing is asked of the provider yet.
    ///
    /// # Errors
    /// When nobody could log in like that.
    pub fn new(options: LoginOptions) -> Result<Self, AppError> {
        let usage = |error: super::options::OptionError| AppError::Usage(error.to_string());
        options.check().map_err(usage)?;
        Ok(Self {
            cookies: Cookies::new(&options).map_err(usage)?,
            provider: Provider::new(&options)?,
            options,
        })
    }

    /// Begins a login.
    ///
    /// # Errors
    /// When the provider is away.
    pub async fn begin(&self, service: &Service) -> Result<Going, Problem> {
        let under_way = self.options.under_way;
        let until = after(Timestamp::now(), under_way);
        let asked = self.provider.ask(until).await?;
        let secrets = service.app.ledger.keys.logins();
        let cookie = self
            .cookies
            .seal(secrets, &asked.begun, under_way.as_secs());
        let to = HeaderValue::from_str(asked.to.as_str()).ok();
        let going = to.zip(cookie).map(|(to, cookie)| Going { to, cookie });
        going.ok_or_else(|| {
            let said = Said::new("the way cannot be written", "无法写出登录地址");
            Problem::new(Kind::Internal, said)
        })
    }

    /// Ends a login: a token, or why there is none; and what the browser is to do with its cookie, when
    /// it had one for this answer.
    pub async fn end(
        &self,
        service: &Service,
        headers: &HeaderMap,
        answer: ProviderAnswer,
    ) -> (Result<MadeToken, Problem>, Option<HeaderValue>) {
        let secrets = service.app.ledger.keys.logins();
        let begun = answer
            .state
            .as_deref()
            .and_then(|state| self.cookies.find(secrets, headers, state, Timestamp::now()));
        let forget = begun.as_ref().and_then(|_| self.cookies.forget());
        let made = self.ended(service, begun, answer).await;
        match &made {
            Ok(made) => {
                let (token, role) = (made.token.id, made.token.role);
                let office = made.token.office;
                tracing::info!(%token, %role, %office, "somebody logged in");
            }
            Err(problem) => {
                // Of these texts none repeats what somebody sent.
                let (problem, reason) = (problem.kind.word(), problem.detail.en.as_str());
                tracing::warn!(problem, reason, "a login was refused");
            }
        }
        (made, forget)
    }

    async fn ended(
        &self,
        service: &Service,
        begun: Option<super::begun::Begun>,
        answer: ProviderAnswer,
    ) -> Result<MadeToken, Problem> {
        // Some providers send no state with it. It gives nothing to anybody.
        if let Some(error) = answer.error {
            return Err(without_code(&error));
        }
        let begun = begun.ok_or_else(not_begun)?;
        if answer
            .issuer
            .is_some_and(|issuer| issuer != self.options.issuer)
        {
            return Err(refused(
                "another identity provider answers than the one that was asked",
                "答复来自另一身份提供方",
            ));
        }
        let code = answer.code.ok_or_else(|| {
            Problem::parameter("code", "is missing: the provider gives one", "缺失")
        })?;
        let person = self.provider.person(code, &begun).await?;
        let offices = service.app.offices_now().await?;
        let (role, office) = (&self.options.role_claim, &self.options.office_claim);
        let grant = person.grant(role, office, &offices)?;
        let expires_at = after(Timestamp::now(), self.options.lifetime);
        let new = NewToken {
            role: grant.role,
            office: grant.office,
            // What is too late to be written is none, and refused as past.
            expires_at: Timestamp::from_micros(expires_at).unwrap_or_default(),
            name: Some(grant.name),
        };
        let appended = service.appended.clone();
        let app = service.app.acting(ACTOR.to_owned(), appended);
        Ok(app.create_token(&new).await?)
    }
}
