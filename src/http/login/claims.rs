//! What a person may do, by what the provider says of them.
//!
//! What comes in: the claims of an ID token that was verified. What goes out: a role, an office, a
//! name. What may fail: a claim that is not there or says something else; the problem says what to set,
//! and does not repeat what is there. What must stay true: nobody gets more than one role and one
//! office; of two that are named, none is chosen.

use serde_json::{Map, Value};

use super::refused;
use crate::http::problem::Problem;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::store::access::TokenRole;

/// Most characters of the name of a token.
const MOST_CHARACTERS: usize = 64;

/// Who somebody is, as the provider says.
pub struct Person {
    /// What they are called there (`sub`); never another's.
    pub subject: String,
    /// What they call themselves there (`preferred_username`).
    pub username: Option<String>,
    /// What else is said of them.
    pub others: Map<String, Value>,
}

/// What they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// As what.
    pub role: TokenRole,
    /// For this office and those below it.
    pub office: OfficeCode,
    /// What operators see in the list of tokens.
    pub name: String,
}

/// The texts of a claim: one, or a list of them, as providers write groups.
fn texts<'v>(others: &'v Map<String, Value>, claim: &str) -> Vec<&'v str> {
    match others.get(claim) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The one thing that texts name; what they name besides is for others.
fn only<T: PartialEq>(texts: Vec<&str>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut found: Vec<T> = Vec::new();
    for one in texts.into_iter().filter_map(read) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    let one = found.pop();
    one.filter(|_| found.is_empty())
}

/// A name without what would change how a list looks, cut.
fn shown(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown: String = text.chars().filter(|c| !is_hidden(*c)).collect();
    shown.trim().chars().take(MOST_CHARACTERS).collect()
}

impl Person {
    fn name(&self) -> String {
        let username = self.username.as_deref().map(shown);
        let username = username.filter(|username| !username.is_empty());
        let name = username.unwrap_or_else(|| shown(&self.subject));
        format!("oidc:{name}")
    }

    /// What they may, by the claims of these names.
    ///
    /// # Errors
    /// When the claims do not name one role and one office that is registered.
    pub fn grant(
        &self,
        role_claim: &str,
        office_claim: &str,
        offices: &OfficeDirectory,
    ) -> Result<Grant, Problem> {
        let roles = TokenRole::ALL.map(TokenRole::as_str);
        let role = only(texts(&self.others, role_claim), TokenRole::parse);
        let role = role.ok_or_else(|| {
            refused(
                format!(
                    "the identity provider names no role, or several: let it set the claim {role_claim} of this person to one of {}",
                    roles.join(", ")
                ),
                format!(
                    "身份提供方未给出角色或给出多个：请将该用户的声明 {role_claim} 设为 {} 之一",
                    roles.join("、")
                ),
            )
        })?;
        let office = only(texts(&self.others, office_claim), |text| {
            let office = OfficeCode::parse(text)?;
            offices.get(office).map(|_| office)
        });
        let office = office.ok_or_else(|| {
            refused(
                format!(
                    "the identity provider names no registered office, or several: let it set the claim {office_claim} of this person to the code of their office, 12 digits as text"
                ),
                format!(
                    "身份提供方未给出已登记的单位或给出多个：请将该用户的声明 {office_claim} 设为其单位代码（12 位数字的文本）"
                ),
            )
        })?;
        Ok(Grant {
            role,
            office,
            name: self.name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn person(others: &Value) -> Person {
        Person {
            subject: "5f83e0ca".to_owned(),
            username: Some("alice".to_owned()),
            others: others.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn one_role_is_found_among_the_groups_of_others() {
        let role = |value: Value| {
            let person = person(&json!({ "role": value }));
            only(texts(&person.others, "role"), TokenRole::parse)
        };
        assert_eq!(role(json!("auditor")), Some(TokenRole::Auditor));
        assert_eq!(role(json!(["mail", "auditor"])), Some(TokenRole::Auditor));
        assert_eq!(
            role(json!(["auditor", "auditor"])),
            Some(TokenRole::Auditor)
        );
        for none in [
            json!(null),
            json!(""),
            json!("Auditor"),
            json!("auditor registrar"),
            json!(["auditor", "registrar"]),
            json!([["auditor"]]),
            json!({ "auditor": true }),
            json!(1),
            json!([]),
        ] {
            assert_eq!(role(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn an_office_must_be_registered() {
        let offices = OfficeDirectory::default();
        let said = person(&json!({ "role": "auditor", "office": "990101000000" }));
        let problem = said.grant("role", "office", &offices).unwrap_err();
        assert!(
            problem.detail.en.contains("the claim office"),
            "{problem:?}"
        );
        assert!(!problem.detail.en.contains("990101000000"), "{problem:?}");
        let problem = said.grant("other", "office", &offices).unwrap_err();
        assert!(problem.detail.en.contains("the claim other"), "{problem:?}");
    }

    #[test]
    fn a_name_is_cleaned_and_cut() {
        let name = |username: Option<&str>| {
            let username = username.map(str::to_owned);
            Person {
                username,
                ..person(&json!({}))
            }
            .name()
        };
        assert_eq!(name(Some("alice")), "oidc:alice");
        assert_eq!(name(Some(" 王 小明\n\u{202e}")), "oidc:王 小明");
        assert_eq!(name(Some("\u{200b}\t")), "oidc:5f83e0ca");
        assert_eq!(name(None), "oidc:5f83e0ca");
        assert_eq!(name(Some(&"x".repeat(500))).len(), 5 + MOST_CHARACTERS);
    }
}
