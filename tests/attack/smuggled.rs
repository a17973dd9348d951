//! Requests whose framing is ambiguous or wrong, with a second request where some reader would look
//! for one. Whatever is made of the first, the second must have no effect: it is body, or what
//! follows a message after which the connection ends (RFC 9112 sections 6.1, 6.3 and 11.2).

use super::hostile::Attack;
use crate::support::Dice;

/// One of them. Its second request stores a key that begins with `canary`, or deletes `precious`.
pub(crate) fn attack(dice: &mut Dice) -> Attack {
    let second = if dice.chance(0.2) {
        "DELETE /files/precious HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()
    } else {
        let number = dice.roll();
        format!("PUT /files/canary-{number:x} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1")
    };
    let (kind, version, framing, body) = framed(dice, &second);
    let target = dice.pick(&[
        "PUT /files/s",
        "POST /upload",
        "POST /files?delete",
        "POST /files/s?share",
        "GET /files",
        "GET /",
        "GET /health",
        "HEAD /files/precious",
        "DELETE /files/s",
        "GET /nothing",
        "POST /uploads",
        "PATCH /uploads/AQAA",
        "OPTIONS /uploads",
        "PUT /",
        "PUT /files/../s",
        "GET http://evil/files",
    ]);
    let more = dice.pick(&[
        "",
        "",
        "",
        "Connection: keep-alive\r\n",
        "Expect: 100-continue\r\n",
        "Content-Type: multipart/form-data; boundary=b\r\n",
        "Content-Type: application/json\r\n",
        "Tus-Resumable: 1.0.0\r\nUpload-Length: 5\r\nUpload-Metadata: filename YQ==\r\n",
        "Upload-Complete: ?0\r\n",
        "X-HTTP-Method-Override: PATCH\r\n",
        "Host: h\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ]);
    let (first, last) = if dice.chance(0.5) {
        (more, &"")
    } else {
        (&"", more)
    };
    let bytes = format!("{target} {version}\r\nHost: h\r\n{first}{framing}\r\n{last}\r\n{body}");
    Attack::new(format!("{kind}: {framing:?}"), bytes.into_bytes(), dice)
}

/// What it is, the version, the header lines that frame it, and the body with the second request.
fn framed(dice: &mut Dice, second: &str) -> (&'static str, &'static str, String, String) {
    let len = second.len();
    let in_chunk = format!("{len:x}\r\n{second}\r\n0\r\n\r\n");
    let after_end = format!("0\r\n\r\n{second}");
    let body = second.to_owned();
    const V: &str = "HTTP/1.1";
    match dice.below(12) {
        0 => {
            let length = format!("Content-Length: {}", after_end.len());
            let lines = both(dice, &length, "Transfer-Encoding: chunked");
            ("both, the length right", V, lines, after_end)
        }
        1 => {
            let lines = both(dice, "Content-Length: 4", "Transfer-Encoding: chunked");
            ("both, the chunks right", V, lines, in_chunk)
        }
        2 => {
            let lines = both(dice, "Content-Length: 0", &format!("Content-Length: {len}"));
            ("two lengths", V, lines, body)
        }
        3 => {
            let odd = dice.pick(&[
                "+0",
                "-0",
                "0, 1",
                "0,",
                "0 0",
                "0x0",
                "1e1",
                "",
                "00\u{b}",
                "18446744073709551616",
                "0;x",
                "\"0\"",
                "\u{ff10}",
                "+",
                "0.0",
                "99999999999999999999999999",
            ]);
            ("an odd length", V, format!("Content-Length: {odd}"), body)
        }
        4 => {
            let odd = dice.pick(&[
                "xchunked",
                "chunked, identity",
                "identity",
                "chunked;q=1",
                "\"chunked\"",
                "gzip",
                "chunked, chunked",
                "chunked\u{b}",
                "chunked,gzip",
                "\0chunked",
                "chunked, x",
                "",
            ]);
            (
                "an odd coding",
                V,
                format!("Transfer-Encoding: {odd}"),
                body,
            )
        }
        5 => {
            let line = dice.pick(&[
                "Transfer-Encoding : chunked",
                "Transfer-Encoding\t: chunked",
                " Transfer-Encoding: chunked",
                "Transfer-Encoding:\r\n chunked",
                "X: y\r\n Transfer-Encoding: chunked",
                "Transfer-Encoding: chun\r\n ked",
                "Transfer\0-Encoding: chunked",
                "X: y\rTransfer-Encoding: chunked",
                "Transfer-Encoding: chunked\rX: y",
                "Transfer-Encoding: \0chunked",
            ]);
            (
                "a coding that some readers see",
                V,
                (*line).to_owned(),
                body,
            )
        }
        6 => {
            let line = dice.pick(&[
                "Content-Length : $",
                "Content-Length\t: $",
                "Content-Length:\r\n $",
                "X: y\n Content-Length: $",
                "X: y\rContent-Length: $",
                "Content\0-Length: $",
                "X: y\nContent-Length: $",
                "Content-Length: $\0",
            ]);
            let line = line.replace('$', &len.to_string());
            ("a length that some readers see", V, line, body)
        }
        7 => {
            let end = dice.pick(&[
                "0;x\n\r\n",
                "0x0\r\n\r\n",
                "+0\r\n\r\n",
                "-0\r\n\r\n",
                " 0\r\n\r\n",
                "10000000000000000\r\n",
                "100000000000000000000000000000000\r\n",
                "1\r\nxx\r\n0\r\n\r\n",
                "1\r\nx0\r\n\r\n",
                "\r\n0\r\n\r\n",
                "0\r\nX: y\r\n",
                "0\r\nX\r\n\r\n",
                ";x\r\n\r\n",
                "g\r\n\r\n",
                "1\nx\n0\n\n",
                "0\r\n\rX",
                "2\r\nx\r\n0\r\n\r\n",
                "0\0\r\n\r\n",
                "0;a=\"\r\n\r\n\"\n",
            ]);
            let lines = "Transfer-Encoding: chunked".to_owned();
            ("odd chunks", V, lines, format!("{end}{second}"))
        }
        8 => {
            let version = *dice.pick(&[
                "HTTP/1.0",
                "HTTP/1.2",
                "HTTP/2.0",
                "HTTP/0.9",
                "http/1.1",
                "HTTP/1.1 x",
                "",
            ]);
            let lines = "Transfer-Encoding: chunked".to_owned();
            ("chunks in another version", version, lines, in_chunk)
        }
        9 => {
            let version = *dice.pick(&["HTTP/1.0", "HTTP/1.1"]);
            let lines = format!("Content-Length: {len}\r\nContent-Length: {len}");
            ("the same length twice", version, lines, body)
        }
        10 => ("a body", V, format!("Content-Length: {len}"), body),
        _ => (
            "chunks",
            V,
            "Transfer-Encoding: chunked".to_owned(),
            in_chunk,
        ),
    }
}

fn both(dice: &mut Dice, one: &str, other: &str) -> String {
    if dice.chance(0.5) {
        format!("{one}\r\n{other}")
    } else {
        format!("{other}\r\n{one}")
    }
}
