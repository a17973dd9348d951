//! The S3 that the programs store in: a real one, or one that throws bodies away so that its own
//! cost hides nobody else's.

use crate::bench::discard::{self, Discard};
use crate::bench::minio::Minio;
use crate::load::client::Target;
use crate::load::process::{Tree, own_cpu_seconds};

pub enum Store {
    /// With its processes.
    Minio(Minio, Tree),
    Discard(Discard),
}

impl Store {
    /// Why not, when there is none.
    pub fn minio() -> Result<Self, String> {
        let minio = Minio::try_start()?;
        let tree = Tree::of(minio.pid());
        Ok(Self::Minio(minio, tree))
    }

    pub fn discard(tls: bool) -> Self {
        Self::Discard(Discard::start(tls))
    }

    /// With which a program uses it.
    pub fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Minio(minio, _) => minio.settings.clone(),
            Self::Discard(discard) => discard.settings(),
        }
    }

    /// One of them; empty when there is none of that name.
    pub fn setting(&self, wanted: &str) -> String {
        let mut settings = self.settings().into_iter();
        let found = settings.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    /// Where a client reaches it by itself.
    pub fn target(&self) -> Target {
        let endpoint = self.setting("AWS_ENDPOINT_URL_S3");
        let port = endpoint
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        Target::loopback(port.expect("a port"))
    }

    /// Its CPU seconds so far. One that runs in this process counts by the names of its threads.
    pub fn cpu_seconds(&self) -> f64 {
        match self {
            Self::Minio(_, tree) => tree.cpu_seconds(),
            Self::Discard(_) => own_cpu_seconds(discard::THREADS).1,
        }
    }
}
