//! `evenkeel why`: why a backend is in its state, or was; why a service is as it is.

mod shown;
mod time;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use jiff::tz::TimeZone;

use super::ask::{AdminOptions, query};
use super::{fail, print};
use crate::clock::rfc3339;

#[derive(Debug, Args)]
pub(super) struct Why {
    /// The backend, or a service as a whole
    #[arg(value_name = "SERVICE[/BACKEND]")]
    target: String,
    /// A time of the past: 14:02 or 14:02:30 (today, or else yesterday, by the clock of this machine), -10m (ten minutes ago), or RFC 3339
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// Print the JSON of the admin address
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

pub(super) fn run(Why { target, at, json, admin }: &Why) -> ExitCode {
    let at = match at.as_deref().map(|text| time::parse(text, SystemTime::now(), &TimeZone::system())).transpose() {
        Ok(at) => at.map(rfc3339),
        Err(wrong) => return fail(&wrong),
    };
    let (service, backend) = parts(target);
    let pairs = [("service", Some(service)), ("backend", backend), ("at", at.as_deref())];
    let asked = query(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let has_colours =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match admin.ask("GET", &format!("/api/v1/why?{asked}")).map(|answer| answer.success()) {
        Ok(Ok(body)) if !body["text"].is_array() => fail("what answers there is not Evenkeel's admin address"),
        Ok(Ok(body)) if *json => print(&format!("{body:#}\n")),
        Ok(Ok(body)) => print(&shown::text(&body, has_colours)),
        Ok(Err(code)) => code,
        Err(why) => fail(&why),
    }
}

/// A service, and the backend behind the first slash: an id may have further ones.
fn parts(target: &str) -> (&str, Option<&str>) {
    match target.split_once('/') {
        Some((service, backend)) => (service, Some(backend)),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_is_what_is_behind_the_first_slash() {
        assert_eq!(parts("api"), ("api", None));
        assert_eq!(parts("api/10.0.0.1:80"), ("api", Some("10.0.0.1:80")));
        assert_eq!(parts("api/unix:/run/a.sock"), ("api", Some("unix:/run/a.sock")));
    }
}
