//! Each mistake is found, in its place, and none hides another.

mod access;
mod affinity;
mod cluster;
mod compression;
mod detection;
mod files;
mod headers;
mod limits;
mod listeners;
mod log;
mod meant;
mod mirrors;
mod not_toml;
mod notify;
mod otlp;
mod pages;
mod recovery;
mod services;
mod sla;
mod state;
mod zones;

use evenkeel::config::Severity;

use crate::support::{GOOD, SERVICE, bad, good, only_mistake, told};

/// Of both kinds, in several sections.
const MANY: &str = r#"[server]
wrokers = 2
drain_timeout = "30 seconds"

[admin]
bind = "0.0.0.0:9900"

[log]
format = "xml"

[[listener]]
name = "web"
bnd = "127.0.0.1:8080"
service = "ap"

[[listener.route]]
path = "v1"
service = "app"

[[listener.route]]
path = "/a"
path_regex = "^/(v1"
service = 5

[[listener]]
name = "web"
bind = "127.0.0.1:8081"
service = "app"
protocol = "tpc"

[service.app]
balance = "least_connections"
[[service.app.backend]]
address = "127.0.0.1:1"
weight = 70000
[[service.app.backend]]
address = "127.0.0.1:1"
zone = "${EVENKEEL_TEST_UNSET}"
[service.none]
[service.app.health]
intervall = "2s"
"#;

#[test]
fn many_mistakes_are_told_at_once_and_nothing_else_is() {
    assert_eq!(
        told(&bad(MANY)),
        [
            "2:1 server.wrokers: unknown key `wrokers`",
            "3:17 server.drain_timeout: `30 seconds` can't be read",
            "6:8 admin.bind: the admin address can be reached from other machines by anyone",
            "9:10 log.format: `format` can't be \"xml\"",
            "13:1 listener[0].bnd: unknown key `bnd`",
            "14:11 listener[0].service: there is no service `ap`",
            "17:8 listener[0].route[0].path: `v1` does not begin with \"/\"",
            "22:1 listener[0].route[1].path_regex: `path_regex` beside `path`",
            "22:14 listener[0].route[1].path_regex: this regular expression is wrong: unclosed group",
            "23:11 listener[0].route[1].service: `service` can't be an integer",
            "26:8 listener[1].name: another listener is named `web`",
            "29:12 listener[1].protocol: `protocol` can't be \"tpc\"",
            "35:10 service.app.backend[0].weight: `weight` is out of range",
            "37:11 service.app.backend[1].address: the service has `127.0.0.1:1` twice",
            "38:8 service.app.backend[1].zone: `${EVENKEEL_TEST_UNSET}` is not set",
            "39:10 service.none: the service `none` has no backends",
            "41:1 service.app.health.intervall: unknown key `intervall`",
        ]
    );
}

#[test]
fn each_explains_itself() {
    for d in &bad(MANY) {
        assert!(d.expected.is_some() || d.suggestion.is_some() || d.help.is_some(), "{d:?}");
        assert_eq!(MANY.lines().nth(d.line - 1), Some(d.source.as_str()), "{d:?}");
        assert!(d.column - 1 + d.width <= d.source.chars().count(), "{d:?}");
    }
}

#[test]
fn near_names_are_suggested() {
    let suggestions: Vec<(String, Option<String>)> =
        bad(MANY).iter().map(|d| (d.path.clone(), d.suggestion.clone())).filter(|(_, s)| s.is_some()).collect();
    let expected = [
        ("server.wrokers", "workers"),
        ("server.drain_timeout", "30s"),
        ("listener[0].bnd", "bind"),
        ("listener[0].service", "app"),
        ("listener[0].route[0].path", "/v1"),
        ("listener[0].route[1].service", "\"5\""),
        ("listener[1].protocol", "tcp"),
        ("service.app.health.intervall", "interval"),
    ];
    assert_eq!(suggestions, expected.map(|(path, name)| (path.to_owned(), Some(name.to_owned()))));
}

#[test]
fn text_that_is_no_toml_is_one_mistake() {
    let diagnostics = bad("[server]\nworkers = \nfoo = 1\n");
    assert_eq!(diagnostics.len(), 1);
    let only = diagnostics.iter().next().unwrap();
    assert_eq!(only.line, 2);
    assert!(only.message.starts_with("this is not TOML"), "{}", only.message);
}

#[test]
fn text_that_is_no_toml_in_several_places_is_told_of_in_all_of_them() {
    let text = "[server]\nworkers = = 2\ndrain_timeout = \"30s\n[[listener]]\nname = \"a\"\nname = \"b\"\nbind = 127.0.0.1:80\n";
    let lines: Vec<_> = bad(text).iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 3, 6, 7]);
}

#[test]
fn a_key_under_the_wrong_header_is_told_where_it_belongs() {
    let text = format!("{GOOD}\n[service.app.pool]\ncertificates = []\n");
    let diagnostics = bad(&text);
    let only = diagnostics.iter().next().unwrap();
    let help = "`certificates` is a key of [listener.tls]; a key belongs to the last [header] above it";
    assert_eq!(only.help.as_deref(), Some(help));
}

#[test]
fn what_does_nothing_is_accepted_at_its_nothing() {
    let text = r#"
        [service.app]
        slow_start = "0s"
        panic_threshold = 0
        send_proxy_protocol = "off"
        [[service.app.backend]]
        address = "127.0.0.1:9001"
        max_connections = 0
        backup = false
        [[listener]]
        name = "web"
        bind = "127.0.0.1:8080"
        service = "app"
        protocol = "http"
        proxy_protocol = "off"
    "#;
    assert!(good(text).warnings.is_empty());
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!(
        "{GOOD}\n[[service.idle.backend]]\naddress = '127.0.0.1:1'\nweight = 0\n[[listener]]\nname = 'b'\nbind = '127.0.0.1:1'\n\
         [[listener.route]]\nrespond = {{ status = 404 }}\ntimeout.total = '1s'\n"
    );
    let warnings = good(&text).warnings;
    assert!(warnings.iter().all(|w| w.severity == Severity::Warning));
    let messages: Vec<&str> = warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no backend of the service `idle` gets any work",
            "nothing is ever sent to the service `idle`",
            "`timeout` has no effect beside `respond`",
        ]
    );
}

#[test]
fn a_broken_part_does_not_make_others_look_broken() {
    // The service is there, though unusable: who names it is not wrong as well.
    assert_eq!(
        only_mistake(&GOOD.replace("[[service.app.backend]]\naddress = \"127.0.0.1:9001\"", "[service]\napp = 5")),
        "service.app: `app` can't be an integer"
    );
    assert_eq!(
        only_mistake(&GOOD.replace("service = \"app\"", "servce = \"app\"")),
        "listener[0].servce: unknown key `servce`"
    );
    assert_eq!(only_mistake(&format!("listener = 5\n{SERVICE}")), "listener: `listener` can't be an integer");
    assert_eq!(only_mistake(&GOOD.replace("address", "adress")), "service.app.backend[0].adress: unknown key `adress`");
}
