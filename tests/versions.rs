//! What is done with objects that are stored: versions, copies, and many deletes at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use support::server::On;
use support::{Client, Noise, Place, Server, post, put, refused};

const STORES: [On; 2] = [On::Local, On::Minio];

fn versions(client: &mut Client, key: &str) -> Vec<Value> {
    let answer = client.get(&format!("/files/{key}?versions"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = answer.json();
    assert_eq!(document["truncated"], false);
    document["versions"].as_array().unwrap().clone()
}

#[test]
fn versions_are_listed_newest_first_and_of_this_key_only() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        refused(&client.get("/files/v%20+/x?versions"), 404, "not_found");
        let first = put(&mut client, "v%20+/x", b"1");
        let second = put(&mut client, "v%20+/x", b"22");
        put(&mut client, "v%20+/x-longer", b"333");
        assert_eq!(client.delete("/files/v%20+/x").status, 204);
        let third = put(&mut client, "v%20+/x", b"4444");
        let found = versions(&mut client, "v%20+/x");
        let seen: Vec<_> = found
            .iter()
            .map(|v| {
                (
                    v["size"].as_u64().unwrap(),
                    v["is_latest"] == true,
                    v["is_delete_marker"] == true,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (4, true, false),
                (0, false, true),
                (2, false, false),
                (1, false, false)
            ],
            "{on:?}"
        );
        for version in &found {
            assert_eq!(version["key"], "v +/x");
            chrono::DateTime::parse_from_rfc3339(version["last_modified"].as_str().unwrap())
                .unwrap();
            assert_eq!(
                version["etag"].is_null(),
                version["is_delete_marker"] == true
            );
        }
        assert_eq!(found[0]["version_id"], third);
        assert_eq!(found[2]["version_id"], second);
        assert_eq!(found[3]["version_id"], first);

        assert_eq!(
            client
                .get(&format!("/files/v%20+/x?version_id={second}"))
                .body,
            b"22"
        );
        assert_eq!(
            client
                .delete(&format!("/files/v%20+/x?version_id={second}"))
                .status,
            204
        );
        assert_eq!(versions(&mut client, "v%20+/x").len(), 3, "{on:?}");
        refused(
            &client.get(&format!("/files/v%20+/x?version_id={second}")),
            404,
            "not_found",
        );
        let by_query = client.get("/files?key=v%20%2B/x&versions");
        assert_eq!(by_query.json()["versions"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_version_is_restored_with_its_metadata() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let headers = [
            ("Content-Type", "text/x-old"),
            ("Cache-Control", "max-age=7"),
            ("x-amz-meta-colour", "green"),
        ];
        let old = client.request("PUT", "/files/r", &headers, b"old").json();
        let old = old["version_id"].as_str().unwrap();
        put(&mut client, "r", b"newer");
        let restored = post(&mut client, &format!("/files/r?restore={old}"));
        assert_eq!(restored.status, 200, "{on:?} {restored:?}");
        let object = restored.json();
        assert_eq!((&object["key"], &object["size"]), (&json!("r"), &json!(3)));
        assert_eq!(object["content_type"], "text/x-old");
        assert_ne!(object["version_id"], old);
        let got = client.get("/files/r");
        assert_eq!(got.body, b"old");
        for (name, value) in headers {
            assert_eq!(got.header(name), Some(value), "{on:?} {name}");
        }
        assert_eq!(versions(&mut client, "r").len(), 3);

        // The current one is current already: nothing is made of it.
        let current = object["version_id"].as_str().unwrap();
        let again = post(&mut client, &format!("/files/r?restore={current}"));
        assert_eq!(
            (again.status, &again.json()["version_id"]),
            (200, &object["version_id"]),
            "{on:?}"
        );
        assert_eq!(versions(&mut client, "r").len(), 3);

        client.delete("/files/r");
        let marker = versions(&mut client, "r")[0]["version_id"]
            .as_str()
            .unwrap()
            .to_owned();
        refused(
            &post(&mut client, &format!("/files/r?restore={marker}")),
            409,
            "delete_marker",
        );
        let back = post(&mut client, &format!("/files/r?restore={old}"));
        assert_eq!(
            (back.status, client.get("/files/r").body.as_slice()),
            (200, &b"old"[..]),
            "{on:?} {back:?}"
        );
        for unknown in [
            "nonsense",
            "0000000000000001-00000000",
            "c9b1f3c2-6f5e-4a53-9b0e-2d1f4a5b6c7d",
            "",
        ] {
            let answer = post(&mut client, &format!("/files/r?restore={unknown}"));
            refused(&answer, 404, "not_found");
        }
        refused(
            &post(&mut client, &format!("/files/other?restore={old}")),
            404,
            "not_found",
        );
    }
}

#[test]
fn a_copy_has_bytes_and_metadata_and_the_source_stays() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let headers = [("Content-Type", "image/x-odd"), ("x-amz-meta-a", "b")];
        let source = "/files/from/%C3%A4%20%2B%25%23%3F.bin";
        let body = Noise::bytes(1, 300_000);
        client.request("PUT", source, &headers, &body);
        let copy = post(
            &mut client,
            &format!("{source}?copy_to=to/%C3%A4%20%2B.bin"),
        );
        assert_eq!(copy.status, 201, "{on:?} {copy:?}");
        assert_eq!(copy.header("location"), Some("/files/to/%C3%A4%20%2B.bin"));
        let object = copy.json();
        assert_eq!(
            (&object["key"], &object["size"]),
            (&json!("to/ä +.bin"), &json!(300_000))
        );
        let got = client.get("/files/to/%C3%A4%20%2B.bin");
        assert_eq!(got.body, body);
        assert_eq!(got.header("etag"), copy.header("etag"), "{on:?}");
        assert_eq!(
            object["version_id"].as_str(),
            got.header("x-amz-version-id")
        );
        for (name, value) in headers {
            assert_eq!(got.header(name), Some(value), "{on:?} {name}");
        }
        assert_eq!(client.get(source).body, body);

        // An older version; over something else; of nothing.
        let old = put(&mut client, "multi", b"old");
        put(&mut client, "multi", b"new");
        let copy = post(
            &mut client,
            &format!("/files/multi?version_id={old}&copy_to=to/x"),
        );
        assert_eq!(
            (copy.status, client.get("/files/to/x").body.as_slice()),
            (201, &b"old"[..]),
            "{on:?}"
        );
        assert_eq!(post(&mut client, "/files/multi?copy_to=to/x").status, 201);
        assert_eq!(client.get("/files/to/x").body, b"new");
        assert_eq!(versions(&mut client, "to/x").len(), 2, "{on:?}");
        put(&mut client, "empty", b"");
        assert_eq!(post(&mut client, "/files/empty?copy_to=empty2").status, 201);
        assert_eq!(client.get("/files/empty2").body, b"");
        refused(
            &post(&mut client, "/files/absent?copy_to=y"),
            404,
            "not_found",
        );
    }
}

#[test]
fn a_move_takes_the_source_away_once_the_target_is_there() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        put(&mut client, "a", b"moved");
        let moved = post(&mut client, "/files/a?move_to=b/c");
        assert_eq!(moved.status, 201, "{on:?} {moved:?}");
        assert_eq!(client.get("/files/b/c").body, b"moved");
        refused(&client.get("/files/a"), 404, "not_found");
        refused(&post(&mut client, "/files/a?move_to=d"), 404, "not_found");
        assert_eq!(client.get("/files/d").status, 404);

        refused(
            &post(&mut client, "/files/b/c?move_to=b/c"),
            400,
            "invalid_target",
        );
        refused(
            &post(&mut client, "/files/b/c?copy_to=b/c"),
            400,
            "invalid_target",
        );
        for target in ["", "../x", "a//b", "%00", ".cloud-portfolio/x", "a%5Cb"] {
            let answer = post(&mut client, &format!("/files/b/c?move_to={target}"));
            refused(&answer, 400, "invalid_key");
        }
        assert_eq!(client.get("/files/b/c").body, b"moved", "{on:?}");
    }
}

