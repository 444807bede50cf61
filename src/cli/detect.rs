//! `evenkeel detect`

mod shown;

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{BAD_CONFIGURATION, bad_configuration, fail, note, show};
use crate::config::{self, model::Config, model::Service};
use crate::detect::service::{Backend, Settings};
use crate::replay::Replay;
use crate::replay::reader::{Reader, Row, Trouble};

/// More bad rows than this are counted, and not told one by one.
const MOST_TOLD: u64 = 20;
/// What is read from a file at a time.
const PIECE: usize = 256 << 10;

#[derive(Debug, Args)]
pub(super) struct Detect {
    /// Recorded samples to run the detectors over: CSV with a header, or JSON lines; "-" = standard input
    ///
    /// Columns: time, backend, requests, failures, p50_ms, p95_ms, p99_ms, cpu, memory, and what `detect.record` writes beside
    /// them. Any but the time may be missing. A file with `time,value` alone is one series, in which what is unusual is told.
    #[arg(long, value_name = "FILE")]
    replay: PathBuf,
    /// Take the settings of a service's `detect` section from this configuration
    #[arg(short = 'c', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The service: whose settings are taken, and whose rows are looked at where rows name their services
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How verdicts are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Pass over rows that can't be understood, and count them, instead of stopping at the first
    #[arg(long)]
    lenient: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

pub(super) fn run(asked: &Detect) -> ExitCode {
    let config = match asked.config.as_deref().map(config::load) {
        None => None,
        Some(Ok(loaded)) => {
            show(&loaded.warnings);
            Some(loaded.config)
        }
        Some(Err(mistakes)) => return bad_configuration(&mistakes),
    };
    let known = config.as_ref().map(|config| KnownServices { config, asked: asked.service.as_deref() });
    if let Some(why) = known.as_ref().and_then(KnownServices::is_unclear) {
        note(&why);
        return ExitCode::from(BAD_CONFIGURATION);
    }
    let set_up = |name: &str| known.as_ref().map_or_else(Default::default, |known| known.set_up(name));
    let input: Box<dyn BufRead> = match File::open(&asked.replay) {
        _ if asked.is_stdin() => Box::new(stdin().lock()),
        Ok(file) => Box::new(BufReader::with_capacity(PIECE, file)),
        Err(error) => return fail(&format!("{} can't be read: {error}", asked.name())),
    };
    match replay(asked, input, Replay::new(&set_up, asked.service.as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

/// Runs the detectors over all rows. The error is why there is no going on.
fn replay(asked: &Detect, input: Box<dyn BufRead>, mut replay: Replay<'_>) -> Result<(), String> {
    let name = asked.name();
    let mut reader = Reader::new(input);
    let (mut row, mut bad, mut printer) = (Row::default(), 0, Printer { ended: Ok(()) });
    loop {
        let read = reader.next(&mut row).map_err(|trouble| match trouble {
            Trouble::Read(error) => Err(format!("{name} can't be read: {error}")),
            Trouble::File(why) => Err(format!("{name}:1: {why}")),
            Trouble::Row(why) => Ok(why),
        });
        reader.warnings().iter().for_each(|warning| note(&format!("{name}: warning: the column {warning}")));
        let taken = match read {
            Ok(false) => break,
            Ok(true) => replay.row(&row, &mut |event| printer.print(&shown::event(&event, asked.format))),
            Err(why) => Err(why?),
        };
        if let Err(why) = taken {
            let told = format!("{name}:{}: {why}", reader.line());
            if !asked.lenient {
                return Err(format!("{told}\n(--lenient passes over such rows)"));
            }
            bad += 1;
            if bad <= MOST_TOLD {
                note(&told);
            }
        }
        if printer.ended.is_err() {
            break;
        }
    }
    let summary = replay.end(&mut |event| printer.print(&shown::event(&event, asked.format)));
    if summary.samples + summary.values == 0 {
        return Err(nothing_read(asked, summary.others, bad));
    }
    printer.print(&shown::summary(&summary, bad, asked.format));
    printer.end()
}

fn nothing_read(asked: &Detect, others: u64, bad: u64) -> String {
    let name = asked.name();
    match (&asked.service, others, bad) {
        (Some(service), 1.., _) => format!("{name} has no rows of the service `{service}`, and {others} of others"),
        (_, _, 1..) => format!("{name}: none of its {bad} rows can be understood"),
        _ => format!("{name} has no rows"),
    }
}

/// Prints to standard output, each piece at once: what is read may come from a pipe, slowly.
struct Printer {
    ended: std::io::Result<()>,
}

impl Detect {
    /// What messages call the file.
    fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.replay.display().to_string() }
    }

    fn is_stdin(&self) -> bool {
        *self.replay == *Path::new("-")
    }
}

impl Printer {
    fn print(&mut self, text: &str) {
        if self.ended.is_ok() {
            let mut out = stdout();
            self.ended = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }

    /// It is no failure when the reader has closed it (`| head`).
    fn end(self) -> Result<(), String> {
        match self.ended {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}

/// The services of the configuration that was named.
struct KnownServices<'a> {
    config: &'a Config,
    asked: Option<&'a str>,
}

impl KnownServices<'_> {
    /// Why it is not clear which service's settings are meant.
    fn is_unclear(&self) -> Option<String> {
        let asked = self.asked.filter(|asked| self.named(asked).is_none())?;
        let names: Vec<&str> = self.config.services.iter().map(|service| service.name.as_str()).collect();
        Some(format!("there is no service `{asked}` in the configuration: it has {}", names.join(", ")))
    }

    fn named(&self, name: &str) -> Option<&Service> {
        self.config.services.iter().find(|service| service.name == name)
    }

    /// What the detection of a service is told. Rows that name no service, or one that is not known, are of the only one.
    fn set_up(&self, name: &str) -> (Settings, Vec<Backend>) {
        let only = match &self.config.services[..] {
            [only] => Some(only),
            _ => None,
        };
        let Some(service) = self.named(name).or(only) else {
            let which = if name.is_empty() { "rows without a service" } else { name };
            note(&format!("{which}: the configuration has no such service (see --service); the defaults are taken"));
            return Default::default();
        };
        let backend = |backend: &config::model::Backend| Backend {
            id: backend.id.as_str().into(),
            host: backend.host.as_str().into(),
            zone: backend.zone.as_str().into(),
        };
        let settings = service.detect.as_ref().map(|detect| detect.settings.clone());
        if settings.is_none() {
            note(&format!(
                "the service `{}` has no section [service.{0}.detect]: the defaults are taken",
                service.name
            ));
        }
        (settings.unwrap_or_default(), service.backends.iter().map(backend).collect())
    }
}
