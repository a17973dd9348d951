//! What is embedded: names, what the pages and scripts refer to, sizes and compressed forms.

use super::super::super::pages::TEMPLATES;
use super::super::{ASSETS, DESCRIPTION, find};
use super::page;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values of `href`, `src`, and of imports.
fn references(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (before, end) in [
        ("href=\"", '"'),
        ("src=\"", '"'),
        ("from './", '\''),
        ("import './", '\''),
        ("url(\"", '"'),
    ] {
        found.extend(
            text.split(before)
                .skip(1)
                .filter_map(|after| after.split(end).next()),
        );
    }
    found
}

#[test]
fn the_page_is_found_by_both_its_names_and_the_rest_by_hashed_names_only() {
    assert_eq!(find("").map(|a| a.name), Some("index.html"));
    assert_eq!(find("index.html").map(|a| a.name), Some("index.html"));
    for missing in [
        "app.js",
        "style.css",
        "confirmation.html",
        "listing.html",
        "/",
        "../index.html",
        "INDEX.HTML",
    ] {
        assert!(find(missing).is_none(), "{missing}");
    }
    for asset in &ASSETS {
        assert!(
            std::ptr::eq(asset, find(asset.name).unwrap_or(page())),
            "{}",
            asset.name
        );
        let is_named = matches!(asset.name, "index.html" | DESCRIPTION);
        assert_eq!(asset.immutable, !is_named);
    }
}

#[test]
fn pages_style_and_scripts_refer_only_to_names_that_exist() {
    let mut seen = 0;
    let texts = ASSETS.iter().map(|asset| text(&asset.identity.bytes));
    for text in texts.chain(TEMPLATES.map(str::to_owned)) {
        for name in references(&text) {
            if matches!(name, "./" | "files") || name.starts_with('#') {
                continue;
            }
            assert!(find(name).is_some_and(|asset| asset.immutable), "{name}");
            seen += 1;
        }
    }
    assert!(
        seen >= ASSETS.len(),
        "{seen} references for {} assets",
        ASSETS.len()
    );
}

#[test]
fn nothing_in_the_pages_is_inline_absolute_or_from_elsewhere() {
    let pages = TEMPLATES.map(str::to_owned);
    for page in pages.into_iter().chain([text(&page().identity.bytes)]) {
        for banned in [
            "<style",
            " style=",
            " onclick",
            "javascript:",
            "http:",
            "https:",
            "=\"/",
        ] {
            assert!(!page.contains(banned), "{banned}");
        }
        assert!(!page.contains("<script>"));
    }
    for asset in &ASSETS {
        assert!(
            !text(&asset.identity.bytes).contains("innerHTML"),
            "{}",
            asset.name
        );
    }
}

#[test]
fn the_page_works_as_a_plain_form() {
    let page = text(&page().identity.bytes);
    for wanted in [
        "<title>Cloud Portfolio</title>",
        "method=\"post\" action=\"upload\" enctype=\"multipart/form-data\"",
        "type=\"file\" name=\"file\" multiple required",
        "type=\"submit\"",
        ">Load Files</button>",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_compressed_form_is_kept_only_where_it_is_smaller_and_says_its_length() {
    for asset in &ASSETS {
        let coded = [
            Some(&asset.identity),
            asset.br.as_ref(),
            asset.gzip.as_ref(),
        ];
        for coded in coded.into_iter().flatten() {
            assert_eq!(
                coded.length,
                coded.bytes.len().to_string(),
                "{}",
                asset.name
            );
        }
        for coded in coded[1..].iter().flatten() {
            assert!(
                coded.bytes.len() < asset.identity.bytes.len(),
                "{}",
                asset.name
            );
        }
        if let Some(gzip) = &asset.gzip {
            // The last four bytes are the length before compression (RFC 1952, ISIZE).
            let len = u32::try_from(asset.identity.bytes.len()).unwrap_or(0);
            assert!(gzip.bytes.starts_with(&[0x1f, 0x8b]));
            assert!(gzip.bytes.ends_with(&len.to_le_bytes()), "{}", asset.name);
        }
    }
}

#[test]
fn all_of_it_is_below_60_kb_as_brotli() {
    let sum: usize = ASSETS
        .iter()
        .map(|a| match &a.br {
            Some(br) => br.bytes.len(),
            None => a.identity.bytes.len(),
        })
        .sum();
    assert!(sum < 60_000, "{sum}");
}
