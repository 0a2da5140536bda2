//! What went wrong, as RFC 9457 has it (`application/problem+json`).
//!
//! What comes in: a kind of problem, a sentence in both languages, and where in the request it is.
//! What goes out: a response. What may fail: nothing. What must stay true: no value of a request
//! is repeated, since it may be a personal one; what is wrong inside the server is in its log, and
//! the answer names only the request's id.
//!
//! ```json
//! {
//!   "type": "/v1/problems/invalid-value", "title": "a value cannot be read", "status": 422,
//!   "detail": "weight_g is not a whole number; write digits only", "title_zh": "…", "detail_zh": "…",
//!   "instance": "urn:uuid:0190...", "errors": [{ "pointer": "/weight_g", "detail": "…", "detail_zh": "…" }]
//! }
//! ```

use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($kind:ident $status:literal $word:literal $en:literal $zh:literal;)+) => {
        /// The kinds of problems: a word of its type, a status, a title in both languages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $en] $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The last part of its type.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            /// Its status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)+ }
            }

            /// Its title, in English and Chinese.
            #[must_use]
            pub const fn title(self) -> (&'static str, &'static str) {
                match self { $(Self::$kind => ($en, $zh),)+ }
            }
        }
    };
}

kinds! {
    Malformed 400 "malformed" "the request cannot be read" "请求无法读取";
    LoginNotBegun 400 "login-not-begun" "no such login is under way" "没有进行中的该次登录";
    NoToken 401 "no-token" "a token is needed" "需要令牌";
    VoidToken 401 "void-token" "the token does not work" "令牌无效";
    NotPermitted 403 "not-permitted" "the token is not for this" "令牌无此权限";
    OtherOffice 403 "other-office" "the token is not for this office" "令牌不适用于该单位";
    LoginRefused 403 "login-refused" "the login is refused" "登录被拒绝";
    NotFound 404 "not-found" "there is no such thing" "未找到";
    MethodNotAllowed 405 "method-not-allowed" "this cannot be done here" "此处不支持该方法";
    NotAcceptable 406 "not-acceptable" "there is no such form" "没有该格式";
    Refused 409 "refused" "the ledger refuses" "账本拒绝";
    Different 409 "different-content" "it is recorded with another content" "已按不同内容入账";
    NotSealed 409 "not-sealed" "the entry is not sealed yet" "条目尚未封存";
    Erased 410 "erased" "the content was erased" "内容已擦除";
    Changed 412 "version-changed" "the record has another version" "记录版本已变";
    TooLarge 413 "too-large" "the body is too large" "请求体过大";
    MediaType 415 "media-type" "this media type is not read" "不支持的媒体类型";
    InvalidValue 422 "invalid-value" "a value cannot be read" "有值无法读取";
    KeyReused 422 "key-reused" "the idempotency key was used for another request" "幂等键已用于其他请求";
    TooMany 429 "too-many-requests" "too many requests" "请求过于频繁";
    Internal 500 "internal" "the server failed" "服务器内部错误";
    Integrity 500 "integrity" "the ledger is not what it must be" "账本完整性异常";
    Unavailable 503 "unavailable" "the ledger cannot be reached" "账本暂不可用";
    ProviderAway 503 "provider-away" "the identity provider cannot be asked" "身份提供方暂不可用";
    TimedOut 503 "timed-out" "it took too long" "处理超时";
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Said {
    /// Both.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            zh: zh.into(),
        }
    }
}

