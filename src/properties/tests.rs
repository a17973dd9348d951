//! The properties on proptest's own inputs and on the kept corpora.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// What was interesting to the fuzzer once.
#[test]
fn every_property_holds_for_its_kept_inputs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, property) in ALL {
        let mut count = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            property(&std::fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has none");
    }
}

proptest! {
    #[test]
    fn every_property_holds_for_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, property) in ALL {
            property(&data);
        }
    }

    #[test]
    fn paths_and_queries_mean_what_they_say(
        target in "(/files/|/uploads/|/portal|/|[?&=+;.%]|%[0-9a-fA-F]{2}|[a-z]{1,3}|\\PC){0,12}",
    ) {
        router(target.as_bytes());
    }

    #[test]
    fn keys_stay_below_their_root(
        text in "(\\.cloud-portfolio/|\\.\\.?|[/\\\\%?#]|[a-z]|\\PC|\n|\0){0,16}|k{990,1030}",
    ) {
        key(text.as_bytes());
    }

    #[test]
    fn conditions_and_ranges_are_taken_whole(
        text in "((Range|If-(None-)?Match|If-Range|If-(Un)?Modified-Since): ?((bytes=|[0-9]{1,21}|[-,*]|W/|\"(abc)?\"|Sun, 06 Nov 1994 08:49:37 GMT|[ -~]){0,8})\n){0,4}",
    ) {
        conditions(text.as_bytes());
    }

    #[test]
    fn names_survive_their_header(
        text in "(attachment|inline)?(;? ?filename\\*?=(UTF-8''|utf-8'en')?|[\"\\\\;%']|[a-z]{1,4}|\\PC|[\0-\x20]){0,10}",
    ) {
        disposition(text.as_bytes());
    }

    #[test]
    fn a_form_is_the_same_in_any_pieces(
        lengths in "[\0-\x09\x0b-\x7f]{0,5}",
        fields in "((--b(--)?\r?\n)|(Content-(Disposition: form-data|Type: text/plain)\r\n)|; (file)?name=\"(file|prefix|a/b|[ -~]{0,5})\"|\r\n|[ -~\r\n]{0,5}){0,14}",
        end in "(\r\n--b--\r\n)?",
    ) {
        let begin = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
        form(format!("{lengths}\n{fields}{end}").as_bytes());
        form(format!("{lengths}\n{begin}{fields}{end}").as_bytes());
    }

    #[test]
    fn headers_of_tus_mean_what_they_say(
        text in "(Upload-(Length|Offset|Checksum|Metadata|Defer-Length): ?((filename|prefix|relativePath|filetype|sha1|md5|sha256|null) |[A-Za-z0-9+/]{4}|=|,| |[0-9]{1,21}){0,8}\n){0,4}((key|prefix)=[a-z/.%]{0,6}&?){0,2}",
    ) {
        tus(text.as_bytes());
    }

    #[test]
    fn structured_fields_read_back(
        text in "((Upload-(Complete|Length|Offset|Draft-Interop-Version)|Repr-Digest|Content-(Digest|MD5)): ?(\\?[01]|;[a-z*]?=?|sha-256=:|[A-Za-z0-9+/]{42,43}=:|,|[0-9]{1,17}|[ -~]){0,6}\n){0,4}",
    ) {
        structured(text.as_bytes());
    }

    #[test]
    fn ids_have_one_spelling(
        begun in any::<u64>(),
        part_size in 1_u64..=5 << 30,
        nonce in any::<[u8; 16]>(),
        key in "[a-z./]{1,12}",
        store_id in "[!-~]{0,40}",
    ) {
        let mut id = Vec::new();
        id.extend(begun.to_be_bytes());
        id.extend(part_size.to_be_bytes());
        id.extend(nonce);
        id.extend((key.len() as u16).to_be_bytes());
        id.extend(key.as_bytes());
        id.extend(store_id.as_bytes());
        resume_id(&id);
    }

    #[test]
    fn a_configuration_keeps_its_promises_and_its_secrets(
        lines in prop::collection::vec((0..crate::config::SETTINGS.len(), "[0-9]{0,10}|true|false|\\*|[a-z/.:-]{0,12}|https?://[a-z.:0-9@/?]{0,16}|\\PC{0,8}"), 0..8),
    ) {
        let mut text = String::new();
        for (at, value) in lines {
            writeln!(text, "{}={value}", crate::config::SETTINGS[at].name).unwrap();
        }
        config(text.as_bytes());
    }
}
