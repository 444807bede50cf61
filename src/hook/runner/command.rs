//! A command that runs: what it prints is read, and its end is noticed.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal as Kill, WaitOptions, WaitStatus, kill_process_group, wait};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use super::super::seconds;
use super::super::text::Tail;
use super::Job;
use super::family::{Family, LAST_PATIENCE};
use crate::recover::attempt::ActReport;

/// How long output is awaited after the end of the command: what it has left in the background may hold the pipe for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// How often SIGKILL is sent until none is left.
const AGAIN: Duration = Duration::from_millis(20);

/// A command that was started.
#[derive(Debug)]
pub(super) struct Running {
    command: Pid,
    /// How it ended; `None` = it has not.
    status: Option<WaitStatus>,
    family: Family,
    /// How many processes were left although they had been killed.
    left: usize,
    /// Tells that a child has ended.
    children: Signal,
    /// What it prints; `None` = all that could print has ended.
    output: Option<pipe::Receiver>,
    buffer: Vec<u8>,
    tail: Tail,
}

impl Running {
    /// Starts the command: in a process group of its own, with nothing but its own environment, its output and /dev/null.
    ///
    /// # Errors
    ///
    /// Why it can't be started, for people.
    pub fn start(job: &Job) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the command can't be started: {error}");
        let (program, arguments) = job.argv.split_first().ok_or("there is no command")?;
        reset_signals().map_err(failed)?;
        let children = signal(SignalKind::child()).map_err(failed)?;
        let (output, printed) = io::pipe().map_err(failed)?;
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output)).map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(printed.try_clone().map_err(failed)?)
            .stderr(printed);
        let started = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("command not found: there is no `{program}`, or no interpreter for it"),
            ErrorKind::PermissionDenied => format!("permission denied: `{program}` may not be executed"),
            _ => failed(error),
        })?;
        // the child is awaited by `reap`, along with those that we took over
        let command =
            i32::try_from(started.id()).ok().and_then(Pid::from_raw).ok_or("the command has no process id")?;
        let buffer = vec![0; 64 << 10];
        let (family, output) = (Family::new(command), Some(output));
        Ok(Self { command, status: None, family, left: 0, children, output, buffer, tail: Tail::default() })
    }

    /// Waits until the command has ended by itself.
    pub async fn ended(&mut self) {
        while self.status.is_none() {
            self.next().await;
        }
    }

    /// Reads what is left of the output. What the command has left in the background goes on.
    pub async fn last_output(mut self) -> Self {
        let deadline = Instant::now() + LAST_OUTPUT;
        while self.output.is_some() && timeout_at(deadline, self.next()).await.is_ok() {}
        self
    }

    /// Ends the command with all that it has started: by SIGTERM, and by SIGKILL where that does not help within this time.
    pub async fn kill(mut self, patience: Duration) -> Self {
        if !patience.is_zero() {
            self.signal(Kill::TERM);
        }
        let deadline = Instant::now() + patience;
        while !Family::is_gone() && timeout_at(deadline, self.next_end()).await.is_ok() {}
        let deadline = Instant::now() + LAST_PATIENCE;
        loop {
            self.reap();
            self.left = self.signal(Kill::KILL);
            if self.left == 0 || Instant::now() >= deadline {
                return self.last_output().await;
            }
            let _ = timeout_at(Instant::now() + AGAIN, self.next_end()).await;
        }
    }

    /// What it came to, when it ended by itself.
    pub fn report(self) -> ActReport {
        let code = self.status.and_then(WaitStatus::exit_status);
        let error = match (code, self.status.and_then(WaitStatus::terminating_signal)) {
            (Some(0), _) => String::new(),
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "it is not known how it ended".to_owned(),
        };
        let (output, left_out) = self.tail.into_text();
        ActReport { ok: code == Some(0), code, error, output, left_out, ..ActReport::default() }
    }

    /// What it came to, when it was ended; `why` says why.
    pub fn report_killed(self, why: &str) -> ActReport {
        let mut error = why.to_owned();
        match self.family.others() {
            0 => {}
            1 => error.push_str(", with 1 process it had started"),
            others => error.push_str(&format!(", with {others} processes it had started")),
        }
        match self.left {
            0 => {}
            left => error.push_str(&format!("; {left} could not be killed within {}", seconds(LAST_PATIENCE))),
        }
        ActReport { ok: false, code: None, error, ..self.report() }
    }

    /// Waits until something was printed or a child has ended, and deals with it.
    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.children.recv() => self.reap(),
            read = read(self.output.as_mut(), &mut self.buffer) => self.take(read),
        }
    }

    /// Waits until a child has ended, and reads what is printed meanwhile.
    async fn next_end(&mut self) {
        loop {
            tokio::select! {
                biased;
                _ = self.children.recv() => return self.reap(),
                read = read(self.output.as_mut(), &mut self.buffer) => self.take(read),
            }
        }
    }

    /// Sends a signal to all of the family that lives; how many there are.
    fn signal(&mut self, which: Kill) -> usize {
        let members = self.family.signal(which);
        // where there is no /proc to find them in, there is at least the group; its id is nobody else's until the command was reaped
        if members == 0 && self.status.is_none() {
            let _ = kill_process_group(self.command, which);
        }
        members
    }

    fn take(&mut self, read: usize) {
        self.tail.push(&self.buffer[..read]);
        if read == 0 {
            self.output = None;
        }
    }

    /// Takes the status of each child that has ended: of the command, and of orphans that it has left to us.
    fn reap(&mut self) {
        while let Ok(Some((child, status))) = wait(WaitOptions::NOHANG) {
            if child == self.command {
                self.status = Some(status);
            }
        }
    }
}

/// Reads; 0 when there will be nothing any more. Waits for ever when that is known already.
async fn read(output: Option<&mut pipe::Receiver>, buffer: &mut [u8]) -> usize {
    match output {
        Some(output) => output.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Gives the command the usual effects of signals: one that the proxy was started to ignore, as `nohup` has it, would be ignored by the command as
/// well. A signal that this process handles has its usual effect again in what it starts (execve(2)).
fn reset_signals() -> io::Result<()> {
    use Kill as S;
    for which in [S::HUP, S::INT, S::QUIT, S::USR1, S::USR2, S::PIPE, S::ALARM, S::TERM, S::TSTP, S::TTIN, S::TTOU] {
        // the handler stays when the stream of what it tells is dropped
        drop(signal(SignalKind::from_raw(which.as_raw()))?);
    }
    Ok(())
}
