//! `evenkeel report`: what was promised and what came of it, from the admin address or from the file alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::ask::{AdminOptions, query};
use super::{fail, print};
use crate::clock::Stamp;
use crate::ledger::Reader;
use crate::report::gather::{self, Asked};
use crate::report::period::{AskedPeriod, LAST, Period};
use crate::report::{self, Format};

#[derive(Debug, Args)]
pub(super) struct Report {
    /// This service only; may be given several times
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// A month such as 2026-11, a quarter such as 2026-Q4, or a year such as 2026, in UTC
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["last", "last_month", "from", "to"])]
    month: Option<String>,
    /// The month before this one, in UTC
    #[arg(long, conflicts_with_all = ["last", "from", "to"])]
    last_month: bool,
    /// From this day on, such as 2026-10-15, in UTC; or from a moment as RFC 3339 has it
    #[arg(long, value_name = "DAY", conflicts_with = "last")]
    from: Option<String>,
    /// Up to this day, which is wholly part of it; without it up to now
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<String>,
    /// The time up to now, such as 30d, 12h or 4w [default: 30d]
    #[arg(long, value_name = "TIME")]
    last: Option<String>,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: Written,
    /// Read the ledger in this folder (`state_dir`), without a running process
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "token_file", "ca", "cert", "key"])]
    state: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminOptions,
}

/// The formats, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// For people and tickets
    Markdown,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
    /// One page for a browser, which can be printed
    Html,
}

impl From<Written> for Format {
    fn from(written: Written) -> Self {
        match written {
            Written::Markdown => Self::Markdown,
            Written::Json => Self::Json,
            Written::Csv => Self::Csv,
            Written::Html => Self::Html,
        }
    }
}

pub(super) fn run(asked: &Report) -> ExitCode {
    let text = match &asked.state {
        Some(folder) => Reader::open(folder).and_then(|reader| asked.read(&reader)),
        None => match asked.ask() {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(code)) => return code,
            Err(why) => Err(why),
        },
    };
    match text {
        Ok(text) => print(&text),
        Err(why) => fail(&why),
    }
}

impl Report {
    fn read(&self, reader: &Reader) -> Result<String, String> {
        let now = Stamp::now();
        let asked = AskedPeriod {
            last: self.last.as_deref(),
            month: self.month.as_deref(),
            last_month: self.last_month,
            from: self.from.as_deref(),
            to: self.to.as_deref(),
        };
        let period = Period::asked(&asked, now)?.map_or_else(|| Period::last(LAST, now), Ok)?;
        let (promises, windows) = (BTreeMap::new(), BTreeMap::new());
        let asked = Asked { period: &period, now, services: &self.service, promises, windows };
        let report: report::Report = gather::report(reader, asked)?;
        Ok(Format::from(self.format).write(&report))
    }

    fn ask(&self) -> Result<Result<String, ExitCode>, String> {
        let format = ("format", Format::from(self.format).as_str());
        let named = [("month", &self.month), ("from", &self.from), ("to", &self.to), ("last", &self.last)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let last_month = self.last_month.then_some(("last_month", "true"));
        let services = self.service.iter().map(|name| ("service", name.as_str()));
        let asked = [format].into_iter().chain(named).chain(last_month).chain(services);
        let target = format!("/api/v1/sla/report?{}", query(asked));
        Ok(self.admin.ask("GET", &target)?.success_text())
    }
}
