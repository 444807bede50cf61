//! The process between the proxy and a command, `evenkeel hook-runner`: it starts the command, and leaves nothing of it behind.
//!
//! Its standard input is a pipe from the proxy. On it comes one line, the [`Job`], and its end says that the command is to be ended: because the proxy
//! wants it, or because there is no proxy any more. Where the proxy acts as the leader of several, lines with times come in between: until when its
//! leadership is known to last. When that time is over the command is killed, also where the proxy itself is stopped and can't say so. What the command came to goes to standard output, as
//! the JSON of an [`ActReport`].
//!
//! * It makes a session of its own, by whose id the proxy finds what is left of the command if somebody kills this process.
//! * It is the reaper of what the command starts (`PR_SET_CHILD_SUBREAPER`, prctl(2)): a daemon that leaves its session and loses its parent, which
//!   is how daemons are made, still is a descendant of this process.

mod command;
mod family;

use std::cell::Cell;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{getpid, set_child_subreaper, setsid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::{millis, seconds, text};
use crate::clock::since_boot;
use crate::io::be_nice;
use crate::recover::attempt::ActReport;
use command::Running;
use family::PATIENCE;

/// How often it is looked whether the leadership still lasts.
const LOOK: Duration = Duration::from_millis(20);

/// What the proxy wants to be run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// All variables of its environment.
    pub environment: Vec<(String, String)>,
    /// How long it may take.
    pub time_out: Duration,
    /// Until when it may run, where the proxy acts as a leader: milliseconds since the machine has started. It may be prolonged.
    #[serde(default)]
    pub lease: Option<u64>,
}

/// How it came that the command is not awaited any more.
enum Why {
    /// It has ended.
    Ended,
    /// Its time was over.
    TimeOut,
    /// The leadership for which it runs is over.
    Superseded,
    /// The proxy wants it, is gone, or somebody has sent a signal to this process.
    Told,
}

/// Runs the job that standard input has, and tells on standard output what it came to.
pub fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "evenkeel hook-runner, which only Evenkeel itself starts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    // it fails only for the leader of a process group, which who was started by the proxy is not
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Some(report) = runtime.block_on(serve())? else { return Ok(()) };
    let mut out = io::stdout().lock();
    match serde_json::to_vec(&report).map_err(io::Error::from).and_then(|report| out.write_all(&report)) {
        // there is no proxy any more
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Does the job; `None` when the proxy was gone before it had said what the job is.
async fn serve() -> io::Result<Option<ActReport>> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let mut proxy = BufReader::new(pipe::Receiver::from_owned_fd(stdin)?);
    let mut line = Vec::new();
    proxy.read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let job: Job = serde_json::from_slice(&line)?;
    let started = Instant::now();
    let lease = Cell::new(job.lease);
    let running = if is_over(&lease) { Err(super::SUPERSEDED.to_owned()) } else { Running::start(&job) };
    let mut report = match running {
        Ok(running) => {
            // Not before: the command, and the server that it may start, would be as nice. One that prints without end can print no faster than
            // this process reads.
            be_nice();
            see_through(running, job.time_out, &lease, told(&mut proxy, &lease)).await?
        }
        Err(error) => ActReport { error, ..ActReport::default() },
    };
    report.what = text::command_line(&job.argv);
    report.took_ms = millis(started.elapsed());
    Ok(Some(report))
}

/// Waits until the command has ended, or ends it.
async fn see_through(
    mut running: Running,
    time_out: Duration,
    lease: &Cell<Option<u64>>,
    told: impl Future<Output = io::Result<()>>,
) -> io::Result<ActReport> {
    let why = tokio::select! {
        // in this order, because a command that prints without end would use up the turns of those behind it
        biased;
        () = superseded(lease) => Why::Superseded,
        () = sleep(time_out) => Why::TimeOut,
        told = told => told.map(|()| Why::Told)?,
        () = running.ended() => Why::Ended,
    };
    Ok(match why {
        Why::Ended => running.last_output().await.report(),
        Why::TimeOut => running
            .kill(PATIENCE.min(left(lease)))
            .await
            .report_killed(&format!("did not end within {} and was killed", seconds(time_out))),
        Why::Superseded => {
            running.kill(Duration::ZERO).await.report_killed("leadership was lost while it ran, and it was killed")
        }
        Why::Told => running.kill(PATIENCE.min(left(lease))).await.report_killed("was told to end and was killed"),
    })
}

/// How long the leadership for which it runs is known to last; for ever where it runs for none.
fn left(lease: &Cell<Option<u64>>) -> Duration {
    lease.get().map_or(Duration::MAX, |until| Duration::from_millis(until).saturating_sub(since_boot()))
}

fn is_over(lease: &Cell<Option<u64>>) -> bool {
    left(lease).is_zero()
}

/// Returns when the leadership for which it runs is over.
async fn superseded(lease: &Cell<Option<u64>>) {
    while !is_over(lease) {
        // it may be cut short meanwhile, and timers stand still while the machine sleeps
        sleep(left(lease).min(LOOK)).await;
    }
}

/// Returns when the command is to be ended. Until then it takes in how long the leadership lasts.
async fn told(proxy: &mut BufReader<pipe::Receiver>, lease: &Cell<Option<u64>>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = listen(proxy, lease) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Takes in each line; returns at the end, or at what is no time.
async fn listen(proxy: &mut BufReader<pipe::Receiver>, lease: &Cell<Option<u64>>) {
    let mut line = String::new();
    while proxy.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let Ok(until) = line.trim_end().parse() else { return };
        lease.set(Some(until));
        line.clear();
    }
}
