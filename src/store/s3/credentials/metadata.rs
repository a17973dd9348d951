//! The role of an EC2 instance, by the second version of its metadata service. Never by the first,
//! which answers whoever can make this process send a GET.
//! Source: "Use the Instance Metadata Service to access instance metadata", EC2 User Guide.

use bytes::Bytes;
use hyper::http::HeaderValue;
use hyper::{Request, StatusCode};
use serde_json::Value;

use super::chain::{Loaded, Missing};
use super::fetch::{Fetcher, parse};
use crate::body::BoxError;
use crate::store::s3::transport::Document;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";
/// Seconds that a token is good for: one fetch, which takes less.
const TOKEN_TTL: &str = "60";

pub(super) async fn load(endpoint: &str, fetcher: &Fetcher) -> Loaded {
    let absent = |why: String| Missing::Absent(format!("the EC2 metadata service {why}"));
    let request = Request::put(format!("{endpoint}{TOKEN_PATH}"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL)
        .body(Bytes::new())?;
    let answer = match fetcher.fetch(request).await {
        Ok(answer) => answer,
        Err(error) => return Err(absent(format!("at {endpoint} does not answer ({error})"))),
    };
    if !answer.status.is_success() {
        return Err(absent(format!(
            "gives no session token ({})",
            answer.status
        )));
    }
    let mut token = HeaderValue::try_from(answer.body.as_ref())
        .map_err(|_| "its session token is none that a header may have")?;
    token.set_sensitive(true);
    let get = |path: String| ask(fetcher, endpoint, path, token.clone());
    let roles = get(ROLE_PATH.to_owned()).await?;
    if roles.status == StatusCode::NOT_FOUND {
        return Err(absent("knows no role of this instance".to_owned()));
    }
    let roles = std::str::from_utf8(&roles.body).unwrap_or_default();
    let role = roles.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err(absent("names no role of this instance".to_owned()));
    }
    let answer = get(format!("{ROLE_PATH}{role}")).await?;
    // "Success", or why the role could not be assumed.
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match said["Code"].as_str() {
        None | Some("Success") => Ok(parse(&answer)?),
        Some(code) => Err(format!("it says {code}").into()),
    }
}

async fn ask(
    fetcher: &Fetcher,
    endpoint: &str,
    path: String,
    token: HeaderValue,
) -> Result<Document, BoxError> {
    let request = Request::get(format!("{endpoint}{path}"))
        .header("x-aws-ec2-metadata-token", token)
        .body(Bytes::new())?;
    let answer = fetcher.fetch(request).await?;
    match answer.status {
        status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(answer),
        status => Err(format!("it answers {status}").into()),
    }
}
