//! Copies that are made while the proxy runs, in a folder and in a bucket, and what is restored from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Conn, Origin, Proxy, Scratch, wait_until};
use crate::{Backend, events, promising, run, send, text, wait_for_event, wait_for_requests};

/// A proxy that promises something and makes copies there; `more` are further keys of `backup`.
pub(super) fn copying(to: &str, more: &str, backend: &Backend) -> String {
    format!("{}[state]\nbackup = {{ to = {to:?}, name = \"one\"{more} }}\n", promising("", &[backend]))
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// The copies of the instance `one`, oldest first.
fn copies(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("one")).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "sqlite"));
    found.sort();
    found
}

/// How many good requests the ledger of a folder holds.
pub(super) fn good(state: &Path) -> Value {
    let state = state.to_str().unwrap();
    let report: Value = serde_json::from_str(&text(&run(&["report", "--state", state, "--format", "json"]))).unwrap();
    report["services"]["api"]["requests"]["good"].clone()
}

/// Waits until a copy was begun after now.
fn wait_for_a_new_copy(folder: &Path) {
    let known = copies(folder).len();
    // the next one may have been begun before, the one after it was not
    wait_until("two copies more", || copies(folder).len() >= known + 2);
}

#[test]
fn a_lost_machine_gets_its_history_back() {
    let (origin, place, other) = (Backend::new(), Scratch::new(), Scratch::new());
    let proxy = Proxy::start(&copying(&url(place.path()), ", every = \"1s\"", &origin));
    assert_eq!(send(&proxy, 20), 0);
    wait_for_requests(&proxy, 20, 0);
    wait_for_a_new_copy(place.path());
    let status = proxy.status()["ledger_backup"].clone();
    assert_eq!((&status["name"], &status["reason"]), (&json!("one"), &Value::Null), "{status}");
    assert!(status["size_bytes"].as_u64() > Some(0) && status["age_s"].as_u64().is_some(), "{status}");
    // a copy has its name before it was read back
    wait_until("two are read back", || proxy.metric("evenkeel_ledger_backups_total{outcome=\"made\"}") >= 2);
    // killed, and its disk is lost
    let lost = proxy.path("state");
    drop(proxy);
    assert!(!lost.exists());

    let from = url(place.path());
    let listed = text(&run(&["state", "backups", "--from", &from]));
    assert_eq!(listed.lines().count(), copies(place.path()).len(), "{listed}");
    let state = other.path().join("state");
    let told = text(&run(&["state", "restore", "--from", &from, "--state", state.to_str().unwrap()]));
    assert!(told.contains("restored from") && told.contains("its last entry is of"), "{told}");
    assert_eq!(good(&state), 20);
    let left: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("fetched")), "{left:?}");

    // the oldest copy by its time
    let oldest = listed.split_whitespace().next().unwrap();
    let told = text(&run(&["state", "restore", "--from", &from, "--at", oldest, "--state", state.to_str().unwrap()]));
    assert!(told.contains(copies(place.path())[0].file_name().unwrap().to_str().unwrap()), "{told}");
    assert!(told.contains("what was there is now"), "{told}");
    let early = run(&["state", "restore", "--from", &from, "--at", "2020-01-01", "--state", state.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("there is no copy from before"), "{early:?}");
}

