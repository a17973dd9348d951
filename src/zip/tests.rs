//! Zips as unzip programs see them: python3's zipfile, and unzip where there is one.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::*;

/// Objects made of a repeated byte.
struct Fake(Vec<(&'static str, u64)>);

impl Open for Fake {
    async fn open(&mut self, key: &str) -> StoreResult<(u64, Bytestream)> {
        let found = self.0.iter().find(|(name, _)| *name == key);
        let &(name, size) = found.ok_or(StoreError::NotFound)?;
        if name.contains("broken") {
            let chunks = [Ok(Bytes::from_static(b"x")), Err(StoreError::Archived)];
            return Ok((size, stream::iter(chunks).boxed()));
        }
        let byte = if name.contains("zeros") { 0 } else { b'x' };
        let block = Bytes::from(vec![byte; 1 << 20]);
        let whole = size >> 20;
        let rest = block.slice(..(size & ((1 << 20) - 1)) as usize);
        let chunks = stream::iter(0..whole)
            .map(move |_| block.clone())
            .chain(stream::iter([rest]))
            .map(Ok);
        Ok((size, chunks.boxed()))
    }
}

fn memory() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(64 << 20))
}

fn catalog(prefix: &str, objects: &[(&str, u64)]) -> Catalog {
    let mut catalog = Catalog::new(prefix, memory());
    for (key, size) in objects {
        catalog.add(key, *size, 784_111_777).unwrap();
    }
    catalog
}

/// Writes the zip; blocks of zeros become holes.
async fn write(
    path: &Path,
    prefix: &str,
    objects: &[(&'static str, u64)],
    layout: Layout,
) -> StoreResult<()> {
    let mut file = File::create(path).unwrap();
    let chunks = stream_as(catalog(prefix, objects), Fake(objects.to_vec()), layout);
    let mut chunks = pin!(chunks);
    while let Some(chunk) = chunks.next().await.transpose()? {
        if chunk.len() == 1 << 20 && chunk.first() == Some(&0) {
            file.seek(SeekFrom::Current(1 << 20)).unwrap();
        } else {
            file.write_all(&chunk).unwrap();
        }
    }
    Ok(())
}

/// What `zipfile` says: a line of name, size, date, mode and flags for each entry.
fn entries(path: &Path, check: bool) -> Vec<String> {
    let script = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        for i in z.infolist(): print(ascii(i.filename)[1:-1], i.file_size, '%d-%d-%d' % i.date_time[:3], oct(i.external_attr >> 16), i.compress_type)\n\
        if sys.argv[2] == 'check': assert z.testzip() is None\n\
        assert len(z.read(z.infolist()[-1])) == z.infolist()[-1].file_size\n";
    let check = if check { "check" } else { "" };
    let output = Command::new("python3")
        .args(["-c", script, path.to_str().unwrap(), check])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn unzip_accepts(path: &Path) {
    if let Ok(output) = Command::new("unzip").arg("-tq").arg(path).output() {
        assert!(output.status.success(), "{output:?}");
    }
}

#[tokio::test]
async fn python_and_unzip_read_what_was_put_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    let objects = [
        ("a/", 0),
        ("a/../evil", 3),
        ("a/b", 1),
        ("a/b/c.txt", 5_000_000),
        ("a/b0", 2),
        ("a/empty/", 0),
        ("a/é.txt", 0),
    ];
    // Without and with ZIP64 in every place.
    for layout in [
        Layout::default(),
        Layout {
            max_u32: 3,
            max_u16: 2,
        },
    ] {
        write(&path, "a/", &objects, layout).await.unwrap();
        unzip_accepts(&path);
        let found = entries(&path, true);
        let names: Vec<_> = found
            .iter()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert!(
            names[0].starts_with("_~") && names[0].ends_with("/evil"),
            "{names:?}"
        );
        assert!(names[1].starts_with("b~"), "{names:?}");
        assert_eq!(names[2..], ["b/c.txt", "b0", "empty/", "\\xe9.txt"]);
        assert_eq!(found[2], "b/c.txt 5000000 1994-11-6 0o100644 0");
        assert_eq!(found[4], "empty/ 0 1994-11-6 0o40755 0");
    }
}

#[tokio::test]
async fn a_file_over_four_gibibytes_and_what_comes_after_it_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.zip");
    let objects = [("zeros", (4 << 30) + 5), ("zzz", 7)];
    write(&path, "", &objects, Layout::default()).await.unwrap();
    let found = entries(&path, false);
    assert!(found[0].starts_with("zeros 4294967301 "), "{found:?}");
    assert!(found[1].starts_with("zzz 7 "), "{found:?}");
}

#[tokio::test]
async fn seventy_thousand_entries_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.zip");
    let mut catalog = Catalog::new("", memory());
    for n in 0..70_000 {
        catalog.add(&format!("{n:05}/"), 0, 0).unwrap();
    }
    let chunks: Vec<_> = stream(catalog, Fake(Vec::new())).collect().await;
    let chunks: StoreResult<Vec<Bytes>> = chunks.into_iter().collect();
    std::fs::write(&path, chunks.unwrap().concat()).unwrap();
    assert_eq!(entries(&path, false).len(), 70_000);
}

