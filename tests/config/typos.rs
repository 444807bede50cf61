//! Mistakes that people make, and whether they are told how to put them right: by a replacement that can be made as it is given, or in words.

mod newcomers;

use evenkeel::config::{Diagnostic, Diagnostics, Severity};

use crate::support::Folder;

/// A good file, of which each test spoils one line.
const GOOD: &str = r#"[server]
workers = 2
drain_timeout = "30s"

[admin]
bind = "127.0.0.1:9900"

[log]
level = "info"
format = "json"

[[listener]]
name = "web"
bind = "127.0.0.1:8080"
service = "app"
max_connections = 1000
idle_timeout = "75s"
trusted_proxies = ["10.0.0.0/8"]
request_headers = { set = { x-host = "${host}" } }

[listener.limits]
max_header_bytes = "64KiB"

[[listener.rate_limit]]
rate = "100/s"

[listener.tls]
certificates = [{ cert = "site.pem", key = "site.key" }]
min_version = "1.2"

[[listener.route]]
host = "www.example.com"
path_prefix = "/api/"
methods = ["GET", "POST"]
service = "api"
timeout = { total = "10s" }

[[listener.route]]
path = "/old"
redirect = { to = "https://www.example.com/new", status = 308 }

[[listener]]
name = "plain"
bind = "127.0.0.1:8081"
service = "app"

[service.app]
balance = "weighted_least_connections"
abort_on_close = true

[[service.app.backend]]
address = "127.0.0.1:9001"
weight = 10

[service.app.health]
path = "/up"
interval = "2s"
expect_status = "200"

[service.app.outlier]
error_rate = 0.5

[service.app.retry]
attempts = 2
on = ["connect", "502"]

[service.app.timeout]
connect = "5s"

[service.api]
protocol = "http1"

[[service.api.backend]]
address = "127.0.0.1:9002"
"#;

