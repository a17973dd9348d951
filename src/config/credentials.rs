//! Where credentials for S3 may come from, as the environment says it. What is read from there, and
//! when, is `store::s3::credentials`' business.

use std::path::PathBuf;

use super::Secret;
use super::reader::Reader;
use super::s3::{aws_endpoint, parse_endpoint};

/// A secret, or the file that holds it and may be written anew at any time.
#[derive(Debug, Clone)]
pub enum Held {
    /// The secret itself.
    Here(Secret),
    /// A file with nothing else in it.
    InFile(PathBuf),
}

/// Every place that is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct CredentialSources {
    /// `AWS_ACCESS_KEY_ID` and what goes with it.
    pub keys: Option<Keys>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` and what goes with it.
    pub web_identity: Option<WebIdentity>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` or its relative sister.
    pub container: Option<Container>,
    /// Base URL of the EC2 metadata service; None where it must not be asked.
    pub metadata: Option<String>,
    /// A profile of the files that AWS's tools share.
    pub profile: Profile,
}

/// An access key from the environment.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Held,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Held,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Held>,
}

/// A role that STS lends to who has a token of an identity provider.
#[derive(Debug, Clone)]
pub struct WebIdentity {
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: PathBuf,
    /// `AWS_ROLE_ARN`.
    pub role_arn: String,
    /// `AWS_ROLE_SESSION_NAME`.
    pub session_name: String,
    /// URL of STS, without a trailing slash.
    pub endpoint: String,
}

/// An agent that lends a role to the container beside it.
#[derive(Debug, Clone)]
pub struct Container {
    /// Where to ask.
    pub url: String,
    /// What to show there (`Authorization`).
    pub token: Option<Held>,
}

/// A profile, and the files that it may be in.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// `AWS_PROFILE`.
    pub name: String,
    /// Whether profile or file were named: then it is meant, and goes before what is merely there.
    pub named: bool,
    /// `~/.aws/credentials`; None without a home.
    pub credentials_file: Option<PathBuf>,
    /// `~/.aws/config`; None without a home.
    pub config_file: Option<PathBuf>,
}

/// Agents on link-local addresses, of ECS and of EKS Pod Identity: the only ones besides loopback
/// that are asked without TLS ("Container credential provider", AWS SDKs and Tools Reference Guide).
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// Reads all of it.
pub(super) fn read(env: &mut Reader<'_>, region: &str) -> CredentialSources {
    CredentialSources {
        keys: keys(env),
        web_identity: web_identity(env, region),
        container: container(env),
        metadata: metadata(env),
        profile: profile(env),
    }
}

fn keys(env: &mut Reader<'_>) -> Option<Keys> {
    let access_key_id = env.held("AWS_ACCESS_KEY_ID");
    let secret_access_key = env.held("AWS_SECRET_ACCESS_KEY");
    let session_token = env.held("AWS_SESSION_TOKEN");
    match (access_key_id, secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => Some(Keys {
            access_key_id,
            secret_access_key,
            session_token,
        }),
        (None, None) => {
            if session_token.is_some() {
                env.fault("AWS_SESSION_TOKEN", "is set without AWS_ACCESS_KEY_ID");
            }
            None
        }
        (None, Some(_)) => {
            env.fault(
                "AWS_ACCESS_KEY_ID",
                "is needed when AWS_SECRET_ACCESS_KEY is set",
            );
            None
        }
        (Some(_), None) => {
            env.fault(
                "AWS_SECRET_ACCESS_KEY",
                "is needed when AWS_ACCESS_KEY_ID is set",
            );
            None
        }
    }
}

fn web_identity(env: &mut Reader<'_>, region: &str) -> Option<WebIdentity> {
    let token_file = env.optional("AWS_WEB_IDENTITY_TOKEN_FILE");
    let role_arn = env.optional("AWS_ROLE_ARN");
    let session_name = env.optional("AWS_ROLE_SESSION_NAME");
    let endpoint = match env.first(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]) {
        Some((name, text)) => parse_endpoint(&text).unwrap_or_else(|fault| {
            // The other name is S3's, too, and was read for it.
            if name == "AWS_ENDPOINT_URL_STS" {
                env.fault(name, &fault);
            }
            String::new()
        }),
        None => aws_endpoint("sts", region),
    };
    match (token_file, role_arn) {
        (Some(token_file), Some(role_arn)) => Some(WebIdentity {
            token_file: token_file.into(),
            role_arn,
            session_name: session_name.unwrap_or_default(),
            endpoint,
        }),
        (None, None) => None,
        (None, Some(_)) => {
            env.fault(
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "is needed when AWS_ROLE_ARN is set",
            );
            None
        }
        (Some(_), None) => {
            env.fault(
                "AWS_ROLE_ARN",
                "is needed when AWS_WEB_IDENTITY_TOKEN_FILE is set",
            );
            None
        }
    }
}

