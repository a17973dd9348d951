//! Turns `www/` into the table that `src/handler/assets` includes: each file under a name that
//! holds the hash of its content, references between files rewritten to those names, each one also
//! as brotli and gzip where that is smaller. The same files give the same output.
//!
//! `index.html` keeps its name: it is the page; so does `openapi.json`, which tells of the API. Any
//! other `.html` is a template that a handler fills in; it is embedded as text and has no URL.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Tells of the API, to programs that know its name.
const DESCRIPTION: &str = "openapi.json";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[allow(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]
fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=www");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);

    let mut site = Site {
        sources: read("www".as_ref())?,
        done: BTreeMap::new(),
    };
    let names: Vec<String> = site.sources.keys().cloned().collect();
    for name in &names {
        site.finish(name, &mut Vec::new())?;
    }
    fs::write(out.join("assets.rs"), table(&site.done, &out)?)?;
    fs::write(out.join("templates.rs"), templates(&site.done, &out)?)?;
    Ok(())
}

/// A file as it is served.
struct Finished {
    name: String,
    hash: String,
    bytes: Vec<u8>,
}

/// The files by their plain names, in order.
struct Site {
    sources: BTreeMap<String, Vec<u8>>,
    done: BTreeMap<String, Finished>,
}

impl Site {
    /// Finishes what `name` refers to, then `name`, and gives its final name. `path` is how we got
    /// here: a name that stands in it already refers to itself, and has no hash.
    fn finish(&mut self, name: &str, path: &mut Vec<String>) -> Result<String> {
        if let Some(done) = self.done.get(name) {
            return Ok(done.name.clone());
        }
        path.push(name.to_owned());
        if path.iter().filter(|n| *n == name).count() > 1 {
            return Err(format!("www: references run in a circle: {}", path.join(" -> ")).into());
        }
        let Some(source) = self.sources.get(name).cloned() else {
            return Err(format!("www: there is no such file: {}", path.join(" -> ")).into());
        };

        let bytes = match references(name, &source)? {
            None if extension(name) == "json" => compact(&source),
            None => source,
            Some((text, found)) => {
                let mut rewritten = String::with_capacity(text.len() + 32 * found.len());
                let mut from = 0;
                for range in found {
                    rewritten.push_str(&text[from..range.start]);
                    rewritten.push_str(&self.finish(&text[range.clone()], path)?);
                    from = range.end;
                }
                rewritten.push_str(&text[from..]);
                rewritten.into_bytes()
            }
        };
        path.pop();

        let hash = format!("{:016x}", fnv1a64(&bytes));
        let served = match name.rsplit_once('.') {
            Some((stem, extension)) if extension != "html" && name != DESCRIPTION => {
                format!("{stem}.{hash}.{extension}")
            }
            _ => name.to_owned(),
        };
        self.done.insert(
            name.to_owned(),
            Finished {
                name: served.clone(),
                hash,
                bytes,
            },
        );
        Ok(served)
    }
}

/// The files of one folder. A folder within it is refused: names are flat.
fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .ok_or("www: a name is not UTF-8")?;
        if !name.starts_with('.') {
            files.insert(name.to_owned(), fs::read(&path)?);
        }
    }
    Ok(files)
}

