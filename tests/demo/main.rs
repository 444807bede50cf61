//! `evenkeel demo`, as whoever tries it for the first time sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use support::{Port, Scratch};

/// Runs the demo to its end, with ports that nobody else has. `{temp}` is where its state lies meanwhile.
fn demo(arguments: &[&str]) -> (Output, Scratch) {
    let (web, admin, temp) = (Port::reserve(), Port::reserve(), Scratch::new());
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .arg("demo")
        .args(["--listen", &web.address().to_string(), "--admin", &admin.address().to_string()])
        .args(arguments)
        .env("TMPDIR", temp.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output, temp)
}

/// Whether the lines that hold these words come in this order.
fn in_order(text: &str, words: &[&str]) -> Result<(), String> {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).ok_or_else(|| format!("{word:?} does not come, or not where it belongs"))?;
        rest = &rest[at + word.len()..];
    }
    Ok(())
}

#[test]
fn the_trouble_is_told_from_its_begin_to_what_it_came_to() {
    let (output, temp) = demo(&["--trouble", "--seconds", "12", "--exit"]);
    let told = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    assert_eq!(errors, "", "{told}");
    let story = [
        &["top --admin", "b becomes slow: 300 ms", "b is as fast as before"][..],
        &["d dies", "has d restarted", "d has started again", "healed d", "What it came to"],
        &["c fails on one path", "c is repaired: /checkout works again", "What it came to"],
        &[
            "What it came to",
            "sent, ",
            "taken out",
            "repaired",
            "d was restarted and seen well",
            "promised",
            "99.9 %",
            "kept",
        ],
        &["kept", "left", "plain round robin", "would have lost"],
    ];
    for words in story {
        in_order(&told, words).unwrap_or_else(|why| panic!("{why} in\n{told}"));
    }
    assert!(!told.contains('\x1b'), "there are colours in a pipe:\n{told}");
    let wide: Vec<_> = told.lines().skip_while(|line| !line.contains("terminal")).skip(1).collect();
    assert!(wide.iter().all(|line| line.chars().count() <= 80), "{told}");
    let left: Vec<_> = std::fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "it leaves {left:?}");
}

#[test]
fn it_ends_when_its_terminal_is_closed() {
    let (web, admin) = (Port::reserve(), Port::reserve());
    let mut demo = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["demo", "--listen", &web.address().to_string(), "--admin", &admin.address().to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(demo.stdout.take().unwrap());
    assert!(told.lines().any(|line| line.unwrap() == "Ctrl-C ends it."));
    assert!(Command::new("kill").args(["-HUP", &demo.id().to_string()]).status().unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
}

#[test]
fn what_belongs_to_the_trouble_is_refused_without_it() {
    for wrong in
        [&["--exit"][..], &["--seconds", "20"], &["--trouble", "--seconds", "9"], &["--trouble", "--seconds", "x"]]
    {
        assert_eq!(demo(wrong).0.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = Port::reserve();
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["demo", "--trouble", "--admin", &admin.address().to_string()])
        .args(["--listen", &taken.local_addr().unwrap().to_string()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("--listen ADDRESS:PORT"), "{errors}");
}
