//! `token`: tokens of the network interface.

use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use super::log::{date, office_code};
use super::output::Output;
use crate::app::tokens::{NewToken, TokenState};
use crate::app::{App, AppError};
use crate::model::time::Timestamp;
use crate::store::access::{Token, TokenRole};

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is shown once.
    #[command(
        after_help = "Example:\n  vitaledger token create --role registrar --office 990101100001 --expires 2027-12-31 --name 'hospital system'"
    )]
    Create {
        /// What it is for.
        #[arg(long, value_enum)]
        role: Role,
        /// For this office and those below it.
        #[arg(long, value_name = "CODE")]
        office: String,
        /// The last day on which it works.
        #[arg(long, value_name = "DATE")]
        expires: String,
        /// What people call it; it is in no entry.
        #[arg(long)]
        name: Option<String>,
    },
    /// List tokens; never shows a secret.
    #[command(after_help = "Example:\n  vitaledger token list --json")]
    List,
    /// Revoke a token, at once and for good.
    #[command(after_help = "Example:\n  vitaledger token revoke 018f...")]
    Revoke {
        /// Its id, as `token list` names it.
        id: Uuid,
    },
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Reports for offices.
    Registrar,
    /// Checks the trail, opens sealed fields for a purpose, reads whole entries.
    Auditor,
    /// Judges figures and findings.
    Supervisor,
    /// Another system that reads what is public.
    Integrator,
}

impl Role {
    const fn role(self) -> TokenRole {
        match self {
            Self::Registrar => TokenRole::Registrar,
            Self::Auditor => TokenRole::Auditor,
            Self::Supervisor => TokenRole::Supervisor,
            Self::Integrator => TokenRole::Integrator,
        }
    }
}

/// Does it.
pub async fn run(app: App, command: &TokenCommand, output: &Output) -> Result<(), AppError> {
    let done = match command {
        TokenCommand::Create {
            role,
            office,
            expires,
            name,
        } => {
            let new = NewToken {
                role: role.role(),
                office: office_code(office)?,
                expires_at: Timestamp::end_of(date(expires)?),
                name: name.clone(),
            };
            create(&app, &new, output).await
        }
        TokenCommand::List => list(&app, output).await,
        TokenCommand::Revoke { id } => revoke(&app, *id, output).await,
    };
    app.close().await;
    done
}

async fn create(app: &App, new: &NewToken, output: &Output) -> Result<(), AppError> {
    let made = app.create_token(new).await?;
    if output.json {
        let mut object = json(&made.token);
        object["secret"] = made.secret.as_str().into();
        object["position"] = made.receipt.position.into();
        output.data(&object.to_string());
    } else {
        output.data(made.secret.as_str());
    }
    let (id, position) = (made.token.id, made.receipt.position);
    output.say(
        &format!("token {id}, recorded at {position}; the secret is shown this once: keep it safe"),
        &format!("令牌 {id}，已记入位置 {position}；密钥仅显示这一次，请妥善保管"),
    );
    Ok(())
}

fn json(token: &Token) -> serde_json::Value {
    serde_json::json!({
        "id": token.id,
        "role": token.role.as_str(),
        "office": token.office,
        "name": token.name,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "state": TokenState::of(token, Timestamp::now()).as_str(),
    })
}

async fn list(app: &App, output: &Output) -> Result<(), AppError> {
    let tokens = app.list_tokens().await?;
    if output.json {
        for token in &tokens {
            output.data(&json(token).to_string());
        }
        return Ok(());
    }
    let now = Timestamp::now();
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let state = match TokenState::of(token, now) {
                TokenState::Valid => output.pick("valid", "有效"),
                TokenState::Expired => output.pick("expired", "已过期"),
                TokenState::Revoked => output.pick("revoked", "已吊销"),
            };
            vec![
                token.id.to_string(),
                output.pick(token.role.as_str(), token.role.zh()).to_owned(),
                token.office.to_string(),
                state.to_owned(),
                token.expires_at.to_string(),
                token.name.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heading = if output.chinese() {
        ["令牌", "角色", "单位", "状态", "有效期至", "名称"]
    } else {
        ["token", "role", "office", "state", "expires", "name"]
    };
    output.table(&heading, &rows);
    Ok(())
}

async fn revoke(app: &App, id: Uuid, output: &Output) -> Result<(), AppError> {
    let receipt = app.revoke_token(id).await?;
    if output.json {
        let object = serde_json::json!({ "id": id, "position": receipt.position });
        output.data(&object.to_string());
        return Ok(());
    }
    let position = receipt.position;
    output.say(
        &format!("token {id} is revoked; recorded at {position}"),
        &format!("令牌 {id} 已吊销，记入位置 {position}"),
    );
    Ok(())
}
