//! `evenkeel top`: its arguments, and how it asks the admin address.

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::ask::{AdminClient, AdminOptions, query, segment};
use super::fail;
use crate::clock::parse_duration;
use crate::top::Settings;
use crate::top::api::{AdminApi, Reply};

/// How long the answer to a question may take. The view is called stale after as long a silence.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for a command: the proxy may wait 10 s for what drives a recovery.
const COMMAND_PATIENCE: Duration = Duration::from_secs(15);
/// How often it can be asked at most. The figures are of the last 5 s, so more would show nothing new.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(super) struct Top {
    /// How often the admin address is asked
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    #[command(flatten)]
    admin: AdminOptions,
}

/// The admin address, with the client that was made of the arguments.
struct Remote {
    options: AdminOptions,
    /// `None` = it is made anew, because the files that it was made of may have changed.
    client: Mutex<Option<Arc<AdminClient>>>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).filter(|time| (SHORTEST..=LONGEST).contains(time));
    time.ok_or_else(|| "a time from 200ms to 1h, such as 1s".to_owned())
}

pub(super) fn run(Top { interval, admin }: &Top) -> ExitCode {
    if !stdout().is_terminal() {
        return fail(
            "top draws on a terminal, and standard output is none: `evenkeel status` prints once what it shows",
        );
    }
    let remote = Remote { options: admin.clone(), client: Mutex::default() };
    let place = match remote.client() {
        Ok(client) => format!("{}://{}", if client.tls.is_some() { "https" } else { "http" }, client.address),
        Err(why) => return fail(&why),
    };
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match crate::top::run(Arc::new(remote), Settings { place, interval: *interval, has_colours }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("top has ended: {error}")),
    }
}

impl Remote {
    fn kept(&self) -> MutexGuard<'_, Option<Arc<AdminClient>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<Arc<AdminClient>, String> {
        let mut kept = self.kept();
        if let Some(client) = &*kept {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.options.client()?);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }
}

impl AdminApi for Remote {
    fn ask(&self, path: &[&str], asked: &[(&str, &str)], body: Option<&Value>) -> Result<Reply, String> {
        let patience = if body.is_some() { COMMAND_PATIENCE } else { PATIENCE };
        let answer = self.client()?.ask_once(&target(path, asked), body, patience);
        if !matches!(&answer, Ok(answer) if answer.status != 401) {
            // by the next try there may be a new token in its file, or a new certificate
            *self.kept() = None;
        }
        answer.map(|answer| Reply { status: answer.status, body: answer.body })
    }
}

/// The target of a request: `/api/v1/services/api/backends/a`.
fn target(path: &[&str], asked: &[(&str, &str)]) -> String {
    let path: Vec<_> = path.iter().map(|name| segment(name)).collect();
    let mut target = format!("/api/v1/{}", path.join("/"));
    if !asked.is_empty() {
        target.push('?');
        target.push_str(&query(asked.iter().copied()));
    }
    target
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        top: Top,
    }

    #[test]
    fn names_of_services_and_backends_are_encoded() {
        assert_eq!(target(&["live"], &[]), "/api/v1/live");
        assert_eq!(target(&["live"], &[("service", "a&b")]), "/api/v1/live?service=a%26b");
        assert_eq!(
            target(&["services", "a/b", "backends", "[::1]:80", "drain"], &[]),
            "/api/v1/services/a%2Fb/backends/%5B::1%5D:80/drain"
        );
    }

    #[test]
    fn it_asks_each_second_unless_it_is_told_otherwise() {
        let interval = |arguments: &[&str]| {
            Line::try_parse_from(std::iter::once(&"top").chain(arguments)).map(|line| line.top.interval).ok()
        };
        assert_eq!(interval(&[]), Some(Duration::from_secs(1)));
        assert_eq!(interval(&["--interval", "500ms"]), Some(Duration::from_millis(500)));
        for wrong in ["0s", "1ms", "2h", "often"] {
            assert_eq!(interval(&["--interval", wrong]), None, "{wrong}");
        }
    }
}
