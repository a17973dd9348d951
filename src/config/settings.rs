//! The table of settings: names, defaults, and what `--help` says of them.
//! What their values may be is decided in `config`.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The variable; `NAME_FILE` names a file that holds the value instead.
    pub name: &'static str,
    /// In force when the variable is unset; empty: nothing.
    pub default: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Whether its value must never be printed.
    pub secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        default,
        help,
        secret: false,
    }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        default: "",
        help,
        secret: true,
    }
}

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    setting("HOST", "0.0.0.0", "Address to listen on"),
    setting("PORT", "5000", "Port to listen on; 0 takes a free one"),
    setting(
        "METRICS_PORT",
        "",
        "Port for GET /metrics, on HOST; unset: none",
    ),
    setting("BASE_PATH", "", "Path that every route sits under"),
    setting("WEB_CONCURRENCY", "2", "Worker threads"),
    setting("THREADS", "4", "Blocking threads of each worker"),
    setting(
        "TIMEOUT",
        "60",
        "Longest silence of a client or the store, seconds",
    ),
    setting("MAX_CONNECTIONS", "1024", "Most client connections at once"),
    setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "",
        "Most of one address, of IPv6 of one /64; unset: half of all",
    ),
    setting(
        "RATE_LIMIT",
        "",
        "Requests a second of one address in the long run; unset: any number",
    ),
    setting(
        "WITHDRAW_SECONDS",
        "5",
        "From SIGTERM until new connections are refused",
    ),
    setting("DRAIN_SECONDS", "25", "From then until what is left is cut"),
    setting("BUCKET_NAME", "", "S3 bucket; unset: files go to DATA_DIR"),
    setting("KEY_PREFIX", "", "Put before every key in the store"),
    setting("DATA_DIR", "./data", "Directory of the local store"),
    setting("AWS_REGION", "", "Region of the bucket (us-east-1)"),
    setting(
        "AWS_DEFAULT_REGION",
        "",
        "The same, when AWS_REGION is unset",
    ),
    setting(
        "AWS_ENDPOINT_URL_S3",
        "",
        "URL of an S3 other than Amazon's",
    ),
    setting(
        "AWS_ENDPOINT_URL",
        "",
        "The same, when AWS_ENDPOINT_URL_S3 is unset",
    ),
    setting("AWS_CA_BUNDLE", "", "PEM file of further roots to trust"),
    secret("AWS_ACCESS_KEY_ID", "Access key"),
    secret("AWS_SECRET_ACCESS_KEY", "Secret key"),
    secret(
        "AWS_SESSION_TOKEN",
        "Session token of temporary credentials",
    ),
    setting(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "",
        "File with the token that STS lends a role for",
    ),
    setting("AWS_ROLE_ARN", "", "That role"),
    setting(
        "AWS_ROLE_SESSION_NAME",
        "cloud-portfolio",
        "Name of the session, for AWS's own log",
    ),
    setting(
        "AWS_ENDPOINT_URL_STS",
        "",
        "URL of an STS other than the region's",
    ),
    setting(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "",
        "Path of credentials at the agent of ECS",
    ),
    setting(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "",
        "URL of credentials at an agent, EKS Pod Identity's or another",
    ),
    secret(
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "What to show to that agent",
    ),
    setting(
        "AWS_EC2_METADATA_DISABLED",
        "false",
        "Do not ask the EC2 metadata service",
    ),
    setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "http://169.254.169.254",
        "URL of the EC2 metadata service",
    ),
    setting(
        "AWS_PROFILE",
        "",
        "Profile in the files that AWS's tools share (default)",
    ),
    setting(
        "AWS_SHARED_CREDENTIALS_FILE",
        "",
        "The first of those files (~/.aws/credentials)",
    ),
    setting(
        "AWS_CONFIG_FILE",
        "",
        "The second of those files (~/.aws/config)",
    ),
    setting(
        "S3_PUBLIC_ENDPOINT",
        "",
        "URL of the same S3 as users reach it, for shared links",
    ),
    setting(
        "S3_INTEGRITY",
        "auto",
        "How S3 checks what it stores: auto, crc64nvme, sha256, md5",
    ),
    setting(
        "S3_SSE",
        "",
        "Server-side encryption, AES256 or aws:kms; unset: the bucket's",
    ),
    setting(
        "S3_STORAGE_CLASS",
        "",
        "Storage class of new objects; unset: the bucket's",
    ),
    setting(
        "UPLOAD_BUFFER_BYTES",
        "41943040",
        "Bytes that may wait in memory to become parts",
    ),
    setting(
        "UPLOAD_PART_BYTES",
        "8388608",
        "Bytes in a part; larger objects have larger parts",
    ),
    setting(
        "UPLOAD_CONCURRENCY",
        "4",
        "Parts of one upload on their way at once",
    ),
    // 10,000 parts of 5 GiB: what S3's multipart limits hold.
    setting(
        "MAX_UPLOAD_BYTES",
        "53687091200000",
        "Largest object taken, bytes",
    ),
    setting(
        "UPLOAD_EXPIRY_SECONDS",
        "604800",
        "From the beginning of an unfinished upload until it is given up",
    ),
    setting(
        "ALLOWED_ORIGINS",
        "",
        "Origins whose scripts may use the API, comma separated; * for all",
    ),
    setting(
        "ALLOWED_HOSTS",
        "",
        "Host names that may be asked for, comma separated, besides probes; unset: any",
    ),
    setting(
        "TRUSTED_PROXIES",
        "",
        "Networks whose X-Forwarded-For, -Proto and -Host are believed, comma separated",
    ),
    setting(
        "AUTH",
        "off",
        "How users sign in: off, basic, bearer, proxy",
    ),
    setting(
        "AUTH_USERS_FILE",
        "",
        "JSON file of users and their rights, read again when it changes",
    ),
    setting(
        "AUTH_PROXY_HEADER",
        "",
        "Header in which a trusted proxy names the user (X-Forwarded-User)",
    ),
    setting(
        "READY_STRICT",
        "false",
        "Not ready while the store is lost, also after the start",
    ),
    setting("RUST_LOG", "info", "Log level, by module if wanted"),
    setting("LOG_FORMAT", "text", "Log lines as text or as json"),
];

/// The default of a setting that is in the table.
pub(super) fn default_of(name: &str) -> &'static str {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .map_or("", |setting| setting.default)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BEGIN: &str = "<!-- settings: made by `UPDATE=1 cargo test --lib settings` -->\n";
    const END: &str = "<!-- end of settings -->\n";

    fn table() -> String {
        let mut text = "| setting | default | what it is |\n|---|---|---|\n".to_owned();
        for Setting {
            name,
            default,
            help,
            ..
        } in SETTINGS
        {
            let default = if default.is_empty() {
                String::new()
            } else {
                format!("`{default}`")
            };
            writeln!(text, "| `{name}` | {default} | {help} |").unwrap();
        }
        text
    }

    #[test]
    fn the_readme_has_the_table_as_it_is() {
        let readme = std::fs::read_to_string("README.md").unwrap();
        let (before, rest) = readme.split_once(BEGIN).unwrap();
        let (shown, after) = rest.split_once(END).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            let updated = format!("{before}{BEGIN}{}{END}{after}", table());
            std::fs::write("README.md", updated).unwrap();
        } else {
            assert_eq!(shown, table(), "UPDATE=1 cargo test --lib settings");
        }
    }
}
