//! A run as a file, to compare a later one with. What the figures mean is said in `figures`.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::figures::Run;

/// Tells a run from any other JSON, and from one of a harness whose figures mean something else.
const FORMAT: &str = "cloud-portfolio load run 1";

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    run: &'a Run,
}

/// Read first, and alone, so that a file of another format is named as such and not by the first
/// field that it lacks.
#[derive(Deserialize)]
struct Marked {
    format: Option<String>,
}

#[derive(Deserialize)]
struct Read {
    run: Run,
}

pub fn write_json(run: &Run, path: &Path) -> io::Result<()> {
    let written = Written {
        format: FORMAT,
        run,
    };
    let text = serde_json::to_string(&written)?;
    fs::write(path, text + "\n").map_err(|error| about(path, error.kind(), &error.to_string()))
}

pub fn read_json(path: &Path) -> io::Result<Run> {
    let text =
        fs::read_to_string(path).map_err(|error| about(path, error.kind(), &error.to_string()))?;
    let foreign = |why: &str| {
        let why = format!("not a run of this harness: {why}");
        about(path, io::ErrorKind::InvalidData, &why)
    };
    let marked: Marked =
        serde_json::from_str(&text).map_err(|error| foreign(&error.to_string()))?;
    match marked.format.as_deref() {
        Some(FORMAT) => {}
        Some(other) => return Err(foreign(&format!("its format is {other:?}, not {FORMAT:?}"))),
        None => return Err(foreign("it has no format")),
    }
    let read: Read = serde_json::from_str(&text).map_err(|error| foreign(&error.to_string()))?;
    Ok(read.run)
}

fn about(path: &Path, kind: io::ErrorKind, why: &str) -> io::Error {
    io::Error::new(kind, format!("{}: {why}", path.display()))
}
