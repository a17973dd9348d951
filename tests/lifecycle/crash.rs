//! The end of the process without a signal that it hears.

use crate::support::{self, Noise, Server, sha256, wait_for};

#[test]
fn killed_in_the_middle_of_fifty_uploads_nothing_half_is_visible_and_nothing_acknowledged_is_lost()
{
    let dir = tempfile::tempdir().unwrap();
    let settings = [(
        "DATA_DIR".to_owned(),
        dir.path().to_str().unwrap().to_owned(),
    )];
    let mut server = Server::spawn(&settings);
    let port = server.port;
    let size = |n: u64| {
        if n.is_multiple_of(5) {
            40 << 20
        } else {
            100_000 + n * 1000
        }
    };
    let acknowledged = std::sync::Mutex::new(Vec::new());
    let clients: Vec<_> = (0..50_u64)
        .map(|n| (n, support::Client::connect(port)))
        .collect();
    std::thread::scope(|scope| {
        for (n, mut client) in clients {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                let target = format!("/files/k{n}");
                let length = size(n).to_string();
                client.send_head("PUT", &target, &[("Content-Length", &length)]);
                for block in Noise::new(n, size(n)) {
                    client.send(&block);
                }
                if let Some(answer) = client.try_answer("PUT")
                    && answer.status == 201
                {
                    acknowledged.lock().unwrap().push(n);
                }
            });
        }
        wait_for("a few answers", || acknowledged.lock().unwrap().len() >= 10);
        server.kill();
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(
        acknowledged.len() < 50,
        "the kill came too late to mean anything"
    );

    let server = Server::spawn(&settings);
    let page = server.client().get("/files?limit=1000").json();
    let listed: Vec<u64> = page["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["key"].as_str().unwrap()[1..].parse().unwrap())
        .collect();
    for n in &acknowledged {
        assert!(listed.contains(n), "k{n} was acknowledged and is gone");
    }
    for n in listed {
        let got = server.client().get(&format!("/files/k{n}")).body;
        assert_eq!(
            sha256([got]),
            sha256(Noise::new(n, size(n))),
            "k{n} is not whole"
        );
    }
    let left = std::fs::read_dir(dir.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "half-written files are left");
}
