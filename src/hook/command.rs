//! Commands, as the proxy sees them: a runner is started for each, told what to run, and listened to.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::millis;
use super::processes;
use super::runner::Job;
use super::text::command_line;
use crate::lead::Fence;
use crate::recover::attempt::ActReport;

/// How much longer than the command a runner may take: it ends what the command has started, which takes 7 s at the most, and tells.
const GRACE: Duration = Duration::from_secs(10);

/// The most that is read of what a runner tells. Its text of 16 KiB is at most three times as long as JSON.
const LONGEST_REPORT: u64 = 256 << 10;

/// How often SIGKILL is sent until none is left.
const AGAIN: Duration = Duration::from_millis(20);

/// The `PATH` where ours is not set.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Has a command run, and tells what it came to.
pub(super) async fn run(
    program: &Path,
    job: &Job,
    left: &RefCell<Vec<Child>>,
    fence: Option<Fence>,
    cancel: oneshot::Receiver<()>,
) -> ActReport {
    left.borrow_mut().retain_mut(|runner| matches!(runner.try_wait(), Ok(None)));
    let started = Instant::now();
    let error = match Runner::start(program, left) {
        Ok((mut runner, input, output)) => {
            match serde_json::from_slice(&exchange(input, output, job, fence, cancel).await) {
                Ok(report) => {
                    runner.ended().await;
                    return report;
                }
                Err(_) => {
                    runner.kill().await;
                    runner.ended().await;
                    "the process that ran the command ended without a word, or hung; the command was killed".to_owned()
                }
            }
        }
        Err(error) => format!("the process that runs commands can't be started: {error}"),
    };
    ActReport { what: command_line(&job.argv), error, took_ms: millis(started.elapsed()), ..ActReport::default() }
}

/// The environment of a command: a few variables of our own, those that are configured, and those that tell for what it is called.
pub(super) fn environment(
    ours: impl Iterator<Item = (OsString, OsString)>,
    configured: &[(String, String)],
    told: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let is_passed_on = |name: &str| matches!(name, "PATH" | "HOME" | "LANG" | "TZ") || name.starts_with("LC_");
    let ours = ours.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let path = ("PATH".to_owned(), PATH.to_owned());
    // of two with one name, the last one is in force
    std::iter::once(path)
        .chain(ours.filter(|(name, _)| is_passed_on(name)))
        .chain(configured.iter().cloned())
        .chain(told)
        .collect()
}

/// The process of a runner. When this is dropped before it has ended, whoever starts the next one waits for its end.
struct Runner<'a> {
    /// `None` when it has ended and that was noticed.
    process: Option<Child>,
    left: &'a RefCell<Vec<Child>>,
}

impl<'a> Runner<'a> {
    /// Starts one; it comes with the two pipes to it.
    fn start(program: &Path, left: &'a RefCell<Vec<Child>>) -> io::Result<(Self, pipe::Sender, pipe::Receiver)> {
        let mut command = Command::new(program);
        command.arg0("evenkeel").arg("hook-runner").env_clear().current_dir("/");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let runner = Self { process: Some(process), left };
        let (Some(input), Some(output)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let input = pipe::Sender::from_owned_fd(OwnedFd::from(input))?;
        Ok((runner, input, pipe::Receiver::from_owned_fd(OwnedFd::from(output))?))
    }

    /// Kills it and its command, of which all is found that has not made a session of its own.
    async fn kill(&mut self) {
        let Some(process) = &mut self.process else { return };
        let _ = process.kill();
        // its id is taken until it was waited for, so this session can be no other one
        let Some(session) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) else { return };
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            let members = processes::of_session(session);
            if members.is_empty() {
                return;
            }
            processes::signal(&members, Signal::KILL, None);
            sleep(AGAIN).await;
        }
    }

    /// Waits until it has ended, which it does right after its report.
    async fn ended(&mut self) {
        for _ in 0..50 {
            let Some(process) = &mut self.process else { return };
            match process.try_wait() {
                Ok(None) => sleep(Duration::from_millis(2)).await,
                _ => self.process = None,
            }
        }
    }
}

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        self.left.borrow_mut().extend(self.process.take());
    }
}

/// Tells a runner its job, and reads what it tells of it; nothing if it ends without a word or takes too long.
async fn exchange(
    mut input: pipe::Sender,
    output: pipe::Receiver,
    job: &Job,
    mut fence: Option<Fence>,
    mut cancel: oneshot::Receiver<()>,
) -> Vec<u8> {
    let deadline = Instant::now() + job.time_out + GRACE;
    let Ok(mut line) = serde_json::to_vec(job) else { return Vec::new() };
    line.push(b'\n');
    if !matches!(timeout_at(deadline, input.write_all(&line)).await, Ok(Ok(()))) {
        return Vec::new();
    }
    let mut reading = std::pin::pin!(read(output));
    let mut known = job.lease;
    loop {
        let is_over = tokio::select! {
            biased;
            told = &mut reading => return told,
            () = sleep_until(deadline) => return Vec::new(),
            () = changed(&mut fence) => false,
            // its sender may have been dropped: then nobody wants the command any more either
            _ = &mut cancel => true,
        };
        let until = fence.as_ref().map(super::lease);
        if until != known {
            known = until;
            // a runner that has ended does not read it
            let line = format!("{}\n", until.unwrap_or(0));
            let _ = timeout_at(deadline, input.write_all(line.as_bytes())).await;
        }
        if is_over {
            break;
        }
    }
    // that says that the command is to be ended
    drop(input);
    timeout_at(Instant::now() + GRACE, reading).await.unwrap_or_default()
}

/// Waits until leadership is prolonged or lost; for ever where there is no election.
async fn changed(fence: &mut Option<Fence>) {
    match fence {
        Some(fence) => fence.changed().await,
        None => std::future::pending().await,
    }
}

async fn read(output: pipe::Receiver) -> Vec<u8> {
    let mut told = Vec::new();
    let _ = output.take(LONGEST_REPORT).read_to_end(&mut told).await;
    told
}
