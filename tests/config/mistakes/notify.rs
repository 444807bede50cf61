//! Mistakes in `[[notify]]`.

use crate::support::{Folder, GOOD, bad, good, only_mistake, told};

/// A webhook with these keys after a good configuration.
fn notify(keys: &str) -> String {
    format!("{GOOD}\n[[notify]]\nname = \"oncall\"\n{keys}\n")
}

const WEBHOOK: &str = "webhook = \"https://hooks.example/evenkeel\"";

#[test]
fn a_webhook_needs_a_name_and_a_url_of_its_own() {
    good(&notify(WEBHOOK));
    for url in ["hooks.example/evenkeel", "ftp://hooks.example/", "https://", "https://user:secret@hooks.example/", ""]
    {
        let mistake = only_mistake(&notify(&format!("webhook = {url:?}")));
        assert!(mistake.starts_with("notify[0].webhook: "), "{url}: {mistake}");
    }
    let mistake = only_mistake(&notify(""));
    assert!(mistake.contains("`webhook`"), "{mistake}");
    let mistake = only_mistake(&format!("{GOOD}\n[[notify]]\n{WEBHOOK}\n"));
    assert!(mistake.contains("`name`"), "{mistake}");
    let twice = format!("{}\n[[notify]]\nname = \"oncall\"\n{WEBHOOK}\n", notify(WEBHOOK));
    assert_eq!(only_mistake(&twice), "notify[1].name: another webhook is named `oncall`");
}

#[test]
fn what_may_be_secret_in_a_url_that_is_refused_is_not_printed() {
    for url in [
        "https://me:hunter2@hooks.example/",
        "https://me:hun/ter2@hooks.example/",
        "hooks.example/x?key=hunter2",
        "http://a:0/?key=hunter2",
    ] {
        let found = bad(&notify(&format!("webhook = {url:?}")));
        let all = format!("{found}{}", serde_json::to_string(&found).unwrap());
        assert!(!all.contains("hunter2") && !all.contains("ter2") && all.contains("webhook = "), "{url}: {all}");
    }
}

#[test]
fn a_webhook_is_at_a_port_that_there_is() {
    for url in
        ["http://127.0.0.1:8080/", "https://hooks.example./x", "http://[::1]:1/", "http://[::1]", "http://A:65535"]
    {
        good(&notify(&format!("webhook = {url:?}")));
    }
    for url in
        ["http://127.0.0.1:99999/", "http://a:65536", "http://a:0/", "http://a:/", "http://a:+80/", "http://a:b/"]
    {
        let found = bad(&notify(&format!("webhook = {url:?}")));
        assert_eq!(told(&found).len(), 1, "{found}");
        assert_eq!(found.iter().next().unwrap().path, "notify[0].webhook", "{url}");
    }
    let found = bad(&notify("webhook = \"http://127.0.0.1:99999/\""));
    let only = found.iter().next().unwrap();
    assert_eq!((only.line, only.column), (12, 11), "{found}");
    assert_eq!(only.message, "`http://127.0.0.1:99999/` has no port behind its \":\"");
    assert_eq!(only.help.as_deref(), Some("a port is a number from 1 to 65535"));
    let mistake = only_mistake(&notify("webhook = \"http://300.0.0.1/\""));
    assert!(mistake.ends_with("has a host that is neither a name nor an IP address"), "{mistake}");
}

#[test]
fn a_kind_that_is_none_is_told_with_the_one_that_was_meant() {
    for (word, meant) in [
        ("service_dwon", "service_down"),
        ("backend_drained", "backend_draining"),
        ("wran", "warn"),
        ("config_reload", "config_reloaded"),
    ] {
        let found = bad(&notify(&format!("{WEBHOOK}\non = [\"error\", {word:?}]")));
        assert_eq!(found.len(), 1, "{found}");
        let text = found.to_string();
        assert!(text.contains("notify[0].on[1]") || text.contains(word), "{text}");
        assert!(text.contains(&format!("`{meant}`")), "{word}: {text}");
    }
    let mistake = only_mistake(&notify(&format!("{WEBHOOK}\non = []")));
    assert_eq!(mistake, "notify[0].on: no event is wanted, so nothing is ever sent");
}

#[test]
fn files_that_are_not_there_or_hold_nothing_are_told() {
    let folder = Folder::new();
    let empty = folder.write("empty.key", "\n").to_str().unwrap().to_owned();
    for (key, file, part) in [
        ("secret_file", "/nowhere/notify.key", "/nowhere/notify.key"),
        ("secret_file", &*empty, "holds no secret"),
        ("ca", "/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("ca", &*empty, "has no CERTIFICATE"),
    ] {
        let mistake = only_mistake(&notify(&format!("{WEBHOOK}\n{key} = {file:?}")));
        assert!(mistake.starts_with(&format!("notify[0].{key}: ")) && mistake.contains(part), "{mistake}");
    }
}

#[test]
fn a_key_that_is_none_is_told_with_its_place() {
    let found = told(&bad(&notify(&format!("{WEBHOOK}\nsecret = \"x\""))));
    assert!(found.len() == 1 && found[0].contains("notify[0].secret: unknown key `secret`"), "{found:?}");
}
