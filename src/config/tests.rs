//! What settings are read as, which are faults, and that no secret prints.

use std::collections::HashMap;

use super::s3::{aws_endpoint, parse_endpoint, parse_public_endpoint};
use super::*;

fn config(pairs: &[(&str, &str)]) -> Result<Config, Faults> {
    let map: HashMap<&str, &str> = pairs.iter().copied().collect();
    Config::from_lookup(&|name| map.get(name).map(|v| (*v).to_owned()))
}

fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
    config(pairs).map(|_| ()).unwrap_err().0
}

#[test]
fn an_empty_environment_serves_the_local_store_on_port_5000() {
    let config = config(&[]).unwrap();
    assert_eq!(config.port, 5000);
    assert_eq!((config.workers, config.threads), (2, 4));
    assert_eq!(config.upload.buffer_bytes, 40 << 20);
    assert_eq!(config.upload.part_bytes, 8 << 20);
    assert_eq!(config.upload.max_bytes, MAX_PARTS * MAX_PART_BYTES);
    assert!(matches!(config.store, StoreConfig::Local { data_dir } if data_dir.ends_with("data")));
}

#[test]
fn all_faults_are_reported_at_once_and_no_value_is_repeated() {
    let faults = faults(&[
        ("PORT", "hunter2"),
        ("HOST", "nowhere"),
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", "ftp://hunter2"),
        ("AWS_ACCESS_KEY_ID", "hunter2"),
        ("AWS_ROLE_ARN", "hunter2"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://hunter2"),
        ("THREADS", "0"),
        ("BASE_PATH", "/a/../b"),
        ("READY_STRICT", "perhaps"),
    ]);
    for name in [
        "PORT",
        "HOST",
        "THREADS",
        "BASE_PATH",
        "READY_STRICT",
        "AWS_ENDPOINT_URL",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ] {
        assert_eq!(
            faults
                .iter()
                .filter(|f| f.starts_with(&format!("{name} ")))
                .count(),
            1,
            "{name}"
        );
    }
    assert!(!faults.join("\n").contains("hunter2"));
}

#[test]
fn a_secret_may_come_from_a_file_and_never_prints() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cr3t\n").unwrap();
    let pairs = [
        ("BUCKET_NAME", "b"),
        ("AWS_ACCESS_KEY_ID", "AKIDPLANTED"),
        ("AWS_SECRET_ACCESS_KEY_FILE", file.path().to_str().unwrap()),
        ("AWS_SESSION_TOKEN", "t0ken"),
    ];
    let config = config(&pairs).unwrap();
    let StoreConfig::S3(s3) = &config.store else {
        panic!("a bucket is set");
    };
    let printed_s3 = format!("{s3:?}");
    let keys = s3.credentials.keys.as_ref().unwrap();
    assert!(matches!(&keys.secret_access_key, Held::InFile(path) if path == file.path()));
    assert!(matches!(&keys.session_token, Some(Held::Here(token)) if token.expose() == "t0ken"));
    assert_eq!(s3.endpoint, "https://s3.us-east-1.amazonaws.com");
    let map: HashMap<&str, &str> = pairs.into_iter().collect();
    let printed = shown(&|name| map.get(name).map(|v| (*v).to_owned()));
    for secret in ["s3cr3t", "t0ken", "AKIDPLANTED"] {
        assert!(!printed.contains(secret));
        assert!(!printed_s3.contains(secret));
    }
    assert!(printed.contains("AWS_SECRET_ACCESS_KEY=********"));
}

#[test]
fn a_value_and_its_file_together_are_a_fault() {
    let faults = faults(&[("PORT", "1"), ("PORT_FILE", "/nonexistent")]);
    assert!(faults[0].contains("both set"), "{faults:?}");
}

#[test]
fn endpoints_lose_their_trailing_slash_and_keep_no_password() {
    assert_eq!(
        parse_endpoint("http://localhost:9000/").unwrap(),
        "http://localhost:9000"
    );
    assert!(parse_endpoint("http://user:pass@host").is_err());
    assert!(parse_endpoint("http://host:80#user@other").is_err());
    assert!(parse_endpoint("localhost:9000").is_err());
    assert_eq!(
        aws_endpoint("s3", "cn-north-1"),
        "https://s3.cn-north-1.amazonaws.com.cn"
    );
}

#[test]
fn a_public_endpoint_has_no_port_that_browsers_leave_out() {
    let of = |text| parse_public_endpoint(text).unwrap();
    assert_eq!(of(""), None);
    assert_eq!(
        of("https://s3.example:443/").as_deref(),
        Some("https://s3.example")
    );
    assert_eq!(
        of("http://s3.example:443").as_deref(),
        Some("http://s3.example:443")
    );
    assert_eq!(
        of("https://s3.example:443/a/:443").as_deref(),
        Some("https://s3.example/a/:443"),
        "what a path ends in is no port"
    );
    assert!(parse_public_endpoint("s3.example").is_err());
}

