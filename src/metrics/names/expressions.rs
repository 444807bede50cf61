//! What is asked of Prometheus by the alerts, the board of Grafana and whatever else is in `deploy/`: every metric and every label must be there.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{ALL, Kind, Metric};

/// The labels that Prometheus adds when it scrapes.
const SCRAPED: [&str; 2] = ["job", "instance"];

/// What PromQL has words for.
const WORDS: [&str; 15] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "inf",
    "nan",
    "start",
    "end",
];

/// One expression with the labels that are used in the texts beside it.
struct Asked {
    expression: String,
    texts: Vec<String>,
}

/// A part of an expression.
#[derive(Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str),
    Text,
    Sign(char),
}

/// Splits an expression; numbers, durations, variables of Grafana and what is in quotes say nothing about names.
fn tokens(expression: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest) = (Vec::new(), expression.trim_start());
    while let Some(first) = rest.chars().next() {
        let is_in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let end_of_name = |text: &str| text.find(|c| !is_in_name(c)).unwrap_or(text.len());
        let end = match first {
            '"' | '\'' => {
                tokens.push(Token::Text);
                rest[1..].find(first).unwrap_or_else(|| panic!("{expression}: a quote is open")) + 2
            }
            '$' => 1 + end_of_name(rest[1..].trim_start_matches(['{', '}'])),
            '[' => rest.find(']').unwrap_or_else(|| panic!("{expression}: a bracket is open")) + 1,
            c if c.is_ascii_digit() => rest.find(|c: char| !is_in_name(c) && c != '.').unwrap_or(rest.len()),
            c if is_in_name(c) => {
                tokens.push(Token::Name(&rest[..end_of_name(rest)]));
                end_of_name(rest)
            }
            c => {
                tokens.push(Token::Sign(c));
                c.len_utf8()
            }
        };
        rest = rest[end..].trim_start();
    }
    tokens
}

/// The metric that a series with this name belongs to, and whether it is a bucket.
fn metric(name: &str) -> Option<(&'static Metric, bool)> {
    let exact = |name: &str, wanted: fn(Kind) -> bool| {
        ALL.iter().copied().find(|metric| metric.name == name && wanted(metric.kind))
    };
    let part = |part: &str| name.strip_suffix(part).and_then(|name| exact(name, |kind| kind == Kind::Histogram));
    exact(name, |kind| kind != Kind::Histogram)
        .or_else(|| part("_sum"))
        .or_else(|| part("_count"))
        .map(|metric| (metric, false))
        .or_else(|| part("_bucket").map(|metric| (metric, true)))
}

/// The labels that an expression's result may have, after its names were checked; or what is wrong with it.
fn check(expression: &str) -> Result<BTreeSet<&'static str>, String> {
    let tokens = tokens(expression);
    let wrong = |what: String| format!("{expression}: {what}");
    let mut labels: BTreeSet<&str> = SCRAPED.into();
    for token in &tokens {
        let Token::Name(name) = token else { continue };
        if name.contains(':') {
            labels.extend(ALL.iter().flat_map(|metric| metric.labels));
        } else if name.starts_with("evenkeel_") || name.starts_with("process_") {
            let (metric, is_bucket) = metric(name).ok_or_else(|| wrong(format!("there is no metric {name}")))?;
            labels.extend(metric.labels);
            labels.extend(is_bucket.then_some("le"));
        }
    }
    let mut of: Option<&str> = None;
    let mut at = 0;
    while at < tokens.len() {
        let (token, next) = (&tokens[at], tokens.get(at + 1));
        match (token, next) {
            // the labels of an aggregation or of a match
            (
                Token::Name("by" | "without" | "on" | "ignoring" | "group_left" | "group_right"),
                Some(Token::Sign('(')),
            ) => {
                let list = tokens[at + 2..].iter().take_while(|token| **token != Token::Sign(')'));
                let unknown = list.clone().find_map(|token| match token {
                    Token::Name(label) if !labels.contains(label) => Some(*label),
                    _ => None,
                });
                if let Some(label) = unknown {
                    return Err(wrong(format!("no metric in it has the label {label}")));
                }
                at += 2 + list.count();
            }
            // the conditions of a selector
            (Token::Name(name), Some(Token::Sign('{'))) => of = Some(name),
            (Token::Name(label), Some(Token::Sign('=' | '!'))) if of.is_some() => {
                let own = of.and_then(metric);
                let is_there = own.is_none_or(|(metric, is_bucket)| {
                    metric.labels.contains(label) || SCRAPED.contains(label) || (is_bucket && *label == "le")
                });
                if !is_there {
                    return Err(wrong(format!("{} has no label {label}", of.unwrap_or_default())));
                }
            }
            (Token::Sign('}'), _) => of = None,
            // a function, or a word
            (Token::Name(_), Some(Token::Sign('('))) => {}
            (Token::Name(word), _) if WORDS.contains(word) || metric(word).is_some() || word.contains(':') => {}
            // an aggregation whose labels come first, and the result of a scrape itself
            (Token::Name(_), Some(Token::Name("by" | "without"))) | (Token::Name("up"), _) => {}
            (Token::Name(name), _) => return Err(wrong(format!("{name} is nothing that is known"))),
            _ => {}
        }
        at += 1;
    }
    Ok(labels.into_iter().filter_map(known).collect())
}