/// What helps.
#[derive(Debug, Clone, Copy)]
enum Help {
    /// Replacements, made as they are given, until nothing is wrong any more.
    Made,
    /// These words.
    Words(&'static str),
}

use Help::{Made, Words};

/// What is right, what somebody writes in its place, and what helps.
const TYPOS: [(&str, &str, Help); 64] = [
    // letters
    ("[server]", "[sevrer]", Made),
    ("[[listener]]\nname = \"plain\"", "[[listner]]\nname = \"plain\"", Made),
    ("workers = 2", "worker = 2", Made),
    ("name = \"web\"", "nmae = \"web\"", Made),
    ("max_header_bytes =", "max_header_byte =", Made),
    ("path_prefix =", "path-prefix =", Made),
    ("max_connections =", "maxConnections =", Made),
    ("methods =", "methds =", Made),
    ("balance =", "balence =", Made),
    ("address = \"127.0.0.1:9001\"", "adress = \"127.0.0.1:9001\"", Made),
    ("interval =", "intervall =", Made),
    ("attempts = 2", "atempts = 2", Made),
    ("connect = \"5s\"", "conect = \"5s\"", Made),
    ("total = \"10s\"", "totl = \"10s\"", Made),
    ("\"weighted_least_connections\"", "\"weighted_least_conections\"", Made),
    ("service = \"api\"", "service = \"apii\"", Made),
    ("${host}", "${hst}", Made),
    ("\"site.pem\"", "\"sit.pem\"", Made),
    // units and numbers
    ("interval = \"2s\"", "interval = \"2 sec\"", Made),
    ("connect = \"5s\"", "connect = 5", Made),
    ("connect = \"5s\"", "connect = \"1m30s\"", Made),
    ("idle_timeout = \"75s\"", "idle_timeout = \"75\"", Made),
    ("\"64KiB\"", "\"64kb\"", Made),
    ("rate = \"100/s\"", "rate = \"100/sec\"", Made),
    ("error_rate = 0.5", "error_rate = 50", Made),
    ("error_rate = 0.5", "error_rate = \"50%\"", Made),
    ("weight = 10", "weight = \"10\"", Made),
    ("weight = 10", "weight = 70000", Words("a number from 0 to 65535")),
    ("expect_status = \"200\"", "expect_status = 200", Made),
    ("min_version = \"1.2\"", "min_version = 1.2", Made),
    ("status = 308", "status = 200", Words("one of 301, 302, 303, 307, 308")),
    // quotes and signs
    ("bind = \"127.0.0.1:8080\"", "bind = 127.0.0.1:8080", Made),
    ("balance = \"weighted_least_connections\"", "balance = weighted_least_connections", Made),
    ("level = \"info\"", "level = \"info", Made),
    ("level = \"info\"", "level: info", Made),
    ("level = \"info\"", "level = \u{201c}info\u{201d}", Made),
    ("workers = 2", "workers 2;", Made),
    ("drain_timeout = \"30s\"", "drain_timeout = 30s", Made),
    ("abort_on_close = true", "abort_on_close = True", Made),
    ("abort_on_close = true", "abort_on_close = \"true\"", Made),
    ("[admin]", "[admin", Made),
    ("[service.api]\nprotocol", "server {\nprotocol", Words("a section begins with a header in brackets")),
    ("workers = 2", "// of this machine\nworkers = 2", Made),
    // lists and tables
    ("methods = [\"GET\", \"POST\"]", "methods = \"GET POST\"", Made),
    ("methods = [\"GET\", \"POST\"]", "methods = [GET, POST]", Made),
    ("methods = [\"GET\", \"POST\"]", "methods = [\"get\"]", Made),
    ("on = [\"connect\", \"502\"]", "on = [\"connect\", 502]", Made),
    (
        "[[service.api.backend]]",
        "[service.api.backend]",
        Words("write [[service.api.backend]] for each one, with two brackets"),
    ),
    (
        "[[listener]]\nname = \"plain\"",
        "[listener]\nname = \"plain\"",
        Words("write [[listener]] for each one, with two brackets"),
    ),
    ("protocol = \"http1\"", "protocol = \"http1\"\nhealth = true", Words("write [service.api.health]")),
    ("[service.app.retry]\n", "", Words("`attempts` is a key of [[service.NAME.recover]], [service.NAME.retry]")),
    ("workers = 2", "workers = 2\nworkers = 4", Words("`workers` is in line 2 already")),
    // addresses and paths
    ("bind = \"127.0.0.1:8080\"", "bind = 8080", Made),
    ("bind = \"127.0.0.1:8080\"", "bind = \":8080\"", Made),
    ("bind = \"127.0.0.1:8080\"", "bind = \"127.0.0.1:80800\"", Words("65535")),
    ("bind = \"127.0.0.1:8081\"", "bind = \"127.0.0.1:8080\"", Words("the first one is in line")),
    ("address = \"127.0.0.1:9001\"", "address = \"http://127.0.0.1:9001\"", Made),
    ("path_prefix = \"/api/\"", "path_prefix = \"api/\"", Made),
    ("trusted_proxies = [\"10.0.0.0/8\"]", "trusted_proxies = [\"10.0.0.1/8\"]", Made),
    ("to = \"https://www.example.com/new\"", "to = \"www.example.com/new\"", Made),
    // words of other proxies
    (
        "path_prefix = \"/api/\"\nmethods = [\"GET\", \"POST\"]\nservice = \"api\"",
        "path_prefix = \"/api/\"\nproxy_pass = \"api\"",
        Made,
    ),
    ("max_connections = 1000", "maxconn = 1000", Made),
    (
        "[[service.api.backend]]\naddress = \"127.0.0.1:9002\"",
        "server = \"127.0.0.1:9002\"",
        Words("write [[service.NAME.backend]] for each one"),
    ),
    ("[service.api]\nprotocol", "[upstream.api]\nprotocol", Made),
];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.certificate("site", &["www.example.com"], 2020, 2100);
    folder
}

