//! Crashes, drains, several replicas and several requests.

use super::talk::{
    PARTIAL, STREAM, TUS, append, assert_stored, begin, create, cut, head, number, offset, patch,
    status,
};
use crate::support::place::{PART, Place, STORES};
use crate::support::{Noise, Server, server::On, wait_for};

#[test]
fn killed_in_the_middle_it_goes_on_after_a_restart() {
    for on in STORES {
        let place = Place::new(on);
        let mut server = place.serve(&[]);
        let size = 4 * PART + 99;
        let data = Noise::bytes(9, size);
        let upload = create(&mut server.client(), "killed", Some(size));
        let told = PART + PART / 2;
        let answer = patch(&mut server.client(), &upload, 0, &data[..told as usize]);
        assert_eq!(answer.status, 204, "{answer:?}");
        for round in 1..4 {
            let mut client = server.client();
            let at = offset(&mut client, &upload);
            assert!(at >= told, "{on:?} {round}: {at} of {told} that it told");
            let sent = (PART / 2 + 7).min(size - at - 1);
            cut(&mut client, &upload, at, &data, sent as usize);
            server.kill();
            server = place.serve(&[]);
        }
        let mut client = server.client();
        let at = offset(&mut client, &upload);
        assert!(at >= told);
        let answer = patch(&mut client, &upload, at, &data[at as usize..]);
        assert_eq!(answer.status, 204, "{on:?} {answer:?}");
        assert_stored(&server, "killed", &data);
        place.assert_nothing_left("killed");
    }
}

