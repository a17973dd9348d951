//! What waits to be let in when the process is cut has an answer.

use serde_json::json;

use super::support::server::On;
use super::support::{Client, Server, wait_for};
use super::users::{Site, basic};

/// Cuts the server once somebody has an answer; how many of the others are told that it ends.
fn cut(server: &Server, clients: &mut [Client]) -> usize {
    wait_for("the first answers", || {
        clients.iter().any(Client::has_answer)
    });
    server.signal("TERM");
    wait_for("its drain", || server.log().contains("draining"));
    server.signal("TERM");
    let answers = clients.iter_mut().filter_map(|client| {
        let answer = client.try_answer("POST")?;
        (answer.status == 503).then(|| answer.problem())
    });
    answers.filter(|code| code == "shutting_down").count()
}

#[test]
fn who_stands_in_line_is_told() {
    let server = Server::with(On::Local, &[("RATE_LIMIT", "1")]);
    let headers = [
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Length", "1"),
        ("Content-Length", "0"),
    ];
    let mut clients: Vec<_> = (0..25)
        .map(|_| {
            let mut client = server.client();
            client.send_head("POST", "/uploads?key=a", &headers);
            client
        })
        .collect();
    // The last stood in line for twenty seconds.
    assert!(cut(&server, &mut clients) > 5);
    wait_for("their lines", || {
        server.log().matches("code=shutting_down").count() > 5
    });
}

#[test]
fn who_signs_in_is_told() {
    let site = Site::basic(&json!(null));
    let mut clients: Vec<_> = (0..20)
        .map(|number| {
            let mut client = site.server.client();
            let guess = basic("root", &number.to_string());
            let headers = [("Authorization", guess.as_str()), ("Content-Length", "0")];
            client.send_head("POST", "/files/a?share", &headers);
            client
        })
        .collect();
    // Those beyond the first wait for up to eight seconds.
    assert!(cut(&site.server, &mut clients) > 3);
}