#[test]
fn a_copy_that_is_damaged_is_passed_over_for_the_one_before() {
    let (origin, place, other) = (Backend::new(), Scratch::new(), Scratch::new());
    let proxy = Proxy::start(&copying(&url(place.path()), ", every = \"1s\"", &origin));
    assert_eq!(send(&proxy, 10), 0);
    wait_for_requests(&proxy, 10, 0);
    wait_for_a_new_copy(place.path());
    wait_until("three copies", || copies(place.path()).len() >= 3);
    drop(proxy);
    let newest = copies(place.path()).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let (from, state) = (url(place.path()), other.path().join("state"));
    let told = text(&run(&["state", "restore", "--from", &from, "--state", state.to_str().unwrap()]));
    assert!(told.contains("is damaged: its content is not what its name says; the one before is taken"), "{told}");
    assert_eq!(good(&state), 10);

    // when none is whole, what is there stays as it is
    copies(place.path()).iter().for_each(|copy| fs::write(copy, "").unwrap());
    let refused = run(&["state", "restore", "--from", &from, "--state", state.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no copy is whole"), "{refused:?}");
    assert_eq!(good(&state), 10);
}

#[test]
fn what_cannot_be_copied_is_told_once_and_tried_again() {
    let (origin, scratch) = (Backend::new(), Scratch::new());
    // a file is in the place of the folder
    let place = scratch.file("place", "");
    let proxy = Proxy::start(&copying(&url(&place), ", every = \"1s\"", &origin));
    let told = wait_for_event(&proxy, "ledger_backup_failed");
    assert_eq!((&told["level"], &told["cause"]["to"]), (&json!("warn"), &json!(url(&place))));
    wait_until("it is tried again", || proxy.metric("evenkeel_ledger_backups_total{outcome=\"failed\"}") >= 2);
    assert_eq!(send(&proxy, 10), 0);
    assert!(proxy.status()["ledger_backup"]["reason"].is_string());
    assert_eq!(proxy.metric("evenkeel_ledger_backup_last_success_timestamp_seconds"), 0);
    fs::remove_file(&place).unwrap();
    wait_for_event(&proxy, "ledger_backup_recovered");
    assert_eq!(events(&proxy, "ledger_backup_failed").len(), 1, "it is told once");
    assert!(proxy.status()["ledger_backup"]["reason"].is_null());
    let nothing = run(&["state", "backups", "--from", &url(&scratch.path().join("nowhere"))]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there are no copies"), "{nothing:?}");
}

#[test]
fn at_a_stop_the_last_copy_has_everything() {
    let (origin, place, other) = (Backend::new(), Scratch::new(), Scratch::new());
    let mut proxy = Proxy::start(&copying(&url(place.path()), ", every = \"1h\"", &origin));
    wait_until("the first copy", || copies(place.path()).len() == 1);
    assert_eq!(send(&proxy, 30), 0);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(copies(place.path()).len(), 2);
    let left: Vec<_> = fs::read_dir(proxy.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("copy-")), "{left:?}");
    let (from, state) = (url(place.path()), other.path().join("state"));
    text(&run(&["state", "restore", "--from", &from, "--state", state.to_str().unwrap()]));
    assert_eq!(good(&state), 30);
    // a process that starts again makes the next copy when the last one is an hour old
    proxy.kill_and_start();
    wait_until("the copies are listed", || proxy.status()["ledger_backup"]["last_success"].is_string());
    assert_eq!(copies(place.path()).len(), 2);
}

#[test]
fn copies_come_and_go_with_a_reload_and_old_ones_are_deleted() {
    let (origin, place) = (Backend::new(), Scratch::new());
    let proxy = Proxy::start(&promising("", &[&origin]));
    assert!(proxy.status()["ledger_backup"].is_null());
    assert_eq!(proxy.reload(&copying(&url(place.path()), ", every = \"1s\", keep = \"2s\"", &origin)).status, 200);
    let mut seen: Vec<PathBuf> = Vec::new();
    wait_until("a copy is deleted", || {
        let now = copies(place.path());
        let new: Vec<PathBuf> = now.iter().filter(|copy| !seen.contains(copy)).cloned().collect();
        seen.extend(new);
        seen.len() > 4 && !now.contains(&seen[0])
    });
    assert!(copies(place.path()).len() <= 4, "{:?}", copies(place.path()));
    assert_eq!(proxy.reload(&promising("", &[&origin])).status, 200);
    assert!(proxy.status()["ledger_backup"].is_null());
    wait_until("nothing is measured of copies", || !proxy.metrics().contains("\nevenkeel_ledger_backup"));
}

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The little of S3 that is asked for: objects of the bucket `copies`, and nothing of any other bucket.
fn bucket() -> (Origin, Objects) {
    let objects = Objects::default();
    let shared = Arc::clone(&objects);
    let origin = Origin::script(move |conn: &mut Conn| {
        let Ok(request) = conn.request() else { return };
        let (path, query) = request.target().split_once('?').unwrap();
        assert!(query.contains("X-Amz-Credential=id%2F") && query.contains("X-Amz-Signature="), "{query}");
        let mut objects = shared.lock().unwrap();
        let (status, body) = match (request.method(), path.strip_prefix("/copies/")) {
            (_, None) => ("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>".to_vec()),
            ("GET", Some("")) => {
                let entry = |(key, body): (&String, &Vec<u8>)| {
                    format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", body.len())
                };
                let list: String = objects.iter().map(entry).collect();
                let begin = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
                ("200 OK", format!("{begin}{list}</ListBucketResult>").into_bytes())
            }
            ("GET", Some(key)) => ("200 OK", objects[key].clone()),
            ("PUT", Some(key)) => {
                objects.insert(key.to_owned(), request.body);
                ("200 OK", Vec::new())
            }
            (_, Some(key)) => {
                objects.remove(key);
                ("204 No Content", Vec::new())
            }
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        conn.send([head.into_bytes(), body].concat());
    });
    (origin, objects)
}

/// Sets what the environment says of a bucket there.
pub(super) fn environment(command: &mut Command, server: &Origin) {
    command.env("AWS_ENDPOINT_URL_S3", format!("http://{}", server.address()));
    command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env_remove("AWS_SESSION_TOKEN");
}

#[test]
fn a_bucket_takes_copies_and_gives_them_back() {
    let (origin, other) = (Backend::new(), Scratch::new());
    let (server, objects) = bucket();
    let mut proxy = Proxy::start_with(&copying("s3://copies/a/b", ", every = \"1h\"", &origin), |command| {
        environment(command, &server)
    });
    wait_until("the first copy", || objects.lock().unwrap().len() == 1);
    assert_eq!(send(&proxy, 15), 0);
    proxy.signal("TERM");
    proxy.wait();
    let keys: Vec<String> = objects.lock().unwrap().keys().cloned().collect();
    assert!(keys.len() == 2 && keys.iter().all(|key| key.starts_with("a/b/one/ledger-")), "{keys:?}");
    let state = other.path().join("state");
    let restore = |from: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.args(["state", "restore", "--from", from, "--state", state.to_str().unwrap()]);
        environment(&mut command, &server);
        command.output().unwrap()
    };
    text(&restore("s3://copies/a/b"));
    assert_eq!(good(&state), 15);
    let refused = restore("s3://others/a/b");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no bucket `others`"), "{refused:?}");
    let empty = restore("s3://copies/c");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("there are no copies"), "{empty:?}");
}

#[test]
fn without_credentials_or_a_bucket_it_is_said_what_is_missing() {
    let origin = Backend::new();
    let (server, _) = bucket();
    let proxy = Proxy::start_with(&copying("s3://copies", "", &origin), |command| {
        environment(command, &server);
        command.env_remove("AWS_SECRET_ACCESS_KEY");
    });
    let told = wait_for_event(&proxy, "ledger_backup_failed");
    assert_eq!(told["cause"]["reason"], "there are no credentials: AWS_SECRET_ACCESS_KEY is not set");
    let proxy = Proxy::start_with(&copying("s3://nobody", "", &origin), |command| environment(command, &server));
    let told = wait_for_event(&proxy, "ledger_backup_failed");
    assert!(
        told["cause"]["reason"].as_str().unwrap().starts_with("there is no bucket `nobody` at 127.0.0.1:"),
        "{told}"
    );
}
