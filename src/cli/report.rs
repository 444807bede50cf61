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
use crate::report::period::Period;
use crate::report::{self, Format};

#[derive(Debug, Args)]
pub(super) struct Report {
    /// This service only
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// A month such as 2026-11, or a year such as 2026, in UTC
    #[arg(long, value_name = "MONTH", conflicts_with = "last")]
    month: Option<String>,
    /// The time up to now, such as 30d, 12h or 4w
    #[arg(long, value_name = "TIME", default_value = "30d")]
    last: String,
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
        let period = match &self.month {
            Some(month) => Period::month(month)?,
            None => Period::last(&self.last, now)?,
        };
        let asked = Asked { period: &period, now, service: self.service.as_deref(), promises: BTreeMap::new() };
        let report: report::Report = gather::report(reader, asked)?;
        Ok(Format::from(self.format).write(&report))
    }

    fn ask(&self) -> Result<Result<String, ExitCode>, String> {
        let period = match &self.month {
            Some(month) => ("month", month.as_str()),
            None => ("last", self.last.as_str()),
        };
        let format = ("format", Format::from(self.format).as_str());
        let service = self.service.as_deref().map(|name| ("service", name));
        let target = format!("/api/v1/sla/report?{}", query([format, period].into_iter().chain(service)));
        Ok(self.admin.ask("GET", &target)?.success_text())
    }
}
