//! The configuration. Input: lines of `NAME=value`.

use std::collections::HashMap;

use super::lines;
use crate::config::{Config, SETTINGS, StoreConfig, shown};

/// Put into every secret. (The id of a key is printed nowhere, but it is none.)
const PLANTED: &str = "pl4nted-s3cret";

/// What is accepted keeps its promises, what `check-config` prints says the same again, and no
/// secret is in it, in a fault or in a debug print.
pub fn config(data: &[u8]) {
    let mut given: HashMap<String, String> = HashMap::new();
    for line in lines(data) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            continue;
        };
        let planted = if setting.secret && name != "AWS_ACCESS_KEY_ID" {
            PLANTED
        } else {
            ""
        };
        given.insert(name.to_owned(), format!("{value}{planted}"));
    }
    let printed = shown(&|name| given.get(name).cloned());
    assert!(!printed.contains(PLANTED));
    match Config::from_lookup(&|name| given.get(name).cloned()) {
        Ok(config) => {
            sound(&config);
            let debug = format!("{config:?}");
            assert!(!debug.contains(PLANTED));
            same_again(&given, &printed, &debug);
        }
        Err(faults) => {
            assert!(!faults.0.is_empty());
            for fault in &faults.0 {
                assert!(
                    SETTINGS.iter().any(|s| fault.starts_with(s.name)),
                    "{fault}"
                );
                assert!(!fault.contains(PLANTED) && !fault.contains('\n'), "{fault}");
            }
        }
    }
}

fn sound(config: &Config) {
    let base = &config.base_path;
    assert!(base.is_empty() || base.starts_with('/') && !base.ends_with('/'));
    assert!(base.is_empty() || format!("{base}/").parse::<hyper::Uri>().is_ok());
    assert!(!config.key_prefix.starts_with('/') && config.key_prefix.len() <= 512);
    assert!((1..=64).contains(&config.workers) && config.threads >= 1);
    assert!(!config.timeout.is_zero() && config.max_connections >= 1);
    assert!(config.upload.part_bytes <= (config.upload.buffer_bytes / 2) as u64);
    if let StoreConfig::S3(s3) = &config.store {
        let endpoints = [Some(&s3.endpoint), s3.public_endpoint.as_ref()];
        for endpoint in endpoints.into_iter().flatten() {
            assert!(
                !endpoint.ends_with('/') && !endpoint.contains('@'),
                "{endpoint}"
            );
            let uri: hyper::Uri = endpoint.parse().unwrap();
            assert!(uri.host().is_some_and(|host| !host.is_empty()));
        }
    }
}

fn same_again(given: &HashMap<String, String>, printed: &str, debug: &str) {
    let again: HashMap<&str, &str> = printed
        .split_terminator('\n')
        .filter_map(|line| line.split_once('='))
        .collect();
    let config = Config::from_lookup(&|name| match again.get(name) {
        Some(&"********") => given.get(name).cloned(),
        value => value.map(|value| (*value).to_owned()),
    });
    assert_eq!(format!("{:?}", config.unwrap()), debug);
}
