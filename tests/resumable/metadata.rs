//! tus: `Upload-Metadata`, and to whom it is given back.

use super::talk::{TUS, head, metadata, number, patch};
use crate::support::Server;
use crate::support::place::{Place, STORES};

#[test]
fn metadata_is_given_back_and_the_base_path_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("BASE_PATH".to_owned(), "/portal".to_owned()),
        (
            "DATA_DIR".to_owned(),
            dir.path().to_str().unwrap().to_owned(),
        ),
    ];
    let server = Server::spawn(&settings);
    let metadata = format!("{},is_confidential", metadata(&[("filename", "ü.txt")]));
    let headers = [
        TUS,
        ("Upload-Length", "2"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let mut client = server.client();
    let answer = client.request("POST", "/portal/uploads", &headers, b"");
    let upload = answer.header("location").unwrap().to_owned();
    assert!(upload.starts_with("/portal/uploads/"));
    assert!(httpdate::parse_http_date(answer.header("upload-expires").unwrap()).is_ok());
    let answer = head(&mut client, &upload);
    assert_eq!(answer.header("upload-metadata"), Some(metadata.as_str()));
    let answer = patch(&mut client, &upload, 0, b"ab");
    assert_eq!(
        answer.header("content-location"),
        Some("/portal/files/%C3%BC.txt")
    );
    let answer = head(&mut client, &upload);
    assert_eq!(answer.header("upload-metadata"), Some(metadata.as_str()));
}

#[test]
fn metadata_is_given_back_after_completion_to_who_uploaded_and_to_nobody_else() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        // More than S3 keeps with an object is forgotten with the upload.
        for (name, length, kept) in [("empty", 0, 9), ("short", 3, 9), ("long", 3, 3000)] {
            let metadata = metadata(&[("filename", name), ("note", &"n".repeat(kept))]);
            let size = length.to_string();
            let headers = [
                TUS,
                ("Upload-Length", size.as_str()),
                ("Upload-Metadata", metadata.as_str()),
            ];
            let answer = client.request("POST", "/uploads", &headers, b"");
            let upload = answer.header("location").unwrap().to_owned();
            if length > 0 {
                assert_eq!(patch(&mut client, &upload, 0, b"abc").status, 204);
            }
            let answer = head(&mut client, &upload);
            assert_eq!(number(&answer, "upload-offset"), length);
            let want = Some(metadata.as_str()).filter(|_| kept < 2048);
            assert_eq!(answer.header("upload-metadata"), want, "{on:?} {name}");
            let got = client.get(&format!("/files/{name}"));
            let shown = got.headers.iter().any(|(n, _)| n.contains("upload-meta"));
            assert!(!shown, "{got:?}");
        }
        let spoof = [("x-amz-meta-upload-metadata", "a YQ==")];
        let answer = client.request("PUT", "/files/spoof", &spoof, b"");
        assert_eq!(answer.status, 400);
    }
}
