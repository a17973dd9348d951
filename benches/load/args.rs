//! The command line of the load harness.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

pub const HELP: &str = "\
Measures cloud-portfolio beside its peers on loopback, or a service that runs elsewhere.

USAGE
  cargo bench --bench load -- [OPTIONS]
  cargo bench --bench load -- --url URL [OPTIONS]

OPTIONS
  --quick            one short round of each: under a minute
  --rounds N         rounds of each program, in turns [5; --quick: 1]
  --seconds S        seconds of a round [0.6; --quick: 0.25]
  --only NAME,...    these scenarios; a name's beginning, to a dash, stands for all that have it
  --list             list the scenarios
  --json FILE        where the figures go [target/load.json]
  --plots DIR        draw them as SVG
  --results FILE     write them as Markdown, with the plots of --plots
  --compare FILE     print ratios to the figures of an earlier --json
  --help

OF A SERVICE THAT RUNS ELSEWHERE; what is stored there is deleted at the end
  --url URL          http:// or https://, with the base path
  --ca FILE          trust the certificates of this PEM file as well
  --clients N        connections [16]
  --rate R           requests a second, each timed from when it was due [as fast as answered]
  --duration S       seconds [10]
  --sizes A,...      bodies of uploads and downloads: 1k, 1m, 1500 [1k,64k,1m]
  --mix KIND=W,...   weights of upload, download, list, page [upload=4,download=4,list=1,page=1]

EXIT CODES
  0 measured, whatever the goals say   1 could not measure   64 faulty arguments
  130 interrupted; what was measured until then is reported
";

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    List,
    Run(Box<Args>),
}

#[derive(Debug, PartialEq)]
pub struct Args {
    /// As typed, for the record.
    pub typed: String,
    pub quick: bool,
    pub rounds: Option<usize>,
    pub seconds: Option<f64>,
    pub only: Vec<String>,
    pub json: Option<PathBuf>,
    pub plots: Option<PathBuf>,
    pub results: Option<PathBuf>,
    pub compare: Option<PathBuf>,
    pub elsewhere: Option<Elsewhere>,
}

/// How a service that runs elsewhere is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    pub url: String,
    pub ca: Option<PathBuf>,
    pub clients: usize,
    pub rate: Option<f64>,
    pub duration: Duration,
    pub sizes: Vec<u64>,
    pub mix: Mix,
}

/// How often each kind of request is chosen, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    pub upload: u64,
    pub download: u64,
    pub list: u64,
    pub page: u64,
}

/// Reads them, with the program's name first. What is wrong, in a sentence.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let typed: Vec<_> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy())
        .filter(|word| word != "--bench")
        .collect();
    let mut args = Args {
        typed: format!("cargo bench --bench load -- {}", typed.join(" ")),
        quick: false,
        rounds: None,
        seconds: None,
        only: Vec::new(),
        json: None,
        plots: None,
        results: None,
        compare: None,
        elsewhere: None,
    };
    let mut elsewhere = Elsewhere {
        url: String::new(),
        ca: None,
        clients: 16,
        rate: None,
        duration: Duration::from_secs(10),
        sizes: vec![1 << 10, 64 << 10, 1 << 20],
        mix: Mix {
            upload: 4,
            download: 4,
            list: 1,
            page: 1,
        },
    };
    // The first option that only makes sense with --url.
    let mut needs_url = None;
    let mut parser = lexopt::Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let Long(name) = argument else {
            return Err(argument.unexpected().to_string());
        };
        let name = name.to_owned();
        let mut value = || -> Result<String, String> {
            let value = parser.value().map_err(|error| error.to_string())?;
            value.string().map_err(|error| error.to_string())
        };
        match name.as_str() {
            // Added by cargo.
            "bench" => {}
            "help" => return Ok(Command::Help),
            "list" => return Ok(Command::List),
            "quick" => args.quick = true,
            "rounds" => args.rounds = Some(positive(&name, &value()?)?),
            "seconds" => args.seconds = Some(number(&name, &value()?)?),
            "only" => args.only.extend(value()?.split(',').map(str::to_owned)),
            "json" => args.json = Some(value()?.into()),
            "plots" => args.plots = Some(value()?.into()),
            "results" => args.results = Some(value()?.into()),
            "compare" => args.compare = Some(value()?.into()),
            "url" => elsewhere.url = value()?,
            "ca" => elsewhere.ca = Some(value()?.into()),
            "clients" => elsewhere.clients = positive(&name, &value()?)?,
            "rate" => elsewhere.rate = Some(number(&name, &value()?)?),
            "duration" => {
                elsewhere.duration = Duration::from_secs_f64(number(&name, &value()?)?);
            }
            "sizes" => elsewhere.sizes = sizes(&value()?)?,
            "mix" => elsewhere.mix = mix(&value()?)?,
            _ => return Err(format!("there is no --{name}")),
        }
        if matches!(
            name.as_str(),
            "ca" | "clients" | "rate" | "duration" | "sizes" | "mix"
        ) {
            needs_url = Some(name);
        }
    }
    if !elsewhere.url.is_empty() {
        args.elsewhere = Some(elsewhere);
    } else if let Some(name) = needs_url {
        return Err(format!("--{name} needs --url"));
    }
    Ok(Command::Run(Box::new(args)))
}

