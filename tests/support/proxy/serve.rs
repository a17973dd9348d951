//! One connection through the proxy: request by request, each with its fault or none.

use std::io::{BufReader, Read, Result, Write, copy, sink};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::super::journal::now;
use super::wire::Head;
use super::{Fault, Shared};

pub(super) fn connection(client: &TcpStream, upstream: &str, shared: &Shared) -> Result<()> {
    let server = TcpStream::connect(upstream)?;
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut from_server = BufReader::new(server.try_clone()?);
    let (mut to_client, mut to_server) = (client, &server);
    while let Some(request) = Head::read(&mut from_client)? {
        let fault = shared.strike(&request);
        let at = now();
        let note = |outcome: &str| {
            let Head { method, target, .. } = &request;
            let port = client.peer_addr().map_or(0, |peer| peer.port());
            let fault = fault.map_or("", Fault::name);
            let say = || format!("proxy {at} {port} {method} {target} {fault} {outcome}");
            shared.journal.note(say);
        };
        if fault.is_some() {
            note("struck");
        }
        let mut body = (&mut from_client).take(request.length);
        match fault {
            Some(Fault::Reset) => return reset(client),
            Some(Fault::ResetInBody) => {
                copy(&mut body.take(request.length / 2), &mut sink())?;
                return reset(client);
            }
            Some(Fault::ResetAfterBody) => {
                copy(&mut body, &mut sink())?;
                return reset(client);
            }
            Some(Fault::Stall) => {
                // To its end, and then until the other side has had enough.
                copy(&mut from_client, &mut sink())?;
                return Ok(());
            }
            _ => {}
        }
        if let Some(answer) = fault.and_then(|fault| fault.answer(&request.method)) {
            copy(&mut body, &mut sink())?;
            to_client.write_all(answer.as_bytes())?;
            continue;
        }
        to_server.write_all(request.bytes.as_bytes())?;
        if copy(&mut body, &mut to_server)? < request.length {
            note("broken");
            // S3 must not wait for what will never come.
            return Ok(());
        }
        let Some(answer) = Head::read(&mut from_server)? else {
            return Ok(());
        };
        let body = answer.body(&mut from_server, &request.method)?;
        note(&answer.target);
        let upload = begun(&request, &body).inspect(|id| {
            let path = request.target.split('?').next().unwrap_or("");
            let mut begun = shared.begun.lock().unwrap();
            begun.paths.insert(path.to_owned());
            begun.ids.insert(id.clone(), Instant::now());
            if fault.is_some_and(|fault| !fault.tells()) {
                begun.untold.insert(id.clone());
            }
        });
        let arrived = match fault {
            Some(Fault::LoseAnswer) => return Ok(()),
            Some(Fault::CutAnswer) => {
                to_client.write_all(answer.bytes.as_bytes())?;
                to_client.write_all(&body[..body.len() / 2])?;
                return to_client.shutdown(Shutdown::Both);
            }
            Some(Fault::MalformedHeader) => {
                let broken = answer
                    .bytes
                    .replacen("\r\n", "\r\nthis is no header\r\n", 1);
                to_client.write_all(broken.as_bytes())
            }
            Some(Fault::MalformedXml) => {
                let broken = "<?xml version=\"1.0\"?><ListBucketResult><Name>broken</Na";
                let length = broken.len();
                let status = &answer.target;
                return write!(
                    to_client,
                    "HTTP/1.1 {status} Broken\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{broken}"
                );
            }
            Some(Fault::Delay(time)) => {
                pause(&from_client, time)?;
                to_client.write_all(answer.bytes.as_bytes())
            }
            _ => to_client.write_all(answer.bytes.as_bytes()),
        };
        if let Err(error) = arrived.and_then(|()| to_client.write_all(&body)) {
            shared.begun.lock().unwrap().untold.extend(upload);
            return Err(error);
        }
    }
    Ok(())
}

/// Closes with a reset, also where everything that came was read.
fn reset(client: &TcpStream) -> Result<()> {
    set_socket_linger(client, Some(Duration::ZERO))?;
    Ok(())
}

/// Waits so long; fails when the other side does not.
fn pause(client: &BufReader<TcpStream>, time: Duration) -> Result<()> {
    let client = client.get_ref();
    client.set_read_timeout(Some(time))?;
    // It has nothing to say before it is answered.
    let left = client.peek(&mut [0]);
    client.set_read_timeout(None)?;
    match left {
        Ok(_) => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Err(_) => Ok(()),
    }
}

/// The id of the upload that S3 began with this answer.
fn begun(request: &Head, body: &[u8]) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    if request.method != "POST"
        || !query
            .split('&')
            .any(|name| name == "uploads" || name == "uploads=")
    {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<UploadId>")?;
    let (id, _) = rest.split_once("</UploadId>")?;
    Some(id.to_owned())
}
