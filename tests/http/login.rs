//! People log in at a provider that is not ours (`oidc-provider-mock`, `PyPI`), and at one that lies.
//!
//! The browser is a client that follows nothing by itself and carries its cookie by hand.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Method, Url, redirect};
use serde_json::{Value, json};
use vitaledger::http::login::options::{ClientPassword, LoginOptions, UNDER_WAY};
use vitaledger::http::server::ServeOptions;
use vitaledger::model::time::Timestamp;
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;
use zeroize::Zeroizing;

use crate::foreign::python;
use crate::on_both;
use crate::process::command;
use crate::provider::{CLIENT, Lie, Provider, SECRET};
use crate::running::{
    Answer, COUNTY, NEIGHBOUR, Running, VILLAGE, birth, birth_in, make, options, send, tls,
    with_json,
};

on_both! {
    oidc_whoever_logs_in_may_what_their_claims_say
    oidc_a_login_ends_once_in_the_browser_in_which_it_began
    oidc_whoever_lies_gives_nobody_a_token
}

/// How long a provider is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where it sends people back to; nothing listens there: the test goes there by itself.
const BACK: &str = "http://127.0.0.1:1/v1/login/callback";

/// `oidc-provider-mock`.
struct Mock {
    child: Child,
    url: String,
}

impl Mock {
    async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = python("oidc")
            .args(["-m", "oidc_provider_mock", "--require-nonce"])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mock = Self { child, url };
        let end = Instant::now() + PATIENCE;
        while browser().get(mock.at("/jwks")).send().await.is_err() {
            assert!(Instant::now() < end, "the provider does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        mock
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What it says of somebody.
    async fn say(&self, who: &str, claims: &Value) {
        let request = browser().put(self.at(&format!("/users/{who}")));
        let answer = send(with_json(request, claims)).await;
        assert_eq!(answer.status.as_u16(), 204);
    }

    /// What somebody fills in; gives what their browser brings back.
    async fn filled_in(&self, at: &Url, form: &'static str) -> String {
        let request = browser().post(at.clone());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        brought_back(&send(request.body(form)).await)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn browser() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(redirect::Policy::none());
    let root = std::fs::read(tls().join("ca.pem")).unwrap();
    let root = Certificate::from_pem(&root).unwrap();
    builder
        .no_proxy()
        .add_root_certificate(root)
        .build()
        .unwrap()
}

/// The query with which a provider sends somebody back.
fn brought_back(answer: &Answer) -> String {
    let back = Url::parse(answer.header("location")).unwrap();
    let (to, query) = back.as_str().split_once('?').unwrap();
    assert_eq!(to, BACK);
    query.to_owned()
}

fn serving(login: LoginOptions) -> ServeOptions {
    ServeOptions {
        login: Some(login),
        ..options()
    }
}

fn at(issuer: &str) -> LoginOptions {
    LoginOptions {
        issuer: issuer.to_owned(),
        client: CLIENT.to_owned(),
        password: Some(ClientPassword(Zeroizing::new(SECRET.to_owned()))),
        redirect: BACK.to_owned(),
        role_claim: "vitaledger_role".to_owned(),
        office_claim: "vitaledger_office".to_owned(),
        lifetime: Duration::from_hours(8),
        under_way: UNDER_WAY,
        trusted: Vec::new(),
    }
}

/// The mock takes the name in `Authorization` as it stands, where RFC 6749, 2.3.1, has it encoded as in a
/// form; so it knows the server by one that is the same either way.
fn at_mock(mock: &Mock) -> LoginOptions {
    LoginOptions {
        client: "vitaledger".to_owned(),
        ..at(&mock.url)
    }
}

async fn set_up(running: &mut Running, login: LoginOptions) {
    running.stop().await;
    running.start(serving(login)).await;
}

/// A login that is under way: where it goes on, and the cookie.
struct Going {
    to: Url,
    cookie: String,
}

async fn begin(running: &Running) -> Going {
    begin_at(&running.url("")).await
}

async fn begin_at(server: &str) -> Going {
    let answer = send(browser().get(format!("{server}/v1/login"))).await;
    assert_eq!(answer.status.as_u16(), 303);
    assert_eq!(answer.header("cache-control"), "no-store");
    let (cookie, attributes) = answer.header("set-cookie").split_once(';').unwrap();
    let expected = " Path=/v1/login; HttpOnly; SameSite=Lax; Max-Age=";
    assert!(attributes.starts_with(expected), "{attributes}");
    Going {
        to: Url::parse(answer.header("location")).unwrap(),
        cookie: cookie.to_owned(),
    }
}

async fn back(running: &Running, cookie: &str, query: &str) -> Answer {
    back_at(&running.url(""), cookie, query).await
}

async fn back_at(server: &str, cookie: &str, query: &str) -> Answer {
    let url = format!("{server}/v1/login/callback?{query}");
    send(browser().get(url).header("cookie", cookie)).await
}

/// A whole login at the provider that may lie.
async fn log_in(running: &Running) -> Answer {
    let going = begin(running).await;
    let query = brought_back(&send(browser().get(going.to)).await);
    back(running, &going.cookie, &query).await
}

/// What a token gets.
async fn ask(running: &Running, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = running.request(method, path).bearer_auth(token);
    if body.is_null() {
        return send(request).await;
    }
    send(with_json(request, body)).await
}

fn registrar(office: &str) -> Value {
    json!({
        "sub": "5f83e0ca", "preferred_username": "wang.xiaoming", "name": "王小明",
        "vitaledger_role": "registrar", "vitaledger_office": office,
    })
}

async fn tokens(running: &Running) -> usize {
    let app = running.open().await;
    let count = app.list_tokens().await.unwrap().len();
    app.close().await;
    count
}

async fn oidc_whoever_logs_in_may_what_their_claims_say(mut running: Running) {
    let mock = Mock::start().await;
    mock.say("5f83e0ca", &registrar(VILLAGE)).await;
    set_up(&mut running, at_mock(&mock)).await;
    let going = begin(&running).await;
    assert!(going.cookie.starts_with("vitaledger_login="));
    let query = mock.filled_in(&going.to, "sub=5f83e0ca").await;
    let answer = back(&running, &going.cookie, &query).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let forgets = "vitaledger_login=; Path=/v1/login; HttpOnly; SameSite=Lax; Max-Age=0";
    assert_eq!(answer.header("set-cookie"), forgets);
    let told = answer.expect(200);
    assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
    let token = told["token"].as_str().unwrap();
    let me = ask(&running, token, Method::GET, "/v1/me", &Value::Null)
        .await
        .expect(200);
    for (name, value) in [("role", "registrar"), ("office", VILLAGE)] {
        assert_eq!(told[name], value);
        assert_eq!(me[name], value);
    }
    assert_eq!(me["expires_at"], told["expires_at"]);
    let end = Timestamp::parse_canonical(told["expires_at"].as_str().unwrap()).unwrap();
    let left = (end.micros() - Timestamp::now().micros()) / 1_000_000;
    assert!((8 * 3600 - 60..=8 * 3600).contains(&left), "{left}");
    // What the role and the office give, and nothing beyond.
    let births = "/v1/records/birth";
    ask(&running, token, Method::POST, births, &birth("B1"))
        .await
        .expect(201);
    let other = birth_in("B2", NEIGHBOUR);
    let answer = ask(&running, token, Method::POST, births, &other).await;
    answer.problem(403, "other-office");
    let answer = ask(&running, token, Method::POST, "/v1/audits", &json!({})).await;
    answer.problem(403, "not-permitted");
    let county = format!("/v1/registers/birth?office={COUNTY}");
    let answer = ask(&running, token, Method::GET, &county, &Value::Null).await;
    answer.problem(404, "not-found");
    // Out again.
    let answer = ask(&running, token, Method::POST, "/v1/logout", &Value::Null).await;
    assert_eq!(answer.status.as_u16(), 204);
    let answer = ask(&running, token, Method::GET, "/v1/me", &Value::Null).await;
    answer.problem(401, "void-token");
    let app = running.stop_and_verify().await;
    let all = app.list_tokens().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].name.as_deref(), Some("oidc:wang.xiaoming"));
    assert_eq!(all[0].role, TokenRole::Registrar);
    let entries = app.store().entries(0, 1000).await.unwrap();
    let texts: Vec<_> = entries
        .iter()
        .map(|one| String::from_utf8_lossy(&one.bytes))
        .collect();
    let made = texts.iter().filter(|text| text.contains("TokenCreated"));
    let made: Vec<_> = made.collect();
    assert_eq!(made.len(), 1);
    assert!(made[0].contains(r#""actor":"login""#), "{}", made[0]);
    for personal in ["wang.xiaoming", "王小明", "5f83e0ca", &token[11..]] {
        assert!(
            texts.iter().all(|text| !text.contains(personal)),
            "{personal}"
        );
    }
    app.close().await;
}

async fn oidc_a_login_ends_once_in_the_browser_in_which_it_began(mut running: Running) {
    let mock = Mock::start().await;
    mock.say("alice", &registrar(VILLAGE)).await;
    set_up(&mut running, at_mock(&mock)).await;
    let (going, other) = (begin(&running).await, begin(&running).await);
    let query = mock.filled_in(&going.to, "sub=alice").await;
    let mut forged = going.cookie.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let (code, _) = query.split_once("&state=").unwrap();
    for (cookie, query) in [
        ("", query.as_str()),
        ("vitaledger_login=", &query),
        (&other.cookie, &query),
        (&forged, &query),
        (&going.cookie, code),
        (&going.cookie, &format!("{code}&state=other")),
        (&going.cookie, ""),
    ] {
        let answer = back(&running, cookie, query).await;
        // Whoever sends somebody here with something else does not end what they have under way.
        assert_eq!(answer.header("set-cookie"), "", "{cookie} {query}");
        answer.problem(400, "login-not-begun");
    }
    let twice = format!("{query}&state=other");
    let answer = back(&running, &going.cookie, &twice).await;
    answer.problem(400, "malformed");
    // Somebody else answers.
    let mixed = format!("{query}&iss=http%3A%2F%2F127.0.0.1%3A1");
    back(&running, &going.cookie, &mixed)
        .await
        .problem(403, "login-refused");
    // Nothing of all that used the code up; it works, among other cookies, once.
    let cookies = format!("a=b; {}; {}", other.cookie, going.cookie);
    back(&running, &cookies, &query).await.expect(200);
    let again = back(&running, &cookies, &query).await;
    assert!(again.header("set-cookie").contains("Max-Age=0"));
    again.problem(403, "login-refused");
    // A code alone is not enough.
    let begun = begin(&running).await;
    let query = mock.filled_in(&begun.to, "sub=alice").await;
    let (_, state) = query.split_once("&state=").unwrap();
    let answer = back(&running, &begun.cookie, &format!("state={state}")).await;
    answer.problem(400, "malformed");
    let answer = back(&running, &begun.cookie, &format!("code=x&state={state}")).await;
    answer.problem(403, "login-refused");
    // Whoever presses the other button.
    let query = mock.filled_in(&begun.to, "action=deny").await;
    assert!(query.contains("error=access_denied"), "{query}");
    back(&running, &begun.cookie, &query)
        .await
        .problem(403, "login-refused");
    let away = format!("error=temporarily_unavailable&state={state}");
    let answer = back(&running, &begun.cookie, &away).await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.problem(503, "provider-away");
    assert_eq!(tokens(&running).await, 1);
    // Too late.
    let hasty = LoginOptions {
        under_way: Duration::ZERO,
        ..at_mock(&mock)
    };
    set_up(&mut running, hasty).await;
    let begun = begin(&running).await;
    let query = mock.filled_in(&begun.to, "sub=alice").await;
    let answer = back(&running, &begun.cookie, &query).await;
    answer.problem(400, "login-not-begun");
    running.stop_and_verify().await.close().await;
}

async fn oidc_whoever_lies_gives_nobody_a_token(mut running: Running) {
    let provider = Provider::start().await;
    provider.say(&registrar(VILLAGE));
    set_up(&mut running, at(&provider.issuer())).await;
    log_in(&running).await.expect(200);
    for lie in [
        Lie::OtherNonce,
        Lie::NoNonce,
        Lie::OtherKey,
        Lie::Unsigned,
        Lie::SignedWithTheSecret,
        Lie::OtherAudience,
        Lie::OneAudienceMore,
        Lie::OtherIssuer,
        Lie::Expired,
        Lie::OtherAccessToken,
        Lie::OtherPresenter,
        Lie::NoIdToken,
        Lie::NoJson,
        Lie::Elsewhere,
    ] {
        provider.lie(lie);
        let answer = log_in(&running).await;
        assert_eq!(answer.status.as_u16(), 403, "{lie:?}");
        answer.problem(403, "login-refused");
    }
    for lie in [Lie::TooLong, Lie::Broken] {
        provider.lie(lie);
        log_in(&running).await.problem(503, "provider-away");
    }
    provider.lie(Lie::None);
    log_in(&running).await.expect(200);
    assert_eq!(tokens(&running).await, 2);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_claims_name_one_role_and_one_registered_office() {
    let mut running = Running::on_sqlite().await;
    let provider = Provider::start().await;
    set_up(&mut running, at(&provider.issuer())).await;
    let with = |name: &str, value: Value| {
        let mut claims = registrar(VILLAGE);
        claims[name] = value;
        claims
    };
    let (role, office) = ("vitaledger_role", "vitaledger_office");
    for (claims, named) in [
        (json!({ "sub": "5f83e0ca" }), role),
        (with(role, Value::Null), role),
        (with(role, json!("owner")), role),
        (with(role, json!(["registrar", "auditor"])), role),
        (with(office, Value::Null), office),
        (with(office, json!("990303000000")), office),
        (with(office, json!(990_101_100_001_u64)), office),
        (with(office, json!([VILLAGE, NEIGHBOUR])), office),
    ] {
        provider.say(&claims);
        let problem = log_in(&running).await.problem(403, "login-refused");
        for language in ["detail", "detail_zh"] {
            let detail = problem[language].as_str().unwrap();
            assert!(detail.contains(named), "{claims}: {detail}");
            assert!(
                !detail.contains("owner") && !detail.contains("9903"),
                "{detail}"
            );
        }
    }
    assert_eq!(tokens(&running).await, 0);
    provider.say(&with(role, json!(["mail", "auditor"])));
    assert_eq!(log_in(&running).await.expect(200)["role"], "auditor");
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_a_key_that_is_replaced_is_fetched_but_not_again_and_again() {
    let mut running = Running::on_sqlite().await;
    let provider = Provider::start().await;
    provider.say(&registrar(VILLAGE));
    set_up(&mut running, at(&provider.issuer())).await;
    for _ in 0..3 {
        log_in(&running).await.expect(200);
    }
    assert_eq!(provider.keys_fetched(), 1);
    provider.replace_key("second");
    log_in(&running).await.expect(200);
    assert_eq!(provider.keys_fetched(), 2);
    provider.replace_key("third");
    for _ in 0..3 {
        log_in(&running).await.problem(403, "login-refused");
    }
    assert_eq!(provider.keys_fetched(), 2);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_a_provider_that_is_away_is_said_to_be() {
    let mut running = Running::on_sqlite().await;
    let mut mock = Mock::start().await;
    mock.say("alice", &registrar(VILLAGE)).await;
    set_up(&mut running, at_mock(&mock)).await;
    let going = begin(&running).await;
    let query = mock.filled_in(&going.to, "sub=alice").await;
    mock.child.kill().unwrap();
    mock.child.wait().unwrap();
    let away = async |answer: Answer| {
        assert_eq!(answer.header("retry-after"), "5");
        answer.problem(503, "provider-away");
    };
    away(back(&running, &going.cookie, &query).await).await;
    // Nothing of it is known any more.
    set_up(&mut running, at_mock(&mock)).await;
    for _ in 0..2 {
        away(send(browser().get(running.url("/v1/login"))).await).await;
    }
    // The server does all else.
    running.registrar().await.birth("B1").await;
    let ready = running.get("/health/ready").await;
    assert_eq!(ready.status.as_u16(), 200);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_any_node_ends_what_another_one_began() {
    let mut running = Running::on_sqlite().await;
    let provider = Provider::start().await;
    provider.say(&registrar(VILLAGE));
    set_up(&mut running, at(&provider.issuer())).await;
    let going = begin(&running).await;
    let query = brought_back(&send(browser().get(going.to)).await);
    // Another process of the same ledger; and one of another ledger.
    let mut other = Running::on_sqlite().await;
    set_up(&mut other, at(&provider.issuer())).await;
    let answer = back(&other, &going.cookie, &query).await;
    answer.problem(400, "login-not-begun");
    other.stop().await;
    set_up(&mut running, at(&provider.issuer())).await;
    back(&running, &going.cookie, &query).await.expect(200);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_over_tls_only_authorities_that_are_trusted_count() {
    let mut running = Running::on_sqlite().await;
    let provider = Provider::over_tls().await;
    provider.say(&registrar(VILLAGE));
    set_up(&mut running, at(&provider.issuer())).await;
    let answer = send(browser().get(running.url("/v1/login"))).await;
    answer.problem(503, "provider-away");
    let root = std::fs::read(tls().join("ca.pem")).unwrap();
    let trusting = LoginOptions {
        trusted: vec![Certificate::from_pem(&root).unwrap()],
        ..at(&provider.issuer())
    };
    set_up(&mut running, trusting).await;
    log_in(&running).await.expect(200);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_a_client_that_the_provider_does_not_know_gets_nothing() {
    let mut running = Running::on_sqlite().await;
    let provider = Provider::start().await;
    provider.say(&registrar(VILLAGE));
    let nameless = LoginOptions {
        password: Some(ClientPassword(Zeroizing::new("another".to_owned()))),
        ..at(&provider.issuer())
    };
    set_up(&mut running, nameless).await;
    log_in(&running).await.problem(403, "login-refused");
    let public = LoginOptions {
        password: None,
        ..at(&provider.issuer())
    };
    set_up(&mut running, public).await;
    log_in(&running).await.problem(403, "login-refused");
    assert_eq!(tokens(&running).await, 0);
    running.stop_and_verify().await.close().await;
}

/// The program itself, with every argument; and what its log says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_the_command_logs_that_somebody_came_and_not_who() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    make(&ledger, &Location::Folder).await;
    let provider = Provider::over_tls().await;
    let claims = json!({
        "sub": "5f83e0ca", "preferred_username": "wang.xiaoming",
        "role": "auditor", "office": COUNTY,
    });
    provider.say(&claims);
    let secret = folder.path().join("secret.txt");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let (issuer, ca) = (provider.issuer(), tls().join("ca.pem"));
    let mut arguments = vec!["--json", "serve", "--listen", "127.0.0.1:0", "--grace", "1"];
    arguments.extend(["--oidc-issuer", &issuer, "--oidc-client", CLIENT]);
    arguments.extend(["--oidc-client-secret-file", secret.to_str().unwrap()]);
    arguments.extend(["--oidc-redirect", BACK, "--oidc-hours", "1"]);
    arguments.extend(["--oidc-role-claim", "role", "--oidc-office-claim", "office"]);
    arguments.extend(["--oidc-ca", ca.to_str().unwrap()]);
    let mut command = command(&ledger, &arguments);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = piped.spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(program.stdout.take().unwrap());
    tokio::task::block_in_place(|| out.read_line(&mut line)).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let server = format!("http://{}", listening["listen"].as_str().unwrap());
    let going = begin_at(&server).await;
    let query = brought_back(&send(browser().get(going.to)).await);
    let told = back_at(&server, &going.cookie, &query).await.expect(200);
    assert_eq!(told["role"], "auditor");
    let again = back_at(&server, &going.cookie, &query).await;
    again.problem(403, "login-refused");
    let stopped = Command::new("kill").arg(program.id().to_string()).status();
    assert!(stopped.unwrap().success());
    let program = tokio::task::block_in_place(|| program.wait_with_output()).unwrap();
    assert!(program.status.success());
    let log = String::from_utf8(program.stderr).unwrap();
    for said in [
        "somebody logged in",
        "a login was refused",
        "/v1/login/callback",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let token = told["token"].as_str().unwrap();
    let (_, cookie) = going.cookie.split_once('=').unwrap();
    for secret in [
        "wang",
        "5f83e0ca",
        SECRET,
        "code-1",
        token,
        cookie,
        "access token",
    ] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