/// Whether a complaint says this, in one of its parts; a suggestion stands in backquotes.
fn tells(complaint: &Diagnostic, wanted: &str) -> bool {
    let suggestion = complaint.suggestion.as_ref().map(|suggestion| format!("`{suggestion}`"));
    let words = [complaint.expected.as_ref(), complaint.help.as_ref(), suggestion.as_ref()];
    words.into_iter().flatten().any(|text| text.contains(wanted))
}

/// The text with all replacements made that are given.
fn mended(text: &str, told: &Diagnostics) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // from the last one to the first, so that places stay
    for d in told.iter().collect::<Vec<_>>().into_iter().rev() {
        let Some(replacement) = &d.replacement else { continue };
        assert_eq!(d.end_column, d.column + d.width);
        let line = &mut lines[d.line - 1];
        let byte = |column: usize| line.char_indices().nth(column - 1).map_or(line.len(), |(byte, _)| byte);
        let (start, end) = (byte(d.column), byte(d.end_column));
        line.replace_range(start..end, replacement);
    }
    lines.join("\n") + "\n"
}

/// Makes replacements until nothing is wrong; what is still wrong at the end.
fn after_replacements(folder: &Folder, text: &str) -> Option<Diagnostics> {
    let mut text = text.to_owned();
    // a string that had no quotes may have the wrong unit, and nothing needs more rounds than that
    for _ in 0..3 {
        let Err(told) = folder.load(&text) else { return None };
        text = mended(&text, &told);
    }
    folder.load(&text).err()
}

#[test]
fn the_file_that_is_spoilt_is_good() {
    let loaded = folder().load(GOOD).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

#[test]
fn people_are_told_how_to_put_their_mistakes_right() {
    let folder = folder();
    let mut unhelped = Vec::new();
    for (right, wrong, help) in TYPOS {
        assert_eq!(GOOD.matches(right).count(), 1, "{right}");
        let text = GOOD.replacen(right, wrong, 1);
        let Err(told) = folder.load(&text) else { panic!("{wrong} is taken") };
        let first = told.iter().find(|d| d.severity == Severity::Error).unwrap();
        let told_in_words = |wanted: &str| tells(first, wanted);
        let is_helped = match help {
            Made => after_replacements(&folder, &text).is_none(),
            Words(wanted) => told_in_words(wanted),
        };
        if !is_helped {
            unhelped.push(format!("{wrong:?} ({help:?})\n{told}"));
        }
    }
    assert!(unhelped.is_empty(), "{} of {} are not helped:\n{}", unhelped.len(), TYPOS.len(), unhelped.join("\n"));
}

#[test]
fn nearly_all_can_be_put_right_without_a_thought() {
    let made = TYPOS.iter().filter(|(_, _, help)| matches!(help, Made)).count();
    assert!(TYPOS.len() >= 42 && made >= 40, "{made} of {}", TYPOS.len());
}

#[test]
fn newcomers_are_told_what_to_type() {
    let folder = folder();
    let mut unhelped = Vec::new();
    for (changes, wanted) in newcomers::ALL {
        let mut text = GOOD.to_owned();
        for (right, wrong) in changes {
            assert_eq!(text.matches(right).count(), 1, "{right}");
            text = text.replacen(right, wrong, 1);
        }
        let told = match folder.load(&text) {
            Ok(loaded) => loaded.warnings,
            Err(told) => told,
        };
        if !told.iter().next().is_some_and(|first| tells(first, wanted)) {
            unhelped.push(format!("{changes:?} ({wanted:?})\n{told}"));
        }
    }
    let all = newcomers::ALL.len();
    assert!(unhelped.is_empty(), "{} of {all} are not helped:\n{}", unhelped.len(), unhelped.join("\n"));
}
