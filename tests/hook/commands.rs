//! What commands come to.

use std::process::{Command, Stdio};
use std::rc::Rc;

use super::*;

/// Starts a daemon as daemons are made: in a session of its own, by a parent that ends. Its id is in `$DIR/daemon`.
const DAEMON: &str = "setsid sh -c 'trap \"\" TERM; (echo \"$$\" > $DIR/daemon; exec sleep 1000) & exec sleep 1000' & ";

#[test]
fn a_command_that_succeeds_tells_what_it_printed_and_how_long_it_took() {
    let dir = Scratch::new();
    let report = run(&script("echo out; echo err >&2; printf '\\033[31m'", dir.path(), LONG));
    assert!(report.ok, "{report:?}");
    assert_eq!((report.code, report.error.as_str(), report.left_out), (Some(0), "", 0));
    assert_eq!(report.output, "out\nerr\n\u{fffd}[31m");
    assert!(report.what.starts_with("/bin/sh -c "), "{}", report.what);
}

#[test]
fn a_command_that_fails_tells_its_code() {
    let dir = Scratch::new();
    let report = run(&script("exit 3", dir.path(), LONG));
    assert_eq!((report.ok, report.code, report.error.as_str()), (false, Some(3), "ended with exit code 3"));
}

#[test]
fn a_command_that_a_signal_ends_tells_which() {
    let dir = Scratch::new();
    let report = run(&script("kill -9 $$", dir.path(), LONG));
    assert_eq!((report.ok, report.code, report.error.as_str()), (false, None, "killed by signal 9"));
}

#[test]
fn what_is_not_there_and_what_may_not_be_executed_are_told_apart() {
    let dir = Scratch::new();
    let file = dir.path().join("plain");
    std::fs::write(&file, "").unwrap();
    let error = |program: &str| {
        let argv = vec![program.to_owned()];
        run(&Means::Command { argv, time_out: LONG, environment: Vec::new() }).error
    };
    assert!(error("no-such-command").starts_with("command not found: "), "{}", error("no-such-command"));
    assert!(error(file.to_str().unwrap()).starts_with("permission denied: "));
    assert!(error("/").starts_with("permission denied: "));
    assert!(error("a\0b").starts_with("the command can't be started: "));
}

#[test]
fn the_environment_is_clean_and_tells_for_what_the_command_is_called() {
    let dir = Scratch::new();
    let report = run(&script("env; pwd", dir.path(), LONG));
    let names: Vec<&str> =
        report.output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let allowed = ["PATH", "HOME", "LANG", "TZ", "DIR", "PWD", "OLDPWD", "SHLVL", "_"];
    let is_allowed = |name: &str| allowed.contains(&name) || name.starts_with("LC_") || name.starts_with("EVENKEEL_");
    assert!(names.iter().all(|name| is_allowed(name)), "{names:?}");
    for line in [
        "EVENKEEL_SERVICE=api",
        "EVENKEEL_BACKEND=a",
        "EVENKEEL_ADDRESS=192.0.2.1:80",
        "EVENKEEL_FAULT=unresponsive",
        "EVENKEEL_ATTEMPT=7",
        "EVENKEEL_NUMBER=2",
        "EVENKEEL_STRATEGY=restart",
        "EVENKEEL_ROLE=act",
        "EVENKEEL_TOKEN=9",
        "/",
    ] {
        assert!(report.output.lines().any(|found| found == line), "{line} is not in {}", report.output);
    }
}

#[test]
fn arguments_are_filled_in_and_never_split_or_read_by_a_shell() {
    let argv = ["printf", "%s|", "${service} ${backend}", "$HOME", "*"].map(str::to_owned).to_vec();
    assert_eq!(run(&Means::Command { argv, time_out: LONG, environment: Vec::new() }).output, "api a|$HOME|*|");
}

#[test]
fn a_command_reads_nothing_and_gets_no_descriptor_that_is_not_everybodys() {
    let dir = Scratch::new();
    let text = "cat; for fd in /proc/$$/fd/*; do echo ${fd##*/} $(readlink $fd); done";
    let report = run(&script(text, dir.path(), LONG));
    // what the tests were started with is passed on to all that they start
    let everybodys = Command::new("/bin/sh").args(["-c", text]).stdin(Stdio::null()).output().unwrap();
    let everybodys = String::from_utf8(everybodys.stdout).unwrap();
    let numbers =
        |lines: &str| lines.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect::<Vec<u32>>();
    assert_eq!(numbers(&report.output), numbers(&everybodys), "{}", report.output);
    assert!(report.output.starts_with("0 /dev/null\n"), "{}", report.output);
}