/// Where in the request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A JSON Pointer (RFC 6901) into the body.
    Pointer(String),
    /// A parameter of the query.
    Parameter(String),
    /// A header.
    Header(&'static str),
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: Kind,
    /// What is wrong and what to do.
    pub detail: Said,
    /// Each thing that is wrong, and where.
    pub errors: Vec<(Place, Said)>,
    /// Members beside the standard ones, as `position`.
    pub more: Vec<(&'static str, Value)>,
    /// Seconds after which the same may succeed.
    pub retry_after: Option<u32>,
    /// What it is in the log, where whoever asks is told something else.
    pub logged_as: Option<Kind>,
}

/// Put on a response that refuses, for the log: the word of the problem.
#[derive(Debug, Clone, Copy)]
pub struct RefusedWith(pub Kind);

/// A segment of a JSON Pointer.
#[must_use]
pub fn pointer(segment: &str) -> String {
    format!("/{}", segment.replace('~', "~0").replace('/', "~1"))
}

impl Problem {
    /// Of a kind.
    #[must_use]
    pub const fn new(kind: Kind, detail: Said) -> Self {
        Self {
            kind,
            detail,
            errors: Vec::new(),
            more: Vec::new(),
            retry_after: None,
            logged_as: None,
        }
    }

    /// Nothing that this token may see is there.
    #[must_use]
    pub fn not_found(en: &str, zh: &str) -> Self {
        Self::new(Kind::NotFound, Said::new(en, zh))
    }

    /// One thing is wrong, at one place.
    #[must_use]
    pub fn at(kind: Kind, place: Place, said: Said) -> Self {
        let mut problem = Self::new(kind, said.clone());
        problem.errors.push((place, said));
        problem
    }

    /// A parameter of the query that cannot be read.
    #[must_use]
    pub fn parameter(name: &str, en: &str, zh: &str) -> Self {
        let said = Said::new(format!("{name} {en}"), format!("{name} {zh}"));
        Self::at(Kind::Malformed, Place::Parameter(name.to_owned()), said)
    }

    /// A member of the body that cannot be read.
    #[must_use]
    pub fn member(pointer: String, en: &str, zh: &str) -> Self {
        let said = Said::new(format!("{pointer} {en}"), format!("{pointer} {zh}"));
        Self::at(Kind::InvalidValue, Place::Pointer(pointer), said)
    }

    /// The same with everything in it below a part of the body.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        for (place, _) in &mut self.errors {
            if let Place::Pointer(pointer) = place {
                pointer.insert_str(0, prefix);
            }
        }
        self
    }

    /// The problem as JSON, without the request's id.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let (en, zh) = self.kind.title();
        let mut object = Map::new();
        object.insert(
            "type".into(),
            format!("/v1/problems/{}", self.kind.word()).into(),
        );
        object.insert("title".into(), en.into());
        object.insert("title_zh".into(), zh.into());
        object.insert("status".into(), self.kind.status().into());
        object.insert("detail".into(), self.detail.en.as_str().into());
        object.insert("detail_zh".into(), self.detail.zh.as_str().into());
        if !self.errors.is_empty() {
            let errors = self.errors.iter().map(|(place, said)| {
                let (name, text) = match place {
                    Place::Pointer(pointer) => ("pointer", pointer.as_str()),
                    Place::Parameter(name) => ("parameter", name.as_str()),
                    Place::Header(name) => ("header", *name),
                };
                json!({ name: text, "detail": said.en, "detail_zh": said.zh })
            });
            object.insert("errors".into(), errors.collect());
        }
        for (name, value) in &self.more {
            object.insert((*name).to_owned(), value.clone());
        }
        object
    }
}

/// The body of a problem, kept on the response until the request's id is known.
#[derive(Debug, Clone)]
pub struct Unsigned(pub Map<String, Value>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.status());
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        put(CONTENT_TYPE, MEDIA_TYPE);
        match self.kind {
            // What is left of the body is not read: the connection is of no use any more.
            Kind::TooLarge => put(CONNECTION, "close"),
            Kind::NoToken => put(WWW_AUTHENTICATE, "Bearer"),
            Kind::VoidToken => put(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            Kind::NotPermitted => put(WWW_AUTHENTICATE, "Bearer error=\"insufficient_scope\""),
            _ => {}
        }
        if let Some(seconds) = self.retry_after {
            put(RETRY_AFTER, &seconds.to_string());
        }
        if let Some((_, Value::String(methods))) = self.more.iter().find(|(n, _)| *n == "allow") {
            put(ALLOW, methods);
        }
        response
            .extensions_mut()
            .insert(RefusedWith(self.logged_as.unwrap_or(self.kind)));
        response.extensions_mut().insert(Unsigned(self.to_json()));
        response
    }
}
