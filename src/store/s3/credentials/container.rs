//! A role from the agent beside a container: ECS, EKS Pod Identity. Which hosts may be asked without
//! TLS is decided in `config::credentials`.

use bytes::Bytes;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};

use super::chain::Loaded;
use super::fetch::{Fetcher, Files, parse};
use crate::config::Container;

pub(super) async fn load(agent: &Container, fetcher: &Fetcher, files: &Files) -> Loaded {
    let mut request = Request::get(&agent.url)
        .header(ACCEPT, "application/json")
        .body(Bytes::new())?;
    if let Some(token) = &agent.token {
        // Read each time: EKS writes a new one before it expires.
        let name = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
        let token = files.read_held(name, token).await?;
        let mut value = HeaderValue::try_from(token)
            .map_err(|_| format!("{name} has characters that no header may have"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let answer = fetcher.fetch(request).await?;
    Ok(parse(&answer)?)
}