fn container(env: &mut Reader<'_>) -> Option<Container> {
    let relative = env.with("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", parse_relative);
    let full = env.with("AWS_CONTAINER_CREDENTIALS_FULL_URI", parse_full);
    let token = env.held("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let url = relative.or(full)?;
    Some(Container { url, token })
}

/// A path at the agent of ECS.
fn parse_relative(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = format!("http://{}{text}", AGENTS[0]);
    match url.parse::<hyper::Uri>() {
        Ok(_) if text.starts_with('/') => Ok(Some(url)),
        _ => Err("must be a path that begins with a slash".to_owned()),
    }
}

/// A URL; without TLS only where no other host can listen.
fn parse_full(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: hyper::Uri = text
        .parse()
        .map_err(|error| format!("is no URL: {error}"))?;
    let host = uri.host().unwrap_or_default();
    let with_user = uri.authority().is_some_and(|a| a.as_str().contains('@'));
    match uri.scheme_str() {
        _ if host.is_empty() || with_user => {
            Err("must name a host, and no user or password".to_owned())
        }
        Some("https") => Ok(Some(text.to_owned())),
        Some("http") if is_near(host) => Ok(Some(text.to_owned())),
        Some("http") => Err(
            "must begin with https:// where the host is neither loopback nor AWS's agent"
                .to_owned(),
        ),
        _ => Err("must begin with http:// or https://".to_owned()),
    }
}

fn is_near(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || AGENTS.contains(&host)
        || bare
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn metadata(env: &mut Reader<'_>) -> Option<String> {
    let disabled = env.with("AWS_EC2_METADATA_DISABLED", |text| {
        match text.to_ascii_lowercase().as_str() {
            "" | "false" => Ok(false),
            "true" => Ok(true),
            _ => Err("must be true or false".to_owned()),
        }
    });
    let endpoint = env.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", parse_endpoint);
    (!disabled).then_some(endpoint)
}

fn profile(env: &mut Reader<'_>) -> Profile {
    let name = env.optional("AWS_PROFILE");
    let credentials_file = env.optional("AWS_SHARED_CREDENTIALS_FILE");
    let config_file = env.optional("AWS_CONFIG_FILE");
    let home = env.set("HOME").map(PathBuf::from);
    let in_home = |file: &str| Some(home.as_ref()?.join(".aws").join(file));
    Profile {
        named: name.is_some() || credentials_file.is_some() || config_file.is_some(),
        name: name.unwrap_or_else(|| "default".to_owned()),
        credentials_file: credentials_file
            .map(PathBuf::from)
            .or_else(|| in_home("credentials")),
        config_file: config_file.map(PathBuf::from).or_else(|| in_home("config")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_near_hosts_are_asked() {
        for url in [
            "http://127.0.0.1:8080/x",
            "http://127.9.9.9/",
            "http://[::1]/",
            "http://localhost/",
            "http://169.254.170.2/v2/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "https://agent.example/x",
        ] {
            assert_eq!(parse_full(url).unwrap().as_deref(), Some(url));
        }
        for url in [
            "http://agent.example/",
            "http://169.254.169.254/",
            "http://169.254.170.2.example/",
            "http://[fd00:ec2::24]/",
            "http://localhost@agent.example/",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "/path",
        ] {
            assert!(parse_full(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_relative_path_is_asked_at_the_agent_of_ecs() {
        assert_eq!(
            parse_relative("/v2/credentials/a?b=c").unwrap().as_deref(),
            Some("http://169.254.170.2/v2/credentials/a?b=c")
        );
        for text in ["v2", "@evil.example/", ".evil.example/", "/a b"] {
            assert!(parse_relative(text).is_err(), "{text}");
        }
    }
}