/// The same label, for as long as the program lives.
fn known(label: &str) -> Option<&'static str> {
    let all = ALL.iter().flat_map(|metric| metric.labels.iter().copied()).chain(SCRAPED).chain(["le"]);
    all.into_iter().find(|known| *known == label)
}

/// The labels that a text names as `{{label}}` (Grafana) or `$labels.label` (Prometheus).
fn labels_in(text: &str) -> Vec<&str> {
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let after = |before: &str| text.split(before).skip(1).map(str::trim_start).collect::<Vec<_>>();
    let names = after("{{").into_iter().chain(after("$labels."));
    names.map(|rest| &rest[..end(rest)]).filter(|name| !name.is_empty()).collect()
}

fn assert_all_are_there(asked: &[Asked], least: usize) {
    for Asked { expression, texts } in asked {
        let labels = check(expression).unwrap_or_else(|wrong| panic!("{wrong}"));
        for text in texts {
            for label in labels_in(text) {
                assert!(labels.contains(label), "{text:?} names the label {label}, which is none of {expression}");
            }
        }
    }
    assert!(asked.len() >= least, "only {} were found", asked.len());
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)).unwrap()
}

/// The rules of a file, whose form is that of `deploy/prometheus-alerts.yml`: an expression is on one line, or on lines that are indented further
/// behind `expr: >`.
fn rules(yaml: &str) -> Vec<Asked> {
    let rules = yaml.split("\n      - ").skip(1);
    let asked = rules.map(|rule| {
        let (before, rest) = rule.split_once("expr:").unwrap_or_else(|| panic!("{rule}: it has no expression"));
        let mut lines = rest.lines();
        let first = lines.next().unwrap_or_default().trim();
        let expression = match first {
            ">" => lines.by_ref().take_while(|line| line.starts_with("          ")).collect::<Vec<_>>().join(" "),
            _ => first.to_owned(),
        };
        let texts = rest.lines().filter(|line| line.contains("$labels.")).map(str::to_owned).collect();
        assert!(before.starts_with("alert:") || before.starts_with("record:"), "{rule}");
        Asked { expression, texts }
    });
    asked.collect()
}

/// All expressions of a board, with the legends of their series.
fn queries(value: &Value, found: &mut Vec<Asked>) {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if let Some(expression) = text("expr") {
        let texts = ["legendFormat", "textFormat"].into_iter().filter_map(text).map(str::to_owned).collect();
        found.push(Asked { expression: expression.to_owned(), texts });
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| queries(member, found)),
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn the_alerts_ask_for_nothing_that_is_not_there() {
    assert_all_are_there(&rules(&read("prometheus-alerts.yml")), 30);
}

#[test]
fn the_board_asks_for_nothing_that_is_not_there() {
    let board: Value = serde_json::from_str(&read("grafana/evenkeel.json")).unwrap();
    let mut asked = Vec::new();
    queries(&board, &mut asked);
    assert_all_are_there(&asked, 60);
    // `label_values(series, label)` of the variables
    let variables = board["templating"]["list"].as_array().unwrap();
    for query in variables.iter().filter_map(|variable| variable["definition"].as_str()) {
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
        assert!(check(series).unwrap().contains(label), "{query}");
    }
}

#[test]
fn each_panel_of_the_board_has_a_place_of_its_own() {
    let board: Value = serde_json::from_str(&read("grafana/evenkeel.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{}: its id is there twice", panel["title"]);
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} covers another panel", panel["title"]);
        }
    }
}

