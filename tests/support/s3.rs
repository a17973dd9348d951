//! The S3 store as the program opens it, from settings of a test's own.

use std::sync::Arc;
use std::time::Duration;

use cloud_portfolio::config::{Config, StoreConfig};
use cloud_portfolio::store::s3::{S3Settings, S3Store};

/// Opens a store; of settings with one name the last counts.
pub fn open(settings: &[(String, String)], timeout: Duration) -> Arc<S3Store> {
    let lookup = |name: &str| {
        let found = settings.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    let config = Config::from_lookup(&lookup).unwrap();
    let StoreConfig::S3(s3) = &config.store else {
        panic!("BUCKET_NAME is not among the settings");
    };
    let settings = S3Settings::new(s3, &config.key_prefix, timeout).unwrap();
    start(settings)
}

/// The store of these settings, whose credentials are kept as the server keeps them: on another
/// runtime than the store's.
pub fn start(settings: S3Settings) -> Arc<S3Store> {
    keep(&settings);
    Arc::new(S3Store::new(Arc::new(settings)))
}

pub fn keep(settings: &S3Settings) {
    let credentials = settings.credentials().clone();
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        match runtime
            .enable_all()
            .build()
            .unwrap()
            .block_on(credentials.keep()) {}
    });
}

/// Asserts that a call failed, and with which meaning.
macro_rules! assert_err {
    ($result:expr, $meaning:pat) => {
        assert_err!($result, $meaning, "")
    };
    ($result:expr, $meaning:pat, $($context:tt)+) => {
        match $result {
            Err($meaning) => {}
            Err(other) => panic!(
                "{other:?} instead of {} {}",
                stringify!($meaning),
                format_args!($($context)+)
            ),
            Ok(_) => panic!(
                "success instead of {} {}",
                stringify!($meaning),
                format_args!($($context)+)
            ),
        }
    };
}
pub(crate) use assert_err;
