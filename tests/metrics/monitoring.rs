//! The dashboard and the alert rules name only metrics and labels that there are.

use std::collections::BTreeSet;

use cloud_portfolio::metrics::{calls, http};

use super::{scrape, server};

/// Names of metrics in a text: whatever begins like one of ours or of the process's.
fn names(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !part(c))
        .filter(|word| word.starts_with("cloud_portfolio_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Every series there can be, by name: what the program describes, with what histograms add.
fn exported(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        if kind == "histogram" {
            names.extend(["_bucket", "_count", "_sum"].map(|end| format!("{name}{end}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    // Only where the store's credentials end.
    names.insert("cloud_portfolio_s3_credentials_expiry_timestamp_seconds".into());
    names
}

#[test]
fn dashboard_and_rules_name_only_metrics_that_there_are() {
    let (_, text) = scrape(&server(&[]), "");
    let exported = exported(&text);
    for file in [
        "dashboard.json",
        "rules.yaml",
        "rules_test.yaml",
        "README.md",
    ] {
        let path = format!("{}/manifests/monitoring/{file}", env!("CARGO_MANIFEST_DIR"));
        // A histogram is described by its own name.
        let bare = exported
            .iter()
            .filter_map(|name| name.strip_suffix("_count"));
        let exported: BTreeSet<_> = exported
            .iter()
            .cloned()
            .chain(bare.map(str::to_owned))
            .collect();
        let named = names(&std::fs::read_to_string(&path).unwrap());
        assert!(named.len() > 10, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        if file == "README.md" {
            let ours = exported
                .iter()
                .filter(|name| name.starts_with("cloud_portfolio_"));
            let ends = ["_bucket", "_count", "_sum"];
            let untold: Vec<_> = ours
                .filter(|name| {
                    !named.contains(*name) && !ends.iter().any(|end| name.ends_with(end))
                })
                .collect();
            assert!(untold.is_empty(), "{file} leaves out {untold:?}");
        }
    }
}

/// What a selector (`status=~"4xx|5xx"`) asks of this label, anywhere in a text.
fn chosen(text: &str, label: &str) -> BTreeSet<String> {
    let text = text.replace("\\\"", "\"");
    let after = text.split(label).skip(1);
    after
        .filter_map(|rest| {
            let at = rest.find('"').filter(|at| (1..=2).contains(at))?;
            let (operator, value) = rest.split_at(at);
            let is_one = ["=", "!=", "=~", "!~"].contains(&operator);
            is_one.then(|| value[1..].split('"').next().unwrap())
        })
        .flat_map(|value| value.split('|').map(str::to_owned))
        .collect()
}

#[test]
fn dashboard_and_rules_choose_only_labels_that_there_are() {
    let known = [
        ("route", &http::ROUTES[..]),
        ("method", &http::METHODS),
        ("status", &http::CLASSES),
        ("operation", &calls::OPERATIONS),
    ];
    let outcomes = ["granted", "refused", "found", "missing", "failure"];
    let outcomes: Vec<_> = calls::OUTCOMES.into_iter().chain(outcomes).collect();
    let mut count = 0;
    for file in ["dashboard.json", "rules.yaml", "rules_test.yaml"] {
        let path = format!("{}/manifests/monitoring/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        for (label, values) in known.into_iter().chain([("outcome", &outcomes[..])]) {
            let chosen = chosen(&text, label);
            count += chosen.len();
            let unknown: Vec<_> = chosen
                .iter()
                .filter(|value| !values.contains(&value.as_str()))
                .collect();
            assert!(unknown.is_empty(), "{file} has {label} of {unknown:?}");
        }
    }
    assert!(count > 20, "only {count} were found");
}