#[test]
fn copies_honour_the_conditions_of_their_target() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        put(&mut client, "s", b"source");
        put(&mut client, "t", b"target");
        let etag = client.head("/files/t").header("etag").unwrap().to_owned();
        let copy = |what: &str, headers: &[(&str, &str)]| {
            server
                .client()
                .request("POST", &format!("/files/s?{what}"), headers, b"")
        };
        for headers in [[("If-None-Match", "*")], [("If-Match", "\"other\"")]] {
            refused(&copy("copy_to=t", &headers), 412, "precondition_failed");
            refused(&copy("move_to=t", &headers), 412, "precondition_failed");
        }
        refused(
            &copy("copy_to=new", &[("If-Match", &etag)]),
            412,
            "precondition_failed",
        );
        refused(
            &copy("copy_to=t", &[("If-None-Match", "\"x\"")]),
            400,
            "invalid_condition",
        );
        assert_eq!(client.get("/files/t").body, b"target", "{on:?}");
        assert_eq!(
            copy("copy_to=t", &[("If-Match", &etag)]).status,
            201,
            "{on:?}"
        );
        assert_eq!(
            copy("copy_to=new", &[("If-None-Match", "*")]).status,
            201,
            "{on:?}"
        );
        assert_eq!(client.get("/files/t").body, b"source");
        assert_eq!(client.get("/files/s").body, b"source");
    }
}

