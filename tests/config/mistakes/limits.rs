//! Mistakes in `[[listener.rate_limit]]` and `[listener.client_limits]`.

use crate::support::{GOOD, bad, good, only_mistake, told};

fn limit(keys: &str) -> String {
    GOOD.replace("service = \"app\"", &format!("service = \"app\"\n[[listener.rate_limit]]\n{keys}\n"))
}

#[test]
fn what_is_wrong_with_a_limit_is_said_with_what_was_meant() {
    for (keys, mistake, suggestion) in [
        ("burst = 5", "listener[0].rate_limit[0]: `rate` is missing", None),
        ("rate = \"100r/s\"", "listener[0].rate_limit[0].rate: `100r/s` is no rate", Some("100/s")),
        ("rate = \"0/s\"", "listener[0].rate_limit[0].rate: a rate of 0 lets nothing through", None),
        ("rate = \"99999999/s\"", "listener[0].rate_limit[0].rate: `99999999/s` is too large", None),
        (
            "rate = \"1/s\"\nby = \"client_ip\"",
            "listener[0].rate_limit[0].by: a limit does not go by `client_ip`",
            Some("client"),
        ),
        (
            "rate = \"1/s\"\nby = \"header\"",
            "listener[0].rate_limit[0].by: `header` is nothing that a key can be taken from",
            None,
        ),
    ] {
        let mistakes = bad(&limit(keys));
        let told: Vec<String> = mistakes.iter().map(|told| format!("{}: {}", told.path, told.message)).collect();
        assert_eq!(told, [mistake], "{keys}");
        let first = mistakes.iter().next().unwrap();
        assert_eq!(first.suggestion.as_deref(), suggestion, "{keys}");
        assert!(first.line > 1 && first.column >= 1, "{keys}");
    }
}

#[test]
fn two_limits_of_one_place_can_be_told_apart() {
    let twice = "rate = \"1/s\"\n[[listener.rate_limit]]\nrate = \"1/s\"";
    assert!(only_mistake(&limit(twice)).ends_with("two limits here are called `1/s by client`"));
    good(&limit("rate = \"1/s\"\n[[listener.rate_limit]]\nrate = \"1/s\"\nname = \"other\""));
}

#[test]
fn a_listener_without_requests_has_no_limit_of_them() {
    let text = limit("rate = \"1/s\"").replace("name = \"web\"", "name = \"web\"\nprotocol = \"tcp\"");
    let warnings = told(&good(&text).warnings);
    assert!(warnings.iter().any(|told| told.contains("`rate_limit` has no effect")), "{warnings:?}");
}

#[test]
fn what_is_said_of_a_store_without_one_has_no_effect() {
    let warnings = told(&good(&limit("rate = \"1/s\"\nstore_prefix = \"a\"")).warnings);
    assert!(warnings.iter().any(|told| told.contains("`store_prefix` has no effect")), "{warnings:?}");
    let mistake = only_mistake(&limit("rate = \"1/s\"\nstore = \"mongodb://a\""));
    assert!(mistake.starts_with("listener[0].rate_limit[0].store: "), "{mistake}");
}

/// The listener of the good file with limits for each client, and further keys of its own.
fn client_limits(listener: &str, keys: &str) -> String {
    let limits = format!("service = \"app\"\n{listener}\n[listener.client_limits]\n{keys}\n");
    GOOD.replace("service = \"app\"", &limits)
}

#[test]
fn what_is_wrong_with_a_limit_for_each_client_is_said() {
    for (keys, mistake, suggestion) in [
        ("handshakes = \"10\"", "listener[0].client_limits.handshakes: `10` is no rate", Some("10/s")),
        (
            "new_connections = \"0/s\"",
            "listener[0].client_limits.new_connections: a rate of 0 lets nothing through",
            None,
        ),
        ("upload = \"10MiB\"", "listener[0].client_limits.upload: `10MiB` is no bandwidth", Some("10MiB/s")),
        ("download = \"0B/s\"", "listener[0].client_limits.download: a bandwidth of 0 lets nothing through", None),
        ("download = \"10B/s\"", "listener[0].client_limits.download: `10B/s` is too little", None),
        ("connection = 5", "listener[0].client_limits.connection: ", Some("connections")),
    ] {
        let mistakes = bad(&client_limits("", keys));
        // warnings may stand beside it: this listener has no TLS, and a section whose only key is misspelt limits nothing
        let is_it = |told: &str| told.starts_with(mistake);
        let first = mistakes.iter().find(|told| is_it(&format!("{}: {}", told.path, told.message)));
        let first = first.unwrap_or_else(|| panic!("{keys}: {mistakes:?}"));
        assert_eq!(first.suggestion.as_deref(), suggestion, "{keys}");
        assert!(first.line > 1 && first.column >= 1, "{keys}");
    }
}

#[test]
fn limits_for_each_client_that_limit_nothing_are_warned_of() {
    for (listener, keys, warning) in [
        ("", "connections = 0", "`client_limits` limits nothing"),
        ("", "dry_run = true", "`client_limits` limits nothing"),
        ("", "requests = 5\nhandshakes_burst = 5", "`handshakes_burst` has no effect"),
        ("", "handshakes = \"5/s\"", "`handshakes` has no effect"),
        ("protocol = \"tcp\"", "connections = 5\nrequests = 5", "`requests` has no effect"),
        ("protocol = \"udp\"", "connections = 5\nupload = \"1MiB/s\"", "`upload` has no effect"),
        ("", "download = \"1MiB/s\"\nupload_burst = \"1MiB\"", "`upload_burst` has no effect"),
    ] {
        let warnings = told(&good(&client_limits(listener, keys)).warnings);
        assert_eq!(warnings.len(), 1, "{keys}: {warnings:?}");
        assert!(warnings[0].contains(warning), "{warnings:?}");
    }
    for protocol in ["http", "tcp", "udp"] {
        let listener = format!("protocol = \"{protocol}\"");
        let warnings = told(&good(&client_limits(&listener, "connections = 5\nnew_connections = \"5/s\"")).warnings);
        assert!(!warnings.iter().any(|told| told.contains("client_limits")), "{warnings:?}");
    }
    let over_unix = client_limits("", "connections = 5").replace("bind = \"127.0.0.1:8080\"", "bind = \"unix:a.sock\"");
    let warnings = told(&good(&over_unix).warnings);
    assert!(warnings.iter().any(|told| told.contains("`client_limits` has no effect")), "{over_unix} {warnings:?}");
}
