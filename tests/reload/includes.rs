//! A configuration of several files, one of which changes, appears, goes, or is broken.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Origin, Proxy, config, wait_until};

/// The configuration of a proxy that includes what is in `conf.d`.
fn including(server: &str) -> String {
    format!("include = [\"conf.d/*.toml\"]\n{}[server]\nworkers = 1\n{server}\n", config("", "", &[&Origin::ok()]))
}

/// Writes a file as editors do: it is there as a whole or not at all.
fn swap(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_file_name(".new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// `timeout.total` of the service that runs.
fn total(proxy: &Proxy) -> Value {
    let shown: Value = serde_json::from_str(&proxy.admin("/api/v1/config").unwrap().text()).unwrap();
    shown["service"]["api"]["timeout"]["total"].clone()
}

fn with_total(time: &str) -> String {
    format!("[service.api.timeout]\ntotal = \"{time}\"\n")
}

#[test]
fn an_included_file_appears_changes_and_goes_and_each_time_the_configuration_is_read_again() {
    let proxy = Proxy::start(&including(""));
    assert_eq!(total(&proxy), "0s");
    let first = proxy.path("conf.d/a.toml");
    // the folder has not been there either
    swap(&first, &with_total("3s"));
    wait_until("a new file is read", || total(&proxy) == "3s");
    swap(&first, &with_total("4s"));
    wait_until("a changed file is read", || total(&proxy) == "4s");
    swap(&proxy.path("conf.d/nested.toml"), "include = [\"../more/*.toml\"]\n");
    std::fs::remove_file(&first).unwrap();
    wait_until("a file that is gone is not there any more", || total(&proxy) == "0s");
    swap(&proxy.path("more/b.toml"), &with_total("5s"));
    wait_until("a file that an included file includes is read", || total(&proxy) == "5s");
    swap(&proxy.path("more/b.toml"), &with_total("6s"));
    wait_until("and its changes are", || total(&proxy) == "6s");
}

#[test]
fn a_broken_included_file_changes_nothing_and_is_named_with_its_line_until_it_is_mended() {
    let proxy = Proxy::start(&including(""));
    let file = proxy.path("conf.d/a.toml");
    swap(&file, &with_total("3s"));
    wait_until("it is read", || total(&proxy) == "3s");
    swap(&file, "# what is this\n[service.api.timeout]\ntotal = 4\n");
    let place = format!(" --> {}:3:9", file.display());
    wait_until("its mistake is told", || proxy.stderr().contains(&place));
    assert_eq!(total(&proxy), "3s");
    let answer = proxy.admin_call("POST", "/api/v1/reload", "").unwrap();
    assert_eq!(answer.status, 422);
    let said: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(said["mistakes"][0]["file"], file.display().to_string());
    assert_eq!(
        (&said["mistakes"][0]["line"], &said["mistakes"][0]["path"]),
        (&3.into(), &"service.api.timeout.total".into())
    );
    swap(&file, &with_total("5s"));
    wait_until("it is mended", || total(&proxy) == "5s");
    swap(&file, "[service.api.timeout\n");
    let place = format!(" --> {}:1:", file.display());
    wait_until("a syntax error is told", || proxy.stderr().contains(&place));
    swap(&file, &with_total("6s"));
    wait_until("it is mended", || total(&proxy) == "6s");
}

#[test]
fn a_file_that_is_included_by_its_name_may_go_and_come_back() {
    let proxy = Proxy::start(&including(""));
    let main = proxy.path("proxy.toml");
    swap(&proxy.path("conf.d/a.toml"), "include = [\"../by-name.toml\"]\n");
    let gone = "by-name.toml` can't be read: No such file or directory";
    wait_until("it is missed", || proxy.stderr().contains(gone));
    swap(&proxy.path("by-name.toml"), &with_total("3s"));
    wait_until("it is read", || total(&proxy) == "3s");
    std::fs::remove_file(proxy.path("by-name.toml")).unwrap();
    wait_until("it is missed again", || proxy.stderr().matches(gone).count() >= 2);
    assert_eq!(total(&proxy), "3s");
    let text = std::fs::read_to_string(&main).unwrap();
    swap(&main, &text.replace("conf.d/*.toml", "other.d/*.toml"));
    wait_until("the first file is still watched", || total(&proxy) == "0s");
}

#[test]
fn what_somebody_else_has_had_read_in_between_is_compared_with_what_is_there_now() {
    let proxy = Proxy::start(&including(""));
    let by_name = proxy.path("by-name.toml");
    swap(&proxy.path("conf.d/a.toml"), "include = [\"../by-name.toml\"]\n");
    let gone = "by-name.toml` can't be read: No such file or directory";
    wait_until("it is missed", || proxy.stderr().contains(gone));
    // while something happens in its folder all the time, the files are looked at only every 0.5 s: the file comes and goes between two looks
    let is_over = Arc::new(AtomicBool::new(false));
    let busy = std::thread::spawn({
        let (noise, is_over) = (proxy.path("noise"), Arc::clone(&is_over));
        move || {
            while !is_over.load(Ordering::Relaxed) {
                std::fs::write(&noise, "").unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    swap(&by_name, &with_total("3s"));
    proxy.signal("HUP");
    wait_until("it is read", || total(&proxy) == "3s");
    let missed = proxy.stderr().matches(gone).count();
    std::fs::remove_file(&by_name).unwrap();
    is_over.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    wait_until("it is missed again", || proxy.stderr().matches(gone).count() > missed);
}

#[test]
fn a_file_that_changes_while_the_process_starts_is_read_again() {
    let origin = Origin::ok();
    let affinity = "[service.api.affinity]\nby = \"cookie\"\n";
    let mut proxy = Proxy::start(&(config("", "", &[&origin]) + affinity));
    assert_eq!(total(&proxy), "0s");
    // the next process has read its configuration when it asks for this key, and goes on when it gets it
    let key = proxy.path("state/affinity.key");
    let bytes = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    let main = proxy.path("proxy.toml");
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::File::options().write(true).open(key).unwrap();
        let text = std::fs::read_to_string(&main).unwrap();
        swap(&main, &text.replace(affinity, &with_total("3s")));
        pipe.write_all(&bytes).unwrap();
    });
    proxy.kill_and_start();
    writer.join().unwrap();
    wait_until("it is read", || total(&proxy) == "3s");
}

#[test]
fn without_reload_on_change_a_change_waits_until_somebody_says_so() {
    let proxy = Proxy::start(&including("reload_on_change = false"));
    swap(&proxy.path("conf.d/a.toml"), &with_total("3s"));
    wait_until("it is told", || proxy.stderr().contains("server.reload_on_change is false"));
    assert_eq!((total(&proxy), proxy.metric("evenkeel_config_generation ")), ("0s".into(), 1));
    assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 200);
    assert_eq!(total(&proxy), "3s");
    // what the configuration says now holds for the next change
    let main = proxy.path("proxy.toml");
    let text = std::fs::read_to_string(&main).unwrap();
    swap(&main, &text.replace("reload_on_change = false", "reload_on_change = true"));
    wait_until("it is told", || proxy.stderr().matches("server.reload_on_change is false").count() >= 2);
    proxy.signal("HUP");
    wait_until("it is read", || proxy.metric("evenkeel_config_generation ") == 3);
    swap(&proxy.path("conf.d/a.toml"), &with_total("4s"));
    wait_until("it is read by itself", || total(&proxy) == "4s");
}
