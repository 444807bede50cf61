//! The process between, when things happen to it or to the proxy.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;

/// A runner that was started as the proxy does it.
fn runner() -> Child {
    let mut command = Command::new(program());
    command.arg("hook-runner").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Has a script run; it is the proxy's last word.
fn tell(runner: &mut Child, text: &str, dir: &Path) {
    let job = serde_json::json!({
        "argv": ["/bin/sh", "-c", text],
        "environment": [["PATH", "/usr/bin:/bin"], ["DIR", dir.to_str().unwrap()]],
        "time_out": { "secs": 60, "nanos": 0 },
    });
    writeln!(runner.stdin.as_mut().unwrap(), "{job}").unwrap();
}

/// Hangs, as does its daemon; both have written their ids.
const HANG: &str =
    "trap '' TERM; setsid sh -c 'echo $$ > $DIR/daemon; exec sleep 1000' & echo $$ > $DIR/command; sleep 1000";

/// The ids of the command and its daemon, once both are there.
fn begun(dir: &Path) -> [u32; 2] {
    wait_until("it has begun", || pid(dir, "command").is_some() && pid(dir, "daemon").is_some());
    ["command", "daemon"].map(|name| pid(dir, name).unwrap())
}

#[test]
fn when_the_proxy_is_gone_nothing_is_left_of_the_command() {
    let dir = Scratch::new();
    let mut runner = runner();
    tell(&mut runner, HANG, dir.path());
    let started = begun(dir.path());
    // what the kernel does to the pipes of a process that is killed
    drop((runner.stdin.take(), runner.stdout.take()));
    wait_until("all are gone", || started.into_iter().all(|pid| !lives(pid)));
    assert!(runner.wait().unwrap().success());
}

#[test]
fn a_proxy_that_is_gone_before_it_has_said_what_to_run_has_nothing_run() {
    let mut runner = runner();
    runner.stdin.take().unwrap().write_all(br#"{"argv":["#).unwrap();
    let mut told = String::new();
    runner.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((told.as_str(), runner.wait().unwrap().success()), ("", true));
}

#[test]
fn a_runner_that_gets_sigterm_ends_its_command_and_tells() {
    let dir = Scratch::new();
    let mut runner = runner();
    tell(&mut runner, HANG, dir.path());
    let started = begun(dir.path());
    Command::new("kill").arg(runner.id().to_string()).status().unwrap();
    let mut told = String::new();
    runner.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    let report: ActReport = serde_json::from_str(&told).unwrap();
    assert!(report.error.starts_with("was told to end and was killed"), "{told}");
    assert!(started.into_iter().all(|pid| !lives(pid)));
    runner.wait().unwrap();
}

#[test]
fn when_somebody_kills_the_runner_the_proxy_kills_the_command() {
    let dir = Scratch::new();
    // the runner is the parent of the command
    let text = "echo $$ > $DIR/command; trap '' TERM; (kill -9 $PPID) ; sleep 1000";
    let report = run(&script(text, dir.path(), LONG));
    assert!(report.error.contains("ended without a word"), "{}", report.error);
    let command = pid(dir.path(), "command").unwrap();
    assert!(!lives(command));
}

#[test]
fn a_runner_that_is_no_evenkeel_is_a_failed_hook() {
    let dir = Scratch::new();
    let (_keep, cancel) = oneshot::channel();
    let means = script("true", dir.path(), LONG);
    let report = block_on(async { Hooks::new(Some("/bin/true".into())).run(&means, &call(), None, cancel).await });
    assert!(report.error.contains("ended without a word"), "{}", report.error);
    let (_keep, cancel) = oneshot::channel();
    let report = block_on(async { Hooks::new(Some("/no/such/file".into())).run(&means, &call(), None, cancel).await });
    assert!(report.error.starts_with("the process that runs commands can't be started: "), "{}", report.error);
}
