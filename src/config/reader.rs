//! Reads one setting after the other, keeps what is wrong, and goes on.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::settings::default_of;
use super::{Held, Secret};

/// Values come from `lookup`; faults are collected until [`Reader::finish`].
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            faults: Vec::new(),
        }
    }

    /// All that was wrong.
    pub(super) fn finish(self) -> Vec<String> {
        self.faults
    }

    /// Notes that a setting is wrong. The value is not repeated: it may be a secret.
    pub(super) fn fault(&mut self, name: &str, why: &str) {
        self.faults.push(format!("{name} {why}"));
    }

    /// The value, or that of the file `NAME_FILE` names, or the default; None where all are empty.
    pub(super) fn optional(&mut self, name: &str) -> Option<String> {
        let file_name = format!("{name}_FILE");
        let direct = self.set(name);
        let file = self.set(&file_name);
        let value = match (direct, file) {
            (Some(_), Some(_)) => {
                self.fault(name, &format!("and {file_name} are both set"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    self.fault(&file_name, &format!("cannot be read: {error}"));
                    None
                }
            },
            (None, None) => None,
        };
        value
            .filter(|value| !value.is_empty())
            .or_else(|| Some(default_of(name).to_owned()).filter(|value| !value.is_empty()))
    }

    /// A secret that may be read anew later, where it is in the file that `NAME_FILE` names. A file
    /// that cannot be read now is a fault.
    pub(super) fn held(&mut self, name: &str) -> Option<Held> {
        let value = self.optional(name);
        match self.set(&format!("{name}_FILE")) {
            Some(path) => Some(Held::InFile(path.into())),
            None => value.map(|value| Held::Here(Secret(value))),
        }
    }

    /// The first of these that is set, with its name.
    pub(super) fn first(&mut self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names
            .iter()
            .find_map(|&name| self.optional(name).map(|value| (name, value)))
    }

    /// The value as `parse` reads it; a fault and the type's default value where it cannot.
    pub(super) fn with<T: Default>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let text = self.optional(name).unwrap_or_default();
        parse(&text).unwrap_or_else(|why| {
            self.fault(name, &why);
            T::default()
        })
    }

    /// The value as its type reads it.
    pub(super) fn parse<T>(&mut self, name: &str) -> T
    where
        T: FromStr + Placeholder,
        T::Err: Display,
    {
        let text = self.optional(name).unwrap_or_default();
        text.trim().parse().unwrap_or_else(|error| {
            self.fault(name, &format!("is not valid: {error}"));
            T::placeholder()
        })
    }

    /// The value as a number from `least` to `most`.
    pub(super) fn within<T>(&mut self, name: &str, least: T, most: T) -> T
    where
        T: FromStr + PartialOrd + Copy + Display,
    {
        let text = self.optional(name).unwrap_or_default();
        let allowed: RangeInclusive<T> = least..=most;
        match text.trim().parse() {
            Ok(number) if allowed.contains(&number) => number,
            _ => {
                self.fault(
                    name,
                    &format!("must be a whole number from {least} to {most}"),
                );
                least
            }
        }
    }

    /// The variable's own value.
    pub(super) fn set(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }
}

/// Stands in for a value that could not be read, until the faults are reported.
pub(super) trait Placeholder {
    fn placeholder() -> Self;
}

impl Placeholder for std::net::IpAddr {
    fn placeholder() -> Self {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    }
}

impl Placeholder for u16 {
    fn placeholder() -> Self {
        0
    }
}

impl Placeholder for bool {
    fn placeholder() -> Self {
        false
    }
}