#[test]
fn a_command_obeys_signals_that_the_proxy_was_started_to_ignore() {
    let dir = Scratch::new();
    // bits 1 to 31 of what the command ignores: none
    let report = run(&script("grep SigIgn /proc/self/status", dir.path(), LONG));
    let ignored = report.output.split_whitespace().last().and_then(|mask| u64::from_str_radix(mask, 16).ok());
    assert_eq!(ignored.map(|mask| mask & 0x7fff_ffff), Some(0), "{}", report.output);
}

#[test]
fn a_gigabyte_of_output_is_read_and_only_its_end_is_kept() {
    let dir = Scratch::new();
    let report = run(&script("head -c 1000000000 /dev/zero; printf end", dir.path(), LONG));
    assert!(report.ok, "{}", report.error);
    assert_eq!(report.left_out, 1_000_000_003 - (16 << 10));
    assert!(report.output.ends_with("end"));
}

#[test]
fn a_command_that_hangs_is_killed_at_its_time_out_with_all_that_it_has_started() {
    let dir = Scratch::new();
    let text = "echo $$ > $DIR/command; (echo begun; exec sleep 1000) & wait";
    let report = run(&script(text, dir.path(), SHORT));
    assert_eq!(report.error, "did not end within 0.3 s and was killed, with 1 process it had started");
    assert_eq!((report.ok, report.code, report.output.as_str()), (false, None, "begun\n"));
    assert!(!lives(pid(dir.path(), "command").unwrap()));
}

#[test]
fn a_command_that_prints_for_ever_is_killed_at_its_time_out() {
    let dir = Scratch::new();
    let report = run(&script("exec cat /dev/zero", dir.path(), SHORT));
    assert_eq!(report.error, "did not end within 0.3 s and was killed");
    assert!(report.left_out > 0);
}

#[test]
fn a_command_and_a_daemon_that_ignore_sigterm_are_killed_all_the_same() {
    let dir = Scratch::new();
    let text = format!("trap '' TERM; {DAEMON} while :; do sleep 1000; done");
    let report = run(&script(&text, dir.path(), SHORT));
    assert!(report.error.starts_with("did not end within 0.3 s and was killed, with "), "{}", report.error);
    assert!(pid(dir.path(), "daemon").is_none_or(|daemon| !lives(daemon)));
}

#[test]
fn a_server_that_a_command_leaves_in_the_background_lives_on_and_is_not_awaited() {
    let dir = Scratch::new();
    let text = "sleep 1000 & echo $! > $DIR/server; echo started";
    let report = run(&script(text, dir.path(), LONG));
    let server = pid(dir.path(), "server").unwrap();
    let lived = lives(server);
    Command::new("kill").args(["-9", &server.to_string()]).status().unwrap();
    assert!(report.ok && report.took_ms < 30_000, "{report:?}");
    assert_eq!(report.output, "started\n");
    assert!(lived, "the server is gone");
}

#[test]
fn a_command_that_is_cancelled_is_killed_and_says_so() {
    let dir = Scratch::new();
    let means = script(&format!("{DAEMON} sleep 1000"), dir.path(), LONG);
    let report = block_on(async {
        let (tell, cancel) = oneshot::channel();
        let hooks = Hooks::new(Some(program()));
        let call = call();
        let begun = async {
            while pid(dir.path(), "daemon").is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tell.send(()).unwrap();
        };
        tokio::join!(hooks.run(&means, &call, None, cancel), begun).0
    });
    assert!(report.error.starts_with("was told to end and was killed, with "), "{}", report.error);
    assert!(!lives(pid(dir.path(), "daemon").unwrap()));
}

#[test]
fn a_hook_whose_future_is_dropped_leaves_nothing_behind() {
    let dir = Scratch::new();
    let means = script(&format!("echo $$ > $DIR/command; {DAEMON} sleep 1000"), dir.path(), LONG);
    let hooks = Rc::new(Hooks::new(Some(program())));
    block_on(async {
        let (_keep, cancel) = oneshot::channel();
        let call = call();
        let mut running = std::pin::pin!(hooks.run(&means, &call, None, cancel));
        while pid(dir.path(), "daemon").is_none() {
            let _ = tokio::time::timeout(Duration::from_millis(2), &mut running).await;
        }
    });
    let [command, daemon] = ["command", "daemon"].map(|name| pid(dir.path(), name).unwrap());
    wait_until("nothing of it lives", || !lives(command) && !lives(daemon));
}