/// How many, at least 1.
fn positive(name: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("--{name} {text}: it takes a whole number from 1")),
        Ok(count) => Ok(count),
    }
}

/// More than nothing, and not so much that a duration could not hold it.
fn number(name: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e9 => Ok(number),
        _ => Err(format!("--{name} {text}: it takes a number above 0")),
    }
}

fn sizes(text: &str) -> Result<Vec<u64>, String> {
    let size = |text: &str| {
        let (digits, factor) = match text.to_ascii_lowercase().pop() {
            Some('k') => (&text[..text.len() - 1], 1 << 10),
            Some('m') => (&text[..text.len() - 1], 1 << 20),
            Some('g') => (&text[..text.len() - 1], 1 << 30),
            _ => (text, 1),
        };
        let count: Option<u64> = digits.parse().ok();
        count
            .and_then(|count| count.checked_mul(factor))
            .ok_or_else(|| format!("--sizes: {text} is no size like 1500, 1k or 8m"))
    };
    text.split(',').map(size).collect()
}

fn mix(text: &str) -> Result<Mix, String> {
    let mut mix = Mix {
        upload: 0,
        download: 0,
        list: 0,
        page: 0,
    };
    for pair in text.split(',') {
        let (kind, weight) = pair.split_once('=').unwrap_or((pair, "1"));
        let weight: u32 = weight
            .parse()
            .map_err(|_| format!("--mix {pair}: a weight is a whole number"))?;
        let weight = u64::from(weight);
        match kind {
            "upload" => mix.upload = weight,
            "download" => mix.download = weight,
            "list" => mix.list = weight,
            "page" => mix.page = weight,
            _ => return Err(format!("--mix: there is no {kind}")),
        }
    }
    if mix.upload + mix.download + mix.list + mix.page == 0 {
        return Err("--mix: at least one weight must be above 0".into());
    }
    Ok(mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, String> {
        parse(
            std::iter::once("load")
                .chain(words.iter().copied())
                .map(OsString::from),
        )
    }

    #[test]
    fn what_cargo_adds_is_passed_over() {
        let Ok(Command::Run(args)) = parsed(&["--bench", "--quick", "--only", "health,page"])
        else {
            panic!("a run");
        };
        assert!(args.quick && args.elsewhere.is_none());
        assert_eq!(args.only, ["health", "page"]);
        assert_eq!(
            args.typed,
            "cargo bench --bench load -- --quick --only health,page"
        );
    }

    #[test]
    fn a_service_is_asked_as_the_options_say() {
        let words = [
            "--url", "http://h", "--rate", "50", "--sizes", "1k,2m,3", "--mix", "page=2",
        ];
        let Ok(Command::Run(args)) = parsed(&words) else {
            panic!("a run");
        };
        let elsewhere = args.elsewhere.unwrap();
        assert_eq!(elsewhere.rate, Some(50.0));
        assert_eq!(elsewhere.sizes, [1024, 2 << 20, 3]);
        assert_eq!((elsewhere.mix.page, elsewhere.mix.upload), (2, 0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--fast"][..],
            &["health"],
            &["--rounds", "0"],
            &["--clients", "3"],
            &["--url", "http://h", "--sizes", "1x"],
            &["--url", "http://h", "--mix", "page=0"],
            &["--seconds"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
