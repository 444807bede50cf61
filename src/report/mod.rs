//! The availability report: what was promised of each service, what came of it, and what is not known. It is written from plain values, which
//! whoever reads the ledger hands over; nothing here reads a clock, a file or the ledger.
//!
//! * [`model`]: what a report holds
//! * [`json`], [`csv`], [`markdown`], [`html`]: the four ways to write it
//! * [`grade`]: how a day fared, by a rule that the page and its legend share
//! * `figures`: the figures of a service and an incident in words
//! * [`attempts`]: what was done about faults, in words
//! * `account`: the sentences that say how it was counted, and what is not known
//! * [`windows`]: the windows of maintenance, and by which rule each was planned
//! * [`phrase`]: figures and times in words
//!
//! All times of day are UTC.

mod account;
pub mod attempts;
mod figures;
pub mod csv;
pub mod gather;
pub mod grade;
pub mod html;
pub mod json;
pub mod markdown;
pub mod model;
pub mod period;
pub mod phrase;
pub mod standings;
pub mod windows;

pub use model::{ClockJump, Day, Gap, MaintenanceWindow, Note, RecordedIncident, RecoveryPoint, Report, ServiceReport};

/// A way to write a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people and tickets.
    Markdown,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// For customers: a page that can be printed.
    Html,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Markdown, Self::Json, Self::Csv, Self::Html];

    /// The name on the command line and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// The media type, for `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// Writes the report.
    pub fn write(self, report: &Report) -> String {
        match self {
            Self::Markdown => markdown::write(report),
            Self::Json => json::write(report),
            Self::Csv => csv::write(report),
            Self::Html => html::write(report),
        }
    }
}

#[cfg(test)]
mod tests;
