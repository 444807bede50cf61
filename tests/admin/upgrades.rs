//! Operators' commands while one process takes over from another: what is answered holds, and what can't be taken is refused.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Proxy, Response, Scratch, Successor, backend, config, wait_until};
use crate::{ask, bearer, configured, detail, tokens};

const BACKENDS: usize = 64;
const CLIENTS: usize = 4;

/// Gives the backend with this number a weight, over and over until a process takes it.
fn weigh(proxy: &Proxy, at: usize, weight: usize) {
    let body = json!({ "weight": weight }).to_string();
    wait_until("a process takes the command", || {
        match proxy.admin_call("PUT", &format!("/api/v1/services/api/backends/b{at}"), &body) {
            Ok(answer) if answer.status == 503 => {
                assert_eq!(answer.field("retry-after"), Some("1"));
                false
            }
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.text().contains("\"kept\":true"), "{}", answer.text());
                true
            }
            // the process that has left has closed it
            Err(_) => false,
        }
    });
}

#[test]
fn no_command_that_was_answered_is_lost_in_an_upgrade() {
    let one = |at| format!("{}id = \"b{at}\"\n", backend(format!("127.0.0.1:{}", at + 1)));
    let proxy = Proxy::start(&(config("", "", &[]) + &(0..BACKENDS).map(one).collect::<String>()));
    let weights: Vec<AtomicUsize> = (0..BACKENDS).map(|_| AtomicUsize::new(1)).collect();
    let (stop, said) = (AtomicBool::new(false), AtomicUsize::new(0));
    let successor = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (proxy, weights, stop, said) = (&proxy, &weights, &stop, &said);
            scope.spawn(move || {
                let own = (client..BACKENDS).step_by(CLIENTS).cycle();
                for (at, weight) in own.zip(2..).take_while(|_| !stop.load(Ordering::SeqCst)) {
                    weigh(proxy, at, weight);
                    weights[at].store(weight, Ordering::SeqCst);
                    said.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        wait_until("commands are taken", || said.load(Ordering::SeqCst) > BACKENDS);
        proxy.signal("USR2");
        wait_until("another process takes over", || proxy.stderr().contains("another process has taken over"));
        // a command that the new process had lost must not be said anew before it is looked for
        stop.store(true, Ordering::SeqCst);
        Successor::of(&proxy)
    });
    let expected: Vec<usize> = weights.iter().map(|weight| weight.load(Ordering::SeqCst)).collect();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let status = proxy.status();
    let backends = status["services"]["api"]["backends"].as_array().unwrap();
    assert_eq!(backends.iter().map(|backend| number(&backend["weight"])).collect::<Vec<_>>(), expected);
    let file = std::fs::read(proxy.path("state/operators.json")).unwrap();
    let kept: Value = serde_json::from_slice(&file).unwrap();
    for (at, weight) in expected.iter().enumerate() {
        let said = kept["said"].as_array().unwrap().iter().find(|said| said["backend"] == format!("b{at}"));
        assert_eq!(said.map(|said| number(&said["weight"])), Some(*weight), "b{at} in the file");
    }
    drop(successor);
}

/// A proxy whose successor can't start before the token is written into the pipe that has taken the place of its file.
fn slow_to_upgrade() -> (Scratch, Proxy) {
    let dir = tokens();
    let proxy = Proxy::start(&configured(&format!("token_file = {:?}", dir.path().join("admin"))));
    std::fs::remove_file(dir.path().join("admin")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("admin")).status().unwrap().success());
    proxy.signal("USR2");
    wait_until("the upgrade has begun", || proxy.stderr().contains("takes over when it is ready"));
    (dir, proxy)
}

fn drain(proxy: &Proxy) -> Response {
    ask(proxy, "POST", "/api/v1/services/api/backends/a/drain", &bearer("admin"))
}

#[test]
fn while_an_upgrade_is_under_way_commands_are_refused_and_the_shell_asks_again() {
    let (dir, proxy) = slow_to_upgrade();
    let refused = drain(&proxy);
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    assert_eq!(refused.field("connection"), Some("close"), "the next connection may be the new process's");
    assert!(detail(&refused).contains("an upgrade is under way"), "{}", detail(&refused));
    assert_eq!(ask(&proxy, "GET", "/api/v1/status", &bearer("admin")).status, 200, "who only looks is answered");

    let token = dir.file("own", "admin-0123456789\n");
    let mut shell = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["drain", "api/a", "--token-file"])
        .arg(&token)
        .arg("-c")
        .arg(proxy.path("proxy.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 40];
    shell.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8_lossy(&said), "evenkeel: an upgrade is under way, and t");
    std::fs::write(dir.path().join("admin"), "admin-0123456789\n").unwrap();
    let successor = Successor::of(&proxy);
    let done = shell.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let status = ask(&proxy, "GET", "/api/v1/status", &bearer("admin")).text();
    assert!(status.contains("\"state\":\"draining\""), "{status}");
    drop(successor);
}

#[test]
fn after_an_upgrade_that_has_failed_commands_are_taken_again() {
    let (dir, proxy) = slow_to_upgrade();
    assert_eq!(drain(&proxy).status, 503);
    // an empty file is no token
    std::fs::write(dir.path().join("admin"), "").unwrap();
    wait_until("it fails", || proxy.stderr().contains("this process serves on, the new one failed"));
    assert_eq!(drain(&proxy).status, 200);
}
