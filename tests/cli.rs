//! The command line, as an operator uses it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::process::{Command, Output};

use support::Server;

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command: Command = Server::command();
    command.args(arguments).envs(settings.iter().copied());
    command.output().unwrap()
}

#[test]
fn help_lists_every_setting_and_the_commands() {
    let output = run(&["--help"], &[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "check-config",
        "healthcheck",
        "PORT",
        "BUCKET_NAME",
        "UPLOAD_BUFFER_BYTES",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn version_is_the_crates() {
    let output = run(&["--version"], &[]);
    let want = concat!("cloud-portfolio ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want);
}

#[test]
fn faulty_settings_are_all_named_and_the_exit_code_is_64() {
    for arguments in [&[][..], &["check-config"]] {
        let output = run(
            arguments,
            &[
                ("PORT", "x"),
                ("THREADS", "-1"),
                ("BUCKET_NAME", "b"),
                ("AWS_ACCESS_KEY_ID", "half-of-a-pair"),
                ("AWS_ROLE_ARN", "half-of-another"),
            ],
        );
        assert_eq!(output.status.code(), Some(64));
        let text = String::from_utf8(output.stderr).unwrap();
        for name in [
            "PORT",
            "THREADS",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}

#[test]
fn unknown_arguments_are_refused() {
    assert_eq!(run(&["--frobnicate"], &[]).status.code(), Some(64));
}

#[test]
fn check_config_prints_what_is_in_force_without_secrets() {
    let settings = [
        ("BUCKET_NAME", "files"),
        ("AWS_ACCESS_KEY_ID", "AKIDPLANTED"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
        ("AWS_SESSION_TOKEN", "planted-token"),
    ];
    let output = run(&["check-config"], &settings);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("BUCKET_NAME=files") && text.contains("TIMEOUT=60"));
    assert!(!text.to_lowercase().contains("planted"), "{text}");
}

#[test]
fn check_config_reads_the_files_that_a_start_would_read() {
    let keys = [
        ("BUCKET_NAME", "files"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let auth = [("AUTH", "basic"), ("AUTH_USERS_FILE", "/not/there")];
    for (settings, name) in [
        (
            [&keys[..], &[("AWS_CA_BUNDLE", "/not/there")]].concat(),
            "AWS_CA_BUNDLE",
        ),
        (auth.to_vec(), "AUTH_USERS_FILE"),
    ] {
        let output = run(&["check-config"], &settings);
        assert_eq!(output.status.code(), Some(64), "{name}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn healthcheck_tells_a_running_server_from_none() {
    let server = Server::local();
    let port = server.port.to_string();
    assert!(run(&["healthcheck"], &[("PORT", &port)]).status.success());
    drop(server);
    assert_eq!(
        run(&["healthcheck"], &[("PORT", &port)]).status.code(),
        Some(1)
    );
}

#[test]
fn a_second_process_on_the_same_directory_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let _first = Server::spawn(&[("DATA_DIR".into(), path.into())]);
    let output = run(&[], &[("DATA_DIR", path)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("another process")
    );
}

#[test]
fn a_port_that_is_taken_is_said_and_ends_the_process() {
    let server = Server::local();
    let dir = tempfile::tempdir().unwrap();
    let port = server.port.to_string();
    let output = run(
        &[],
        &[("PORT", &port), ("DATA_DIR", dir.path().to_str().unwrap())],
    );
    assert_eq!(output.status.code(), Some(1));
}
