//! What the texts of the plain settings must be. Those of the store, and of what has a type of its
//! own, are read beside them.

use super::LogFormat;

pub(super) fn parse_optional_port(text: &str) -> Result<Option<u16>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.trim().parse() {
        Ok(port) => Ok(Some(port)),
        Err(_) => Err("must be a port, 0 to 65535".to_owned()),
    }
}

pub(super) fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}

/// env_logger takes a word that it does not know for a module, of which everything is to be logged,
/// and of all others nothing: a level that is misspelt would end the log.
pub(super) fn parse_log_filter(text: &str) -> Result<String, String> {
    let rules = text.split('/').next().unwrap_or_default();
    for rule in rules.split(',').map(str::trim) {
        let level = rule.rsplit('=').next().unwrap_or_default();
        if !level.is_empty() && level.parse::<log::LevelFilter>().is_err() {
            return Err("must be a level (error, warn, info, debug, trace, off), or MODULE=LEVEL, comma separated".to_owned());
        }
    }
    Ok(text.to_owned())
}

pub(super) fn parse_base_path(text: &str) -> Result<String, String> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !trimmed.chars().all(plain) || trimmed.split('/').any(|s| matches!(s, "" | "." | "..")) {
        return Err("must be path segments of letters, digits, '-', '.', '_' and '~'".to_owned());
    }
    Ok(format!("/{trimmed}"))
}

pub(super) fn parse_key_prefix(text: &str) -> Result<String, String> {
    let segments = text.strip_suffix('/').unwrap_or(text);
    let bad_segment = segments.split('/').any(|s| matches!(s, "" | "." | ".."));
    if !text.is_empty() && bad_segment {
        return Err("must not have an empty, '.' or '..' segment, nor begin with a slash".into());
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return Err("must not have control characters or backslashes".to_owned());
    }
    // Leaves keys at least 512 bytes, and room for the internal prefix.
    if text.len() > 512 {
        return Err("must not be longer than 512 bytes".to_owned());
    }
    Ok(text.to_owned())
}