#[test]
fn an_object_is_not_moved_onto_itself_by_a_name_that_a_store_takes_for_its_own() {
    for on in STORES {
        let server = Server::with(on, &[]);
        put(&mut server.client(), "a/b", b"kept");
        for from in ["%2Fa/b", "a%2F%2Fb", "%2F%2Fa%2Fb"] {
            let target = format!("/files/{from}?move_to=a/b");
            let answer = post(&mut server.client(), &target);
            refused(&answer, 400, "invalid_target");
        }
        assert_eq!(server.client().get("/files/a/b").body, b"kept", "{on:?}");
    }
}

#[test]
fn of_two_moves_to_one_new_name_one_succeeds_whichever_replica_they_come_to() {
    for on in STORES {
        let place = Place::new(on);
        // A directory has one server.
        let replicas: Vec<_> = (0..if on == On::Minio { 2 } else { 1 })
            .map(|_| place.serve(&[]))
            .collect();
        // MinIO heeds no condition of a copy, and what is empty has no parts.
        for (round, size) in [0, 1, 1, 70_000, 70_000, 70_000].into_iter().enumerate() {
            let target = format!("t{round}");
            let sources = [0, 1].map(|number| format!("s{round}-{number}"));
            for (source, byte) in sources.iter().zip(1..) {
                put(&mut replicas[0].client(), source, &vec![byte; size]);
            }
            let both: Vec<_> = std::thread::scope(|scope| {
                let moves = sources.each_ref().map(|source| {
                    let path = format!("/files/{source}?move_to={target}");
                    let replica = &replicas[usize::from(source.ends_with('1')) % replicas.len()];
                    scope.spawn(move || {
                        let new = [("If-None-Match", "*")];
                        replica.client().request("POST", &path, &new, b"").status
                    })
                });
                moves.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let mut sorted = both.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [201, 412], "{on:?} with {size} bytes");
            let mut client = replicas[0].client();
            let lost = usize::from(both[1] == 412);
            assert_eq!(client.get(&format!("/files/{}", sources[lost])).status, 200);
            let won = vec![2 - lost as u8; size];
            assert_eq!(client.get(&format!("/files/{target}")).body, won, "{on:?}");
        }
    }
}

#[test]
fn a_post_says_one_thing_that_there_is_to_do() {
    let server = Server::local();
    let mut client = server.client();
    put(&mut client, "x", b"1");
    for target in [
        "/files/x",
        "/files/x?copy_to=a&move_to=b",
        "/files/x?copy_to=a&copy_to=b",
        "/files/x?move_to=a&version_id=1",
        "/files",
        "/files?key=x",
    ] {
        refused(&post(&mut client, target), 400, "invalid_query");
    }
    let headers = [("Content-Type", "application/json")];
    let delete = |body: &[u8]| {
        let mut client = server.client();
        client.request("POST", "/files?delete", &headers, body)
    };
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"keys\":1}",
        b"{\"keys\":[1]}",
        b"{\"keys\":[],\"x\":1}",
        b"\xff",
    ] {
        refused(&delete(body), 400, "invalid_json");
    }
    let many = json!({"keys": vec!["k"; 1001]}).to_string();
    refused(&delete(many.as_bytes()), 400, "invalid_keys");
    refused(&delete(&vec![b' '; (2 << 20) + 1]), 413, "too_large");
    let untyped = client.request("POST", "/files?delete", &[], b"{\"keys\":[\"x\"]}");
    refused(&untyped, 415, "unsupported_media_type");
    let blocks = vec![vec![b' '; 1 << 20]; 3];
    let unknown = server
        .client()
        .chunked("POST", "/files?delete", &headers, blocks.into_iter());
    refused(&unknown, 413, "too_large");
    assert_eq!(server.client().get("/files/x").body, b"1");
}

#[test]
fn many_are_deleted_at_once_and_each_has_its_outcome() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let long = "k".repeat(1025);
        let mut keys: Vec<String> = (0..50).map(|n| format!("d/{n} ü")).collect();
        for key in &keys {
            put(
                &mut client,
                &key.replace(' ', "%20").replace('ü', "%C3%BC"),
                b"x",
            );
        }
        put(&mut client, "stays", b"x");
        keys.extend(["never there", "", &long, ".cloud-portfolio/x", "d/0 ü"].map(str::to_owned));
        let body = json!({"keys": keys}).to_string();
        let headers = [("Content-Type", "Application/JSON; charset=utf-8")];
        let answer = client.request("POST", "/files?delete", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{on:?} {answer:?}");
        let results = answer.json()["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), keys.len());
        for (result, key) in results.iter().zip(&keys) {
            assert_eq!(result["key"], *key);
            let bad = key.is_empty() || *key == long;
            assert_eq!(
                result["status"],
                if bad { 400 } else { 204 },
                "{on:?} {key}"
            );
            assert_eq!(result.get("code").is_some(), bad);
        }
        let left = client.get("/files").json();
        assert_eq!(left["files"].as_array().unwrap().len(), 1, "{on:?}");
    }
}
