//! The sources and their order:
//!
//! 1. the environment
//! 2. the shared profile files, where profile or file are named
//! 3. web identity, by STS
//! 4. the container's agent
//! 5. the EC2 metadata service
//! 6. the shared profile files of the home directory
//!
//! One that is not there is passed over; one that is there and fails ends the search, as the next
//! one would be another identity.

use std::fmt;
use std::sync::Arc;

use rusoto_core::credential::AwsCredentials;
use rustls::ClientConfig;

use super::fetch::{Fetcher, Files};
use super::{container, environment, metadata, profile, web_identity};
use crate::body::BoxError;
use crate::config::CredentialSources;

/// A source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Environment,
    NamedProfile,
    WebIdentity,
    Container,
    Metadata,
    Profile,
}

const ORDER: [Step; 6] = [
    Step::Environment,
    Step::NamedProfile,
    Step::WebIdentity,
    Step::Container,
    Step::Metadata,
    Step::Profile,
];

/// Why a source gives none.
#[derive(Debug)]
pub(super) enum Missing {
    /// It is not there; what would make it be.
    Absent(String),
    /// It is there, and fails.
    Failed(BoxError),
}

impl<E: Into<BoxError>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a source gives.
pub(super) type Loaded = Result<AwsCredentials, Missing>;

/// All sources.
pub(super) struct Chain {
    sources: CredentialSources,
    tls: Arc<ClientConfig>,
    files: Files,
}

impl Chain {
    pub(super) fn new(sources: CredentialSources, tls: Arc<ClientConfig>) -> Self {
        Self {
            sources,
            tls,
            files: Files::default(),
        }
    }

    /// Asks `only` this source, or else each in its order until one is there. Fails with a text that
    /// says what was tried.
    pub(super) async fn load(&self, only: Option<Step>) -> Result<(AwsCredentials, Step), String> {
        if let Some(step) = only {
            return match self.ask(step).await {
                Ok(keys) => Ok((keys, step)),
                Err(Missing::Absent(why)) => Err(why),
                Err(Missing::Failed(why)) => Err(format!("{step}: {why}")),
            };
        }
        let mut tried = Vec::new();
        for step in ORDER {
            match self.ask(step).await {
                Ok(keys) => return Ok((keys, step)),
                Err(Missing::Absent(why)) if why.is_empty() => {}
                Err(Missing::Absent(why)) => tried.push(why),
                Err(Missing::Failed(why)) => return Err(format!("{step}: {why}")),
            }
        }
        Err(format!("no source has any: {}", tried.join("; ")))
    }

    async fn ask(&self, step: Step) -> Loaded {
        let (sources, files) = (&self.sources, &self.files);
        let unset = |names: &str| Missing::Absent(format!("{names} unset"));
        match step {
            Step::Environment => match &sources.keys {
                Some(keys) => environment::load(keys, files).await,
                None => Err(unset("AWS_ACCESS_KEY_ID")),
            },
            Step::NamedProfile if sources.profile.named => {
                profile::load(&sources.profile, files).await
            }
            Step::Profile if !sources.profile.named => profile::load(&sources.profile, files).await,
            Step::NamedProfile | Step::Profile => Err(Missing::Absent(String::new())),
            Step::WebIdentity => match &sources.web_identity {
                Some(role) => web_identity::load(role, &Fetcher::new(&self.tls), files).await,
                None => Err(unset("AWS_WEB_IDENTITY_TOKEN_FILE")),
            },
            Step::Container => match &sources.container {
                Some(agent) => container::load(agent, &Fetcher::new(&self.tls), files).await,
                None => Err(unset("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
            },
            Step::Metadata => match &sources.metadata {
                Some(endpoint) => metadata::load(endpoint, &Fetcher::near(&self.tls)).await,
                None => Err(Missing::Absent("AWS_EC2_METADATA_DISABLED set".to_owned())),
            },
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "the environment",
            Self::NamedProfile | Self::Profile => "the shared profile files",
            Self::WebIdentity => "STS (web identity)",
            Self::Container => "the container's agent",
            Self::Metadata => "the EC2 metadata service",
        })
    }
}
