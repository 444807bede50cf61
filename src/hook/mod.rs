//! Hooks: what is done about a fault outside of this process, which is to run a command, to have a systemd unit restarted, or to call a webhook.
//!
//! ```text
//!   Hooks::run ──▶ command ──pipe──▶ evenkeel hook-runner (a process of its own) ──▶ the command and all that it starts
//!             ├──▶ unit ────D-Bus──▶ systemd
//!             └──▶ webhook ──HTTP──▶ whoever is configured
//! ```
//!
//! A command is not started by the proxy itself but by a small process between the two. That one stays when the proxy is killed, sees that its
//! pipe is broken, and kills the command with all that it has started, so that nothing is left that acts for a proxy which is gone.

mod call;
mod command;
mod processes;
pub mod runner;
mod text;
mod unit;
mod webhook;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::model::Means;
use crate::lead::Fence;
use crate::recover::attempt::ActReport;
use crate::webhook::{WebhookClient, instance};
use runner::Job;

pub use call::Call;

/// No hook gets more time, whatever is configured: a moment must not lie beyond all that the clock can tell.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is said of something that was not begun.
const SUPERSEDED: &str = "nothing was done: leadership was lost before it began";

/// Runs hooks. It lives on one thread.
#[derive(Debug)]
pub struct Hooks {
    /// The program whose `hook-runner` runs commands.
    program: PathBuf,
    /// The name of this machine, for the receivers of webhooks.
    instance: String,
    /// Runners that were left before they had ended, so that nobody has taken their exit status yet.
    left: RefCell<Vec<Child>>,
}

impl Hooks {
    /// Hooks whose commands are run by this program, which is Evenkeel; `None` = the one that runs now, also when its file is being replaced.
    pub fn new(program: Option<PathBuf>) -> Self {
        let program = program.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        Self { program, instance: instance(), left: RefCell::default() }
    }

    /// Does it, and tells what it came to. It ends early when `cancel` is sent or its sender is dropped, and takes 20 s more than the time-out of
    /// `means` at the most. When the future is dropped, a command is killed all the same. Where there is a `fence`, nothing is begun when it does not
    /// hold, and a command is killed when it holds no more; systemd and the receiver of a webhook have the token to refuse what comes late.
    pub async fn run(
        &self,
        means: &Means,
        call: &Call,
        fence: Option<Fence>,
        cancel: oneshot::Receiver<()>,
    ) -> ActReport {
        if fence.as_ref().is_some_and(|fence| !fence.holds()) {
            return ActReport { what: in_words(means, call), error: SUPERSEDED.to_owned(), ..ActReport::default() };
        }
        match means {
            Means::Command { argv, time_out, environment } => {
                let argv = filled(argv, call);
                let environment = command::environment(std::env::vars_os(), environment, call.variables());
                let lease = fence.as_ref().map(lease);
                let job = Job { argv, environment, time_out: LONGEST.min(*time_out), lease };
                command::run(&self.program, &job, &self.left, fence, cancel).await
            }
            Means::Unit { name, time_out } => {
                unit::run(unit::system_bus(), &call.fill(name, str::to_owned), LONGEST.min(*time_out), cancel).await
            }
            Means::Webhook { uri, time_out, secret, ca } => {
                let called = webhook::address(uri, call).and_then(|uri| {
                    let client = WebhookClient::new(uri.clone(), secret.clone(), ca)?;
                    Ok((uri, client))
                });
                let (what, run) = match called {
                    Ok((uri, client)) => (webhook::in_words(&uri), client),
                    Err(error) => return ActReport { what: webhook::in_words(uri), error, ..ActReport::default() },
                };
                let report =
                    unless(cancel, webhook::run(&run, LONGEST.min(*time_out), call, fence.as_ref(), &self.instance))
                        .await;
                ActReport { what, ..report }
            }
        }
    }
}

/// What would be run or called, in words.
pub fn in_words(means: &Means, call: &Call) -> String {
    match means {
        Means::Command { argv, .. } => text::command_line(&filled(argv, call)),
        Means::Unit { name, .. } => unit::in_words(&call.fill(name, str::to_owned)),
        Means::Webhook { uri, .. } => webhook::in_words(webhook::address(uri, call).as_ref().unwrap_or(uri)),
    }
}

/// The arguments of a command with what is to be replaced in them.
fn filled(argv: &[String], call: &Call) -> Vec<String> {
    argv.iter().map(|argument| call.fill(argument, str::to_owned)).collect()
}

/// What the report will be, unless it is given up before that. What was sent by then may have been done.
async fn unless(cancel: oneshot::Receiver<()>, run: impl Future<Output = ActReport>) -> ActReport {
    let started = Instant::now();
    tokio::select! {
        biased;
        report = run => report,
        _ = cancel => ActReport {
            error: "given up: it was told to end, and what it asked for may be done all the same".to_owned(),
            took_ms: millis(started.elapsed()),
            ..ActReport::default()
        },
    }
}

/// Until when a command may run: milliseconds since the machine has started.
fn lease(fence: &Fence) -> u64 {
    millis(fence.until())
}

/// A time for people.
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_millis() as f64 / 1000.0)
}

/// A time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
