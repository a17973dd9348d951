//! The files of profiles that AWS's tools share. Only access keys are taken from there: a profile
//! that wants more says so.
//! Source: "Shared config and credentials files", AWS SDKs and Tools Reference Guide.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use rusoto_core::credential::AwsCredentials;

use super::chain::{Loaded, Missing};
use super::fetch::Files;
use crate::config::Profile;

/// Settings with which a profile gets credentials in another way.
const OTHER_WAYS: [&str; 7] = [
    "role_arn",
    "web_identity_token_file",
    "credential_source",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "login_session",
];

pub(super) async fn load(profile: &Profile, files: &Files) -> Loaded {
    let name = &profile.name;
    let absent = |why: String| {
        if profile.named {
            Missing::Failed(why.into())
        } else {
            Missing::Absent(why)
        }
    };
    let in_config = if name == "default" {
        name.clone()
    } else {
        format!("profile {name}")
    };
    let mut settings = HashMap::new();
    let mut found = false;
    // What both files say is as the first one says it, which is read last.
    for (file, section) in [
        (&profile.config_file, &in_config),
        (&profile.credentials_file, name),
    ] {
        let Some(path) = file else { continue };
        if let Some(more) = section_of(files, path, section).await? {
            found = true;
            settings.extend(more);
        }
    }
    if !found {
        let path = |file: &Option<std::path::PathBuf>| match file {
            Some(path) => path.display().to_string(),
            None => "no home".to_owned(),
        };
        let (one, other) = (path(&profile.credentials_file), path(&profile.config_file));
        return Err(absent(format!("no profile {name:?} in {one} and {other}")));
    }
    let has = |name: &&&str| settings.contains_key(**name);
    let take = |name: &str| {
        settings
            .get(name)
            .cloned()
            .filter(|value| !value.is_empty())
    };
    let keys = take("aws_access_key_id").zip(take("aws_secret_access_key"));
    let token = take("aws_session_token");
    match (OTHER_WAYS.iter().find(has), keys) {
        // A role takes the keys of its profile, if any, for a way to itself.
        (Some(way), keys) if *way == "role_arn" || keys.is_none() => Err(format!(
            "the profile {name:?} has {way}, which is not supported: use an access key, web \
             identity, a container's agent or the instance's role"
        )
        .into()),
        (_, Some((id, secret))) => Ok(AwsCredentials::new(id, secret, token, None)),
        (_, None) => Err(absent(format!("the profile {name:?} has no access key"))),
    }
}

/// The settings of one section of a file; None where file or section are not there.
async fn section_of(
    files: &Files,
    path: &Path,
    section: &str,
) -> Result<Option<HashMap<String, String>>, String> {
    match files.read(path).await {
        Ok(text) => Ok(parse(&text, section)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// The settings of one section, their names in lower case. Of two with one name the last counts.
fn parse(text: &str, section: &str) -> Option<HashMap<String, String>> {
    let mut found: Option<HashMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines() {
        // An indented line belongs to the setting before it: none of those is of use here.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let title = rest.split(']').next().unwrap_or_default();
            inside = title.split_whitespace().eq(section.split_whitespace());
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            && let Some(settings) = &mut found
            && let Some((name, value)) = line.split_once('=')
        {
            let value = [" #", " ;", "\t#", "\t;"]
                .iter()
                .fold(value, |value, mark| {
                    value.split(mark).next().unwrap_or_default()
                });
            settings.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_section_is_read_as_awss_tools_write_it() {
        let text = "# c\n[default]\naws_access_key_id = A\n; c\nAWS_SECRET_ACCESS_KEY=s/=+ # c\n\
            s3 =\n  aws_access_key_id = nested\nregion\n[ profile  other ]\r\nx = 1\r\n[default]\n\
            x=2";
        let read = parse(text, "default").unwrap();
        assert_eq!(read["aws_access_key_id"], "A");
        assert_eq!(read["aws_secret_access_key"], "s/=+");
        assert_eq!((read["s3"].as_str(), read["x"].as_str()), ("", "2"));
        assert_eq!(parse(text, "profile other").unwrap()["x"], "1");
        assert!(parse(text, "other").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_passed_over(text in "(?s).{0,200}", section in "[a-z ]{0,9}") {
            let _ = parse(&text, &section);
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-z][a-z0-9._-]{0,20}",
            value in "[A-Za-z0-9/+=]{1,40}",
            before in "[a-z =\n]{0,40}",
        ) {
            let text = format!("{before}\n[{name}]\naws_secret_access_key = {value}\n");
            let read = parse(&text, &name).unwrap();
            prop_assert_eq!(&read["aws_secret_access_key"], &value);
        }
    }
}