#[test]
fn base_paths_are_normalised() {
    assert_eq!(parse_base_path("portal/").unwrap(), "/portal");
    assert_eq!(parse_base_path("/").unwrap(), "");
    assert!(parse_base_path("/a b").is_err());
}

#[test]
fn key_prefixes_keep_keys_portable() {
    assert_eq!(parse_key_prefix("team/a/").unwrap(), "team/a/");
    assert_eq!(parse_key_prefix("team-").unwrap(), "team-");
    for bad in ["/a", "a//b", "../", "a\\b", "a\n"] {
        assert!(parse_key_prefix(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn metrics_are_off_unless_they_have_a_port_of_their_own() {
    let port = |value: &'static str| {
        Config::from_lookup(&move |name| match name {
            "METRICS_PORT" => Some(value.to_owned()),
            _ => None,
        })
        .map(|config| config.metrics_port)
    };
    assert_eq!(port("").unwrap(), None);
    assert_eq!(port("9464").unwrap(), Some(9464));
    assert_eq!(port("0").unwrap(), Some(0));
    for bad in ["5000", "70000", "-1", "none"] {
        let faults = port(bad).unwrap_err().to_string();
        assert!(faults.contains("METRICS_PORT "), "{faults}");
    }
}

#[test]
fn log_lines_are_text_or_json() {
    let format = |value: &'static str| {
        Config::from_lookup(&move |name| (name == "LOG_FORMAT").then(|| value.to_owned()))
            .map(|config| config.log_format)
    };
    assert_eq!(format("").unwrap(), LogFormat::Text);
    assert_eq!(format("json").unwrap(), LogFormat::Json);
    assert!(
        format("JSON")
            .unwrap_err()
            .to_string()
            .contains("LOG_FORMAT must be text or json")
    );
}

#[test]
fn a_bucket_needs_no_keys_and_half_of_a_pair_is_a_fault() {
    let with_bucket = config(&[("BUCKET_NAME", "b"), ("AWS_REGION", "eu-west-1")]).unwrap();
    let StoreConfig::S3(s3) = &with_bucket.store else {
        panic!("a bucket is set");
    };
    let sources = &s3.credentials;
    assert!(sources.keys.is_none() && sources.web_identity.is_none());
    assert_eq!(sources.metadata.as_deref(), Some("http://169.254.169.254"));
    assert!(!sources.profile.named && sources.profile.credentials_file.is_none());
    for (set, missing) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    ] {
        let faults = faults(&[("BUCKET_NAME", "b"), (set, "x")]);
        assert!(
            faults.len() == 1 && faults[0].starts_with(&format!("{missing} ")),
            "{faults:?}"
        );
    }
    // Nobody asks for credentials of a local directory.
    assert!(config(&[("AWS_ACCESS_KEY_ID", "x")]).is_ok());
}

#[test]
fn sts_is_the_regions_own_unless_another_is_named() {
    let endpoint = |more: &[(&str, &str)]| {
        let mut all = vec![
            ("BUCKET_NAME", "b"),
            ("AWS_ROLE_ARN", "r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"),
        ];
        all.extend_from_slice(more);
        let StoreConfig::S3(s3) = config(&all).unwrap().store else {
            panic!("a bucket is set");
        };
        s3.credentials.web_identity.unwrap().endpoint
    };
    assert_eq!(
        endpoint(&[("AWS_REGION", "eu-west-1")]),
        "https://sts.eu-west-1.amazonaws.com"
    );
    assert_eq!(
        endpoint(&[("AWS_REGION", "cn-north-1")]),
        "https://sts.cn-north-1.amazonaws.com.cn"
    );
    let s3 = ("AWS_ENDPOINT_URL_S3", "http://s3");
    assert_eq!(endpoint(&[s3]), "https://sts.us-east-1.amazonaws.com");
    let all = ("AWS_ENDPOINT_URL", "http://all");
    assert_eq!(endpoint(&[s3, all]), "http://all");
    assert_eq!(
        endpoint(&[all, ("AWS_ENDPOINT_URL_STS", "http://sts/")]),
        "http://sts"
    );
}

#[test]
fn a_bucket_a_region_or_a_log_level_that_cannot_be_is_a_fault() {
    for (name, value) in [
        ("BUCKET_NAME", "bucket/prefix"),
        ("AWS_REGION", "us east"),
        ("AWS_DEFAULT_REGION", "x.example/"),
        ("RUST_LOG", "inof"),
        ("RUST_LOG", "info,access=lots"),
        ("METRICS_PORT", "70000"),
    ] {
        let found = faults(&[("BUCKET_NAME", "bucket"), (name, value)]);
        assert!(found.len() == 1 && found[0].starts_with(name), "{found:?}");
    }
    for filter in [
        "info",
        "warn,access=off",
        "cloud_portfolio::store=trace",
        "debug/key",
    ] {
        assert_eq!(config(&[("RUST_LOG", filter)]).unwrap().log_filter, filter);
    }
}
