//! What every store must do with tokens, beside [`super::suite`].

use uuid::Uuid;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::time::Timestamp;
use vitaledger::store::access::{Token, TokenRole};

use super::suite::Backend;

fn token(number: u8, role: TokenRole, name: Option<&str>) -> Token {
    Token {
        id: Uuid::from_u128(u128::from(number)),
        hash: [number; 32],
        role,
        office: OfficeCode::parse("990101000000").unwrap(),
        name: name.map(str::to_owned),
        created_at: Timestamp::from_micros(i64::from(number)).unwrap(),
        expires_at: Timestamp::from_micros(1_000_000).unwrap(),
        revoked_at: None,
        mac: [number; 32],
    }
}

/// A token is found by the hash of its secret, is what it was made as, and is revoked once.
pub async fn tokens_are_kept_and_revoked_once(backend: &dyn Backend) {
    let tokens = backend.tokens();
    assert!(tokens.tokens().await.unwrap().is_empty());
    let all: Vec<Token> = (1..)
        .zip(TokenRole::ALL)
        .map(|(number, role)| token(number, role, (number > 2).then_some("医院系统")))
        .collect();
    // The order of making is that of the list, whatever the order of writing.
    for token in all.iter().rev() {
        tokens.keep_token(token).await.unwrap();
    }
    assert_eq!(tokens.tokens().await.unwrap(), all);
    assert_eq!(
        tokens.token_of_hash(&[2; 32]).await.unwrap().as_ref(),
        all.get(1)
    );
    assert_eq!(tokens.token_of_hash(&[9; 32]).await.unwrap(), None);
    // Neither an id nor a hash stands for two.
    assert!(tokens.keep_token(&all[0]).await.is_err());
    let mut twin = token(9, TokenRole::Auditor, None);
    twin.hash = [1; 32];
    assert!(tokens.keep_token(&twin).await.is_err());
    let at = Timestamp::from_micros(77).unwrap();
    let later = Timestamp::from_micros(78).unwrap();
    assert!(tokens.revoke_token(all[1].id, at).await.unwrap());
    assert!(!tokens.revoke_token(all[1].id, later).await.unwrap());
    assert!(!tokens.revoke_token(Uuid::nil(), at).await.unwrap());
    let revoked = tokens.token_of_hash(&[2; 32]).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at));
    assert_eq!(tokens.tokens().await.unwrap().len(), 4);
}

/// Nobody takes back a revocation, changes what a token is for, or lets one vanish.
pub async fn tokens_are_not_changed_or_deleted(backend: &dyn Backend) {
    let tokens = backend.tokens();
    let kept = token(1, TokenRole::Integrator, None);
    tokens.keep_token(&kept).await.unwrap();
    let refused = [
        "UPDATE api_token SET role = 'auditor'",
        "UPDATE api_token SET office = '990202000000'",
        "UPDATE api_token SET expires_at = 2000000, revoked_at = 1",
        "UPDATE api_token SET revoked_at = NULL",
        "DELETE FROM api_token",
    ];
    for statement in refused {
        let said = backend.tamper_access(statement).await.unwrap_err();
        assert!(said.contains("tokens are kept"), "{statement}: {said}");
    }
    tokens.revoke_token(kept.id, kept.expires_at).await.unwrap();
    let back = "UPDATE api_token SET revoked_at = NULL";
    assert!(backend.tamper_access(back).await.is_err());
    let revoked = tokens.tokens().await.unwrap();
    assert_eq!(revoked[0].revoked_at, Some(kept.expires_at));
}
