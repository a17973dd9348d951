//! Objects of every size by every way in, on both stores: the bytes come back, and the process
//! stays small. Runs on the release build where `CLOUD_PORTFOLIO_BIN` names it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use support::server::On;
use support::{Noise, Server, sha256};

const MIB: u64 = 1 << 20;

fn check(server: &Server, key: &str, seed: u64, size: u64) {
    let mut hash = sha2::Sha256::default();
    let answer = server
        .client()
        .download(&format!("/files/{key}"), &[], |block| {
            sha2::Digest::update(&mut hash, block);
        });
    let answer = answer.unwrap_or_else(|| panic!("{key} broke off"));
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-length"),
        Some(size.to_string().as_str())
    );
    let got = support::hex(&sha2::Digest::finalize(hash));
    assert_eq!(got, sha256(Noise::new(seed, size)), "{key}");
}

fn every_size_and_way(on: On) {
    let server = Server::with(on, &[]);
    for size in [
        0,
        1,
        5 * MIB,
        8 * MIB - 1,
        8 * MIB,
        8 * MIB + 1,
        100 * MIB,
        1024 * MIB,
    ] {
        for way in ["known", "chunked", "form"] {
            let key = format!("{way}-{size}");
            let target = format!("/files/{key}");
            let noise = || Noise::new(size, size);
            let answer = match way {
                "known" => server.client().put_stream(&target, size, noise()),
                "chunked" => server.client().chunked("PUT", &target, &[], noise()),
                _ => server.client().form("/upload", &key, noise()),
            };
            assert_eq!(answer.status, 201, "{on:?} {key} {answer:?}");
            check(&server, &key, size, size);
            assert_eq!(server.client().delete(&target).status, 204);
        }
    }
    let peak = server.peak_memory();
    eprintln!(
        "{on:?}: VmHWM {} KiB after 0 B to 1 GiB by PUT, chunked and form",
        peak / 1024
    );
    assert!(peak < 64 * MIB, "{peak} bytes resident at the peak");
}

#[test]
fn every_size_by_every_way_comes_back_whole_in_64_mib_on_the_local_store() {
    every_size_and_way(On::Local);
}

#[test]
fn every_size_by_every_way_comes_back_whole_in_64_mib_on_minio() {
    every_size_and_way(On::Minio);
}

#[test]
fn sixty_four_uploads_of_16_mib_at_once_are_all_intact_in_192_mib() {
    for on in [On::Local, On::Minio] {
        for way in ["known", "chunked", "form"] {
            let server = Server::with(on, &[]);
            std::thread::scope(|scope| {
                for n in 0..64_u64 {
                    let server = &server;
                    scope.spawn(move || {
                        let noise = Noise::new(n, 16 * MIB);
                        let target = format!("/files/{n}");
                        let answer = match way {
                            "known" => server.client().put_stream(&target, 16 * MIB, noise),
                            "chunked" => server.client().chunked("PUT", &target, &[], noise),
                            _ => server.client().form("/upload", &n.to_string(), noise),
                        };
                        assert_eq!(answer.status, 201, "{on:?} {way} {answer:?}");
                    });
                }
            });
            let peak = server.peak_memory();
            eprintln!(
                "{on:?}: VmHWM {} KiB for 64 uploads of 16 MiB at once, {way}",
                peak / 1024
            );
            assert!(peak < 192 * MIB, "{peak} bytes resident at the peak");
            for n in 0..64 {
                check(&server, &n.to_string(), n, 16 * MIB);
            }
        }
    }
}