/// Where a text names other files of `www/`, in order and without a leading `./`; nothing for what
/// is no text. Whether the files exist is for the caller to find out.
fn references(name: &str, source: &[u8]) -> Result<Option<(String, Vec<Range<usize>>)>> {
    // What stands before a name, and what ends it.
    let forms: &[(&str, char)] = match extension(name) {
        "html" => &[("href=\"", '"'), ("src=\"", '"')],
        "css" => &[("url(\"", '"'), ("@import \"", '"')],
        "js" => &[("from '", '\''), ("import '", '\''), ("import('", '\'')],
        _ => return Ok(None),
    };
    let text = String::from_utf8(source.to_vec()).map_err(|_| format!("www/{name}: not UTF-8"))?;
    // Other spellings would go unseen, and break in the browser only.
    for other in [
        "url('",
        "@import '",
        "from \"",
        "import \"",
        "href='",
        "src='",
    ] {
        if text.contains(other) {
            return Err(format!("www/{name}: write {other} with the other quotes").into());
        }
    }
    let mut found = Vec::new();
    for (before, end) in forms {
        for (at, _) in text.match_indices(before) {
            let start = at + before.len();
            let len = text[start..]
                .find(*end)
                .ok_or_else(|| format!("www/{name}: no {end}"))?;
            let value = &text[start..start + len];
            let plain = value.trim_start_matches("./");
            // `files`, `upload` and `./` are routes of the program; `data:` and the like are no files.
            if !value.contains(':') && content_type(plain).is_some() {
                found.push(start + len - plain.len()..start + len);
            } else if extension(name) == "js" {
                return Err(format!("www/{name}: cannot import {value}").into());
            }
        }
    }
    found.sort_by_key(|range| range.start);
    Ok(Some((text, found)))
}

/// JSON without the space between its tokens.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut quoted, mut escaped) = (false, false);
    let mut keep = |byte: &u8| {
        let kept = quoted || !byte.is_ascii_whitespace();
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        kept
    };
    json.iter().copied().filter(|byte| keep(byte)).collect()
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match extension(name) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// FNV-1a, 64 bits: names content, guards nothing.
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Pages that are filled in: text that a handler includes.
fn is_template(plain: &str) -> bool {
    extension(plain) == "html" && plain != "index.html"
}

/// Writes the templates to `out`, and gives the Rust source that names them.
fn templates(files: &BTreeMap<String, Finished>, out: &Path) -> Result<String> {
    let mut source = String::new();
    for (plain, file) in files.iter().filter(|(plain, _)| is_template(plain)) {
        fs::write(out.join(plain), &file.bytes)?;
        let constant = plain.replace(['.', '-'], "_").to_uppercase();
        let path = path_of(plain);
        writeln!(source, "const {constant}: &str = include_str!({path});")?;
    }
    Ok(source)
}

/// Writes the representations to `out`, and gives the Rust source of the table.
fn table(files: &BTreeMap<String, Finished>, out: &Path) -> Result<String> {
    let mut assets = String::new();
    let mut count = 0;
    for (plain, file) in files.iter().filter(|(plain, _)| !is_template(plain)) {
        let kind = content_type(plain).ok_or_else(|| format!("www/{plain}: of what type?"))?;
        let smaller = |suffix: &str, bytes: &[u8]| -> Result<String> {
            if bytes.len() >= file.bytes.len() {
                return Ok("None".to_owned());
            }
            let tag = format!("{}-{suffix}", file.hash);
            let coded = coded(out, &format!("{plain}.{suffix}"), bytes, &tag)?;
            Ok(format!("Some({coded})"))
        };
        count += 1;
        writeln!(
            assets,
            "    Asset {{ name: {:?}, content_type: HeaderValue::from_static({kind:?}), \
             immutable: {}, identity: {}, br: {}, gzip: {} }},",
            file.name,
            file.name != *plain,
            coded(out, plain, &file.bytes, &file.hash)?,
            smaller("br", &brotli(&file.bytes)?)?,
            smaller("gz", &gzip(&file.bytes)?)?,
        )?;
    }
    Ok(format!("static ASSETS: [Asset; {count}] = [\n{assets}];\n"))
}

/// Writes one representation to `out`, and gives its Rust source.
fn coded(out: &Path, name: &str, bytes: &[u8], tag: &str) -> Result<String> {
    fs::write(out.join(name), bytes)?;
    Ok(format!(
        "Coded {{ bytes: Bytes::from_static(include_bytes!({})), \
         length: HeaderValue::from_static(\"{}\"), \
         etag: HeaderValue::from_static(\"\\\"{tag}\\\"\") }}",
        path_of(name),
        bytes.len(),
    ))
}

/// The Rust source of a path in `OUT_DIR`, so that the table itself holds no absolute path.
fn path_of(file: &str) -> String {
    format!("concat!(env!(\"OUT_DIR\"), \"/{file}\")")
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // GzEncoder writes no time and no name.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
