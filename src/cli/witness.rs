//! `witness`: cosigns the logs of others.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rand_core::OsRng;

use super::args::Witness as What;
use super::output::Output;
use super::stopping::stopped;
use crate::app::AppError;
use crate::app::error::failed;
use crate::http::witness::serve;
use crate::seal::cosignature::CosigningKey;
use crate::seal::witness::Witness;

/// Makes a witness's key, or serves.
pub async fn run(what: &What, output: &Output) -> Result<(), AppError> {
    match what {
        What::Init { state, name } => init(state, name, output),
        What::Serve {
            state,
            listen,
            trust,
        } => {
            let policy = trust.policy()?.ok_or_else(|| {
                AppError::Usage("name the logs to cosign: --key or --policy".to_owned())
            })?;
            let path = state.join("witness.key");
            let text = fs::read_to_string(&path).map(zeroize::Zeroizing::new);
            let text = text.map_err(failed("read", &path))?;
            let key = CosigningKey::parse(text.trim())
                .map_err(|error| AppError::Usage(format!("{}: {error}", path.display())))?;
            let public = key.witness_key().to_string();
            let witness = Arc::new(Witness::new(key, policy.logs().to_vec(), state));
            let ready = |address| {
                let url = format!("http://{address}");
                if output.json {
                    let object = serde_json::json!({ "url": url, "witness_key": public });
                    output.data(&object.to_string());
                } else {
                    output.data(&format!("{url}\n{public}"));
                }
            };
            let stop = stopped().map_err(failed("listen to", Path::new("signals")))?;
            let served = serve(witness, *listen, ready, stop).await;
            served.map_err(|source| AppError::File {
                doing: "listen at",
                path: listen.to_string(),
                source,
            })
        }
    }
}

fn init(state: &Path, name: &str, output: &Output) -> Result<(), AppError> {
    let key = CosigningKey::generate(&mut OsRng, name)
        .map_err(|error| AppError::Usage(error.to_string()))?;
    fs::create_dir_all(state).map_err(failed("create", state))?;
    let path = state.join("witness.key");
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(failed("create", &path))?;
    file.write_all(format!("{}\n", key.encoded().as_str()).as_bytes())
        .map_err(failed("write", &path))?;
    file.sync_all().map_err(failed("flush", &path))?;
    let public = key.witness_key().to_string();
    if output.json {
        output.data(&serde_json::json!({ "witness_key": public }).to_string());
    } else {
        output.data(&public);
    }
    Ok(())
}
