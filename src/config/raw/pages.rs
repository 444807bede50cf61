//! What clients are shown that is in files: pages by status, and the page of maintenance.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::section;
use crate::config::units::TimeSpan;

/// A value of `error_pages`: the file of a status, or several among which `Accept` chooses; for the key `backends` a switch, or statuses.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum ErrorPage {
    /// `true` or `false`, for `backends`.
    Switch(bool),
    /// A file, or for `backends` statuses.
    One(String),
    /// Files.
    Several(Vec<String>),
}

impl JsonSchema for ErrorPage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorPage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A file, or several among which Accept chooses; for `backends` true, false or statuses such as \"500-599\".",
            "type": ["string", "array", "boolean"],
            "x-syntax": "text",
            "items": { "type": "string" }
        })
    }
}

section! {
    /// What clients are shown while nobody but those in `allow` gets through.
    MaintenancePage {
        /// true = from the start on, until the file says otherwise; false = only while an operator says so (`evenkeel maintenance`).
        enabled: bool = false,
        /// The page; missing = that of `error_pages` for the status, or a line of text.
        #[schemars(extend("x-syntax" = "text"))]
        file: Option<String> = None,
        /// Networks of clients that get through, or "file:PATH" with one a line.
        #[schemars(extend("x-syntax" = "network-or-file"))]
        allow: Vec<String> = Vec::new(),
        /// The status of the page.
        #[schemars(range(min = 400, max = 599))]
        status: u16 = 503,
        /// Retry-After; missing = the time that is left, where an operator has said until when, else 1 minute.
        #[schemars(extend("x-positive" = true))]
        retry_after: Option<TimeSpan> = None,
    }
}
