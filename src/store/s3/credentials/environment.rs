//! An access key from the environment, or from the files that it names.

use rusoto_core::credential::AwsCredentials;

use super::chain::Loaded;
use super::fetch::Files;
use crate::config::{Held, Keys};

pub(super) async fn load(keys: &Keys, files: &Files) -> Loaded {
    let id = needed(files, "AWS_ACCESS_KEY_ID", &keys.access_key_id).await?;
    let secret = needed(files, "AWS_SECRET_ACCESS_KEY", &keys.secret_access_key).await?;
    let token = match &keys.session_token {
        Some(token) => Some(files.read_held("AWS_SESSION_TOKEN", token).await?),
        None => None,
    };
    let token = token.filter(|token| !token.is_empty());
    Ok(AwsCredentials::new(id, secret, token, None))
}

async fn needed(files: &Files, name: &str, held: &Held) -> Result<String, String> {
    let value = files.read_held(name, held).await?;
    if value.is_empty() {
        return Err(format!("the file of {name}_FILE is empty"));
    }
    Ok(value)
}
