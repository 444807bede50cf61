//! `state_dir`: made when something is to be kept, and needed by nothing else.

use std::process::Command;

use crate::support::{Origin, Proxy, Scratch, config};

/// `[server]` as it stands here: without a `state_dir` of the harness.
const SERVER: &str = "[server] # as it is\nworkers = 1\n";

/// A service whose cookies are signed with a key that is kept.
const AFFINITY: &str = "affinity = {}\n";

#[test]
fn nothing_is_made_where_nothing_is_kept() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    assert!(!proxy.path("state").exists());
}

#[test]
fn a_folder_that_can_not_be_written_to_keeps_nobody_from_being_served() {
    let origin = Origin::ok();
    // nobody makes a folder there, root neither
    let proxy = Proxy::start(&(config("", "", &[&origin]) + SERVER + "state_dir = \"/proc/nowhere\"\n"));
    assert_eq!(proxy.client().get("/x").text(), "ok");
    // what needs it can't come by a reload, and says what to do
    let more = config("", AFFINITY, &[&origin]) + SERVER + "state_dir = \"/proc/nowhere\"\n";
    let refused = proxy.reload(&more);
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("set server.state_dir to a folder that can be written to"), "{}", refused.text());
    assert_eq!(proxy.client().get("/x").text(), "ok");
}

#[test]
fn a_start_that_needs_a_key_which_can_not_be_made_fails_and_says_what_to_do() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let toml = config("", AFFINITY, &[&origin]).replace("{port}", "0") + SERVER;
    let toml = toml + "state_dir = \"/proc/nowhere\"\n[admin]\nbind = \"127.0.0.1:0\"\n";
    let file = dir.file("proxy.toml", toml);
    let ended = Command::new(env!("CARGO_BIN_EXE_evenkeel")).arg("run").arg("-c").arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("/proc/nowhere/affinity.key") && said.contains("set server.state_dir"), "{said}");
}

#[test]
fn the_folder_that_systemd_has_made_is_taken_where_the_file_names_none() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let folders = ["one", "two"].map(|name| dir.path().join(name).to_str().unwrap().to_owned()).join(":");
    let start = |toml: &str| {
        Proxy::start_with(toml, |command| _ = command.env("STATE_DIRECTORY", &folders).current_dir(dir.path()))
    };
    let toml = config("", AFFINITY, &[&origin]) + SERVER;
    drop(start(&(toml.clone() + "state_dir = \"{dir}/named\"\n")));
    assert!(!dir.path().join("one").exists(), "what is written goes before it");
    drop(start(&toml));
    assert!(dir.path().join("one/affinity.key").exists());
}