#[tokio::test]
async fn what_was_deleted_meanwhile_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    let chunks = stream(
        catalog("", &[("a", 1), ("gone", 5), ("z", 1)]),
        Fake(vec![("a", 1), ("z", 2)]),
    );
    let chunks: Vec<_> = chunks.map(Result::unwrap).collect().await;
    std::fs::write(&path, chunks.concat()).unwrap();
    let found = entries(&path, true);
    assert!(
        found.len() == 2 && found[1].starts_with("z 2 "),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_object_that_breaks_off_breaks_the_zip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    let written = write(
        &path,
        "",
        &[("a", 1), ("broken", 5), ("c", 1)],
        Layout::default(),
    );
    assert!(matches!(written.await, Err(StoreError::Archived)));
    let end = std::fs::read(&path).unwrap();
    assert!(!end.windows(4).any(|window| window == b"PK\x05\x06"));
}

#[test]
fn a_catalog_ends_at_its_limits_and_gives_its_memory_back() {
    let mut long = Catalog::new("", memory());
    let full = (0..MAX_ENTRIES).find_map(|n| long.add(&format!("{n:0200}"), 1, 0).err());
    assert_eq!(full, Some(Full::Zip));
    let mut many = Catalog::new("", memory());
    for n in 0..MAX_ENTRIES {
        many.add(&format!("{n:06}"), 1, 0).unwrap();
    }
    assert_eq!(many.add("x", 1, 0), Err(Full::Zip));
    let memory = Arc::new(Semaphore::new(6_000));
    let mut first = Catalog::new("", Arc::clone(&memory));
    first.add("a", 1, 0).unwrap();
    let mut second = Catalog::new("", Arc::clone(&memory));
    assert_eq!(second.add("a", 1, 0), Err(Full::Process));
    drop((first, second));
    assert_eq!(memory.available_permits(), 6_000);
}

#[test]
fn small_zips_leave_room_for_others() {
    let memory = Arc::new(Semaphore::new(1 << 20));
    let mut small = Vec::new();
    for _ in 0..200 {
        let mut catalog = Catalog::new("", Arc::clone(&memory));
        catalog.add("a", 1, 0).unwrap();
        catalog.add("b", 1, 0).unwrap();
        small.push(catalog);
    }
}

#[test]
fn only_a_file_that_a_folder_is_named_after_gets_another_name() {
    let catalog = catalog(
        "p/",
        &[
            ("p/a", 1),
            ("p/a!", 1),
            ("p/a/b", 1),
            ("p/a/b/c", 1),
            ("p/a0", 1),
            ("p/b", 1),
        ],
    );
    let names: Vec<_> = (0..catalog.len())
        .map(|index| catalog.name(index))
        .collect();
    assert!(
        names[0].starts_with("a~") && names[2].starts_with("a/b~"),
        "{names:?}"
    );
    assert_eq!(
        [&names[1], &names[3], &names[4], &names[5]],
        ["a!", "a/b/c", "a0", "b"]
    );
}
