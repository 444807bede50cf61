//! The process's log, on standard error: standard output is for the access log.

use std::fmt;
use std::io::{IsTerminal as _, stderr};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::model::{Log, LogFormat};

/// Starts the log. To be called once.
///
/// # Errors
///
/// When `level` is no filter, or a log was started before; for people.
pub fn start(settings: &Log) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(&settings.level);
    let filter = filter.map_err(|error| format!("log.level `{}`: {error}", settings.level))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    // told on standard error, which is what has failed, and whoever says so there panics
    let log = log.log_internal_errors(false);
    let started = match settings.format {
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| field_as_text(writer, field, value)).delimited(" ");
            log.with_ansi(stderr().is_terminal()).fmt_fields(fields).try_init()
        }
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("the log can't be started: {error}"))
}

/// `name=value`, as tracing's own format has it, but that a value with spaces in it is always in quotes: tracing quotes strings, and not what
/// is recorded by its `Display`, such as reasons and errors, so that nobody could tell where such a value ends.
fn field_as_text(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() == "message" {
        return write!(writer, "{value:?}");
    }
    match writer.has_ansi_escapes() {
        // the name in italics, the sign dimmed
        true => write!(writer, "\x1b[3m{}\x1b[0m\x1b[2m=\x1b[0m", field.name())?,
        false => write!(writer, "{}=", field.name())?,
    }
    writer.write_str(&quoted(format!("{value:?}")))
}

/// Puts a text with spaces or quotes in it into quotes, unless it is quoted already.
fn quoted(text: String) -> String {
    let needs_none = !text.contains(|c: char| c.is_whitespace() || c == '"');
    if needs_none || is_quoted(&text) { text } else { format!("{text:?}") }
}

/// Whether a text is one string in quotes, with each quote within escaped.
fn is_quoted(text: &str) -> bool {
    let Some(within) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in within.chars() {
        match c {
            '"' if !escaped => return false,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_spaces_is_in_quotes_once() {
        for (text, want) in [
            ("5", "5"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("3 failures in a row", "\"3 failures in a row\""),
            ("\"web\"", "\"web\""),
            ("\"a b\"", "\"a b\""),
            ("\"a \\\" b\"", "\"a \\\" b\""),
            ("\"a\" is not \"b\"", "\"\\\"a\\\" is not \\\"b\\\"\""),
            ("two\nlines", "\"two\\nlines\""),
            ("\"\\\\\"", "\"\\\\\""),
            ("", ""),
        ] {
            assert_eq!(quoted(text.to_owned()), want);
        }
    }
}