#[test]
fn each_metric_about_backends_and_services_is_on_the_board_or_in_an_alert() {
    let all = read("grafana/evenkeel.json") + &read("prometheus-alerts.yml");
    // the board has the state and the details; what is left out here is on the page, or told by an event
    let left_out = [
        "evenkeel_access_denied_total",
        "evenkeel_exchange_failures_total",
        "evenkeel_backends_folded",
        "evenkeel_client_connections_total",
        "evenkeel_proxy_protocol_refused_total",
        "evenkeel_datagrams_total",
        "evenkeel_datagrams_lost_total",
        "evenkeel_discovery_answers_total",
        "evenkeel_discovery_refused",
        "evenkeel_hedge_after_seconds",
        "evenkeel_concurrency_limit",
        "evenkeel_concurrency_in_flight",
        "evenkeel_concurrency_unloaded_seconds",
        "evenkeel_shed_total",
        "evenkeel_canary_share",
        "evenkeel_mirrored_total",
        "evenkeel_mirrored_in_flight",
        "evenkeel_ledger_backup_size_bytes",
        "evenkeel_leadership_fencing_token",
        "evenkeel_leadership_renewals_failed_total",
        "evenkeel_otlp_sent_total",
        "evenkeel_shared_words",
        "evenkeel_shared_words_followed_total",
        "evenkeel_shared_writes_failed_total",
        "evenkeel_shared_lag_seconds",
        "evenkeel_path_chosen",
        "evenkeel_path_rtt_seconds",
        "evenkeel_path_loss_ratio",
        "evenkeel_rate_limited_total",
        "evenkeel_rate_limit_displaced_total",
        "evenkeel_client_limited_total",
        "evenkeel_limit_store_up",
        "evenkeel_limit_store_instances",
        "evenkeel_limit_store_lag_seconds",
        "evenkeel_zone_picks_total",
        "evenkeel_reloads_total",
        "evenkeel_session_lookups_total",
        "evenkeel_session_lookup_seconds",
        "evenkeel_session_store_queue_bytes",
        "evenkeel_compressed_total",
        "evenkeel_compressed_bytes_total",
        "evenkeel_compression_skipped_total",
        "evenkeel_decompressed_total",
        "evenkeel_decompressed_bytes_total",
        "evenkeel_decompression_failed_total",
        "evenkeel_maintenance_page",
    ];
    for metric in ALL.iter().filter(|metric| !left_out.contains(&metric.name)) {
        assert!(all.contains(metric.name), "neither the board nor an alert asks for {}", metric.name);
    }
}

#[test]
fn a_wrong_name_or_label_is_found_out() {
    for (expression, is_good) in [
        (r#"sum by (service) (rate(evenkeel_requests_total{service=~"$service",code_class!="2xx"}[5m])) > 0.5"#, true),
        (
            "histogram_quantile(0.99, sum by (le, service) (rate(evenkeel_request_duration_seconds_bucket[$__rate_interval])))",
            true,
        ),
        ("evenkeel_backend_up == 0 unless on (job, instance) evenkeel_in_flight > 3", true),
        (r#"up{job="evenkeel"} == 0"#, true),
        ("time() - process_start_time_seconds", true),
        ("evenkeel_requests", false),
        ("evenkeel_request_duration_seconds", false),
        ("evenkeel_requests_total_bucket", false),
        (r#"evenkeel_requests_total{backends="a"}"#, false),
        (r#"evenkeel_request_duration_seconds_count{le="1"}"#, false),
        ("sum by (kind) (evenkeel_backend_up)", false),
        ("sum(evenkeel_backend_up) by (kind)", false),
        ("evenkeel_backend_up and on (name) evenkeel_in_flight", false),
        ("evenkeel_backend_up + nonsense", false),
    ] {
        assert_eq!(check(expression).is_ok(), is_good, "{expression}: {:?}", check(expression));
    }
    assert_eq!(labels_in("{{ $labels.service }} of {{backend}}: {{ $value | humanize }}"), ["backend", "service"]);
}