#[test]
fn a_server_that_is_told_to_end_saves_what_came_and_the_next_goes_on() {
    for on in STORES {
        let place = Place::new(on);
        let mut server = place.serve(&[]);
        let size = 3 * PART;
        let data = Noise::bytes(10, size);
        let tus = create(&mut server.client(), "term", Some(size));
        let ietf = begin(&mut server.client(), "term2", &[]);
        let mut first = server.client();
        let sent = (PART + 1_000_000) as usize;
        cut(&mut first, &tus, 0, &data, sent);
        let mut second = server.client();
        let length = size.to_string();
        let headers = [
            PARTIAL,
            ("Upload-Complete", "?1"),
            ("Upload-Offset", "0"),
            ("Content-Length", length.as_str()),
        ];
        second.send_head("PATCH", &ietf, &headers);
        second.send(&data[..sent]);
        wait_for("the first part", || {
            let state = place.left().len();
            state >= 2
        });
        server.signal("TERM");
        let answer = first.answer_to("PATCH");
        assert_eq!(answer.status, 204, "{on:?} {answer:?}");
        let saved = number(&answer, "upload-offset");
        assert!(saved > 0 && saved <= sent as u64);
        let answer = second.answer_to("PATCH");
        assert_eq!(
            (answer.status, answer.header("upload-complete")),
            (503, Some("?0"))
        );
        let saved_too = number(&answer, "upload-offset");
        assert_eq!(server.wait(), 0);
        wait_for("the log", || server.log().contains("nothing was cut"));

        let server = place.serve(&[]);
        let mut client = server.client();
        assert_eq!(offset(&mut client, &tus), saved);
        let answer = patch(&mut client, &tus, saved, &data[saved as usize..]);
        assert_eq!(answer.status, 204);
        assert_stored(&server, "term", &data);
        let answer = status(&mut client, &ietf);
        assert_eq!(number(&answer, "upload-offset"), saved_too);
        let answer = append(
            &mut client,
            &ietf,
            saved_too,
            true,
            &data[saved_too as usize..],
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_stored(&server, "term2", &data);
        place.assert_nothing_left("term");
    }
}

#[test]
fn any_replica_goes_on_where_another_ended() {
    let place = Place::new(On::Minio);
    let servers = [place.serve(&[]), place.serve(&[]), place.serve(&[])];
    let size = 3 * PART + 4321;
    let data = Noise::bytes(11, size);
    let upload = create(&mut servers[0].client(), "any", Some(size));
    let mut at = 0;
    for round in 1.. {
        assert!(round < 100);
        let server = &servers[round % 3];
        let end = (at + getrandom::u64().unwrap() % PART + 1).min(size);
        let piece = &data[at as usize..end as usize];
        let answer = patch(&mut server.client(), &upload, at, piece);
        if answer.status == 409 {
            // The one that was cut came in behind the question for the offset.
            let now = number(&answer, "upload-offset");
            assert!(now > at, "the offset decreased from {at} to {now}");
            at = now;
            continue;
        }
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(number(&answer, "upload-offset"), end);
        let other = &servers[(round + 1) % 3];
        assert_eq!(offset(&mut other.client(), &upload), end);
        at = end;
        if at == size {
            break;
        }
        // One that is cut, and seen by another while the first may not have noticed.
        let sent = (getrandom::u64().unwrap() % 200_000).min(size - at - 1);
        let mut client = other.client();
        cut(&mut client, &upload, at, &data, sent as usize);
        drop(client);
        at = settle(&servers, &upload, at);
    }
    assert_stored(&servers[1], "any", &data);
    place.assert_nothing_left("any");
}

/// The offset once no server has a request of this upload any more: asking each ends its own.
fn settle(servers: &[Server], upload: &str, at: u64) -> u64 {
    let mut last = at;
    for server in servers.iter().chain(servers) {
        let now = offset(&mut server.client(), upload);
        assert!(now >= last, "the offset decreased from {last} to {now}");
        last = now;
    }
    last
}

/// Each has the whole file at the same offset, as when a proxy sends a request once more.
#[test]
fn of_two_requests_at_two_replicas_one_stores_the_file() {
    let place = Place::new(On::Minio);
    let servers = [place.serve(&[]), place.serve(&[])];
    let size = 3 * PART + 99;
    let data = Noise::bytes(15, size);
    for round in 0..6 {
        let name = format!("race{round}");
        let upload = create(&mut servers[0].client(), &name, Some(size));
        let first = 1000 * (round % 2);
        let answer = patch(&mut servers[0].client(), &upload, 0, &data[..first]);
        assert_eq!(answer.status, 204, "{answer:?}");
        let statuses = std::thread::scope(|scope| {
            let (upload, data) = (&upload, &data);
            let racing = servers.each_ref().map(|server| {
                scope.spawn(move || {
                    let answer = patch(&mut server.client(), upload, first as u64, &data[first..]);
                    if answer.status == 204 {
                        assert_eq!(number(&answer, "upload-offset"), size);
                    }
                    answer.status
                })
            });
            racing.map(|thread| thread.join().unwrap())
        });
        eprintln!("two replicas at once: {statuses:?}");
        assert!(statuses.contains(&204), "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 204 | 409)));
        assert_stored(&servers[1], &name, &data);
        let answer = head(&mut servers[1].client(), &upload);
        assert_eq!(number(&answer, "upload-offset"), size);
        place.assert_nothing_left(&name);
    }
}

#[test]
fn a_new_request_ends_the_one_that_its_client_has_given_up() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let data = Noise::bytes(12, PART);
        let upload = create(&mut server.client(), "again", Some(PART));
        let mut stale = server.client();
        let length = PART.to_string();
        let headers = [
            TUS,
            STREAM,
            ("Upload-Offset", "0"),
            ("Content-Length", length.as_str()),
            ("Expect", "100-continue"),
        ];
        stale.send_head("PATCH", &upload, &headers);
        assert_eq!(stale.read_head().unwrap().status, 100, "it is being served");
        stale.send(&data[..700_000]);
        // Still open, and silent: it is told to end, and what it brought counts.
        let at = offset(&mut server.client(), &upload);
        let ended = stale.answer_to("PATCH");
        assert_eq!((ended.status, number(&ended, "upload-offset")), (204, at));
        assert!(at <= 700_000);
        let answer = patch(&mut server.client(), &upload, at, &data[at as usize..]);
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_stored(&server, "again", &data);
        place.assert_nothing_left("again");
    }
}

#[test]
fn small_memory_slows_nobody_down_for_good() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[("UPLOAD_BUFFER_BYTES", "10485760")]);
        let size = 2 * PART + 321;
        std::thread::scope(|scope| {
            for n in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let data = Noise::bytes(n, size);
                    let mut client = server.client();
                    let name = format!("m{n}");
                    let upload = create(&mut client, &name, Some(size));
                    let mut at = 0;
                    while at < size {
                        let end = (at + 3_000_000).min(size);
                        let piece = &data[at as usize..end as usize];
                        let answer = patch(&mut client, &upload, at, piece);
                        assert_eq!(answer.status, 204, "{answer:?}");
                        at = end;
                    }
                    assert_stored(server, &name, &data);
                });
            }
        });
        place.assert_nothing_left("small memory");
    }
}
