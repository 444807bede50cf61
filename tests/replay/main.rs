//! `evenkeel detect --replay`: recorded samples go in, verdicts come out.

// A test that can not go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/scratch.rs"]
mod scratch;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use scratch::Scratch;
use serde_json::Value;

const HEADER: &str = "time,backend,requests,failures,p50_ms,p95_ms,p99_ms,cpu,memory\n";
/// 2025-11-27T08:00:00Z
const BEGIN: u64 = 1_764_230_400;

fn detect(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel")).arg("detect").args(arguments).output().unwrap()
}

/// What it prints and says, and its exit code.
fn told(arguments: &[&str]) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } = detect(arguments);
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), status.code())
}

fn replay(file: &Path, more: &[&str]) -> (String, String, Option<i32>) {
    told(&[&["--replay", file.to_str().unwrap()], more].concat())
}

/// A row of a backend of four at 100 requests a second, in which nothing varies but what is told.
fn row(second: u64, backend: &str, slower: f64, cpu: f64) -> String {
    // no two are quite the same
    let p50 = 5.0 * slower * (1.0 + (second * 7 % 11) as f64 / 500.0);
    format!("{},{backend},100,0,{p50:.3},{:.3},{:.3},{cpu},0.5\n", BEGIN + second, p50 * 1.8, p50 * 2.5)
}

/// Four backends, of which `c` is slower by this in its seconds.
fn recorded(seconds: u64, slower: f64, when: std::ops::Range<u64>) -> String {
    (0..seconds).flat_map(|second| ["a", "b", "c", "d"].map(|backend| (second, backend))).fold(
        HEADER.to_owned(),
        |mut text, (second, backend)| {
            let is_slow = backend == "c" && when.contains(&second);
            text.push_str(&row(second, backend, if is_slow { slower } else { 1.0 }, 0.4));
            text
        },
    )
}

#[test]
fn a_backend_that_was_slow_for_a_minute_is_named_with_its_figures_and_when_it_was_over() {
    let folder = Scratch::new();
    let (printed, said, code) = replay(&folder.file("a.csv", recorded(300, 8.0, 120..180)), &[]);
    assert_eq!((&*said, code), ("", Some(0)), "{printed}");
    let raised = printed.lines().find(|line| line.contains("answers slowly (high_latency), confidence")).unwrap();
    assert!(raised.starts_with("2025-11-27T08:02:") && raised.contains("  c  "), "{printed}");
    assert!(printed.contains("    peers 0."), "{printed}");
    let cleared =
        printed.lines().find(|line| line.contains("c  no more: answers slowly (high_latency), after")).unwrap();
    assert!(cleared.starts_with("2025-11-27T08:03:"), "{printed}");
    for other in ["  a  ", "  b  ", "  d  "] {
        assert!(!printed.contains(other), "{printed}");
    }
    let first = "1200 samples of 4 backends, 2025-11-27T08:00:00.000Z to 2025-11-27T08:04:59.000Z (4 min 59 s)\n";
    assert!(printed.contains(first), "{printed}");
}

#[test]
fn json_lines_are_read_and_written() {
    let folder = Scratch::new();
    let csv = recorded(200, 8.0, 120..180);
    let names: Vec<&str> = HEADER.trim().split(',').collect();
    let lines = csv.lines().skip(1).map(|line| {
        let of = |(name, text): (&&str, &str)| match text.parse::<f64>() {
            Ok(number) => format!("{name:?}:{number}"),
            Err(_) => format!("{name:?}:{text:?}"),
        };
        format!("{{{}}}\n", names.iter().zip(line.split(',')).map(of).collect::<Vec<_>>().join(","))
    });
    let json = folder.file("a.jsonl", lines.collect::<String>());
    let (printed, said, code) = replay(&json, &["--format", "json"]);
    assert_eq!((&*said, code), ("", Some(0)));
    let events: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let raised = events.iter().find(|e| e["event"] == "raised" && e["fault"] == "high_latency").unwrap();
    assert_eq!(raised["backend"], "c");
    assert!(raised["votes"][0]["reason"].as_str().is_some_and(|reason| reason.contains("ms")), "{raised}");
    let summary = events.last().unwrap();
    assert_eq!((&summary["event"], &summary["samples"]), (&"summary".into(), &800.into()));
    assert_eq!(replay(&folder.file("a.csv", csv), &["--format", "json"]).0, printed, "CSV says the same");
}

#[test]
fn nothing_found_is_said() {
    let folder = Scratch::new();
    let (printed, _, code) = replay(&folder.file("a.csv", recorded(120, 1.0, 0..0)), &[]);
    assert_eq!(printed.lines().last(), Some("nothing was found"), "{printed}");
    assert_eq!((printed.lines().count(), code), (2, Some(0)));
}

#[test]
fn a_single_series_is_looked_at_alone() {
    let folder = Scratch::new();
    let text = (0..600_u64).fold("timestamp,value\n".to_owned(), |mut text, n| {
        let value = if n == 500 { 90 } else { 50 + n * 7919 % 5 };
        writeln!(text, "2014-04-{:02} {:02}:{:02}:00,{value}", 1 + n / 288, n % 288 / 12, n % 12 * 5).unwrap();
        text
    });
    let (printed, said, code) = replay(&folder.file("series.csv", text), &[]);
    assert_eq!((&*said, code), ("", Some(0)));
    assert!(printed.contains("2014-04-02T17:40:00.000Z  the series  90 is unusual (score "), "{printed}");
    assert!(
        printed.contains("600 values, 2014-04-01T00:00:00.000Z to 2014-04-03T01:55:00.000Z (2 d 1 h)"),
        "{printed}"
    );
}

#[test]
fn a_bad_row_is_told_with_its_line_and_passed_over_only_where_that_is_asked_for() {
    let folder = Scratch::new();
    let text = recorded(10, 1.0, 0..0).replacen("\n", ",region\n", 1).replace("0.5\n", "0.5,eu\n");
    let text = text + "noon,a,1,1,1,1,1,1,1,eu\n" + "1,2\n";
    let file = folder.file("a.csv", text);
    let name = file.display();
    let warned = format!("evenkeel: {name}: warning: the column `region` is not known and is passed over\n");
    let first = format!("evenkeel: {name}:42: the time is \"noon\", which is neither RFC 3339");
    let (printed, said, code) = replay(&file, &[]);
    assert_eq!((&*printed, code), ("", Some(1)));
    assert!(said.starts_with(&format!("{warned}{first}")) && said.contains("--lenient"), "{said}");
    let (printed, said, code) = replay(&file, &["--lenient"]);
    assert!(said.contains(&first) && said.contains(&format!("{name}:43: 2 fields, the header has 10")), "{said}");
    assert!(printed.ends_with("2 rows passed over that could not be understood\n"), "{printed}");
    assert_eq!(code, Some(0));
}

#[test]
fn what_can_not_be_read_is_a_failure_and_what_was_not_meant_is_a_mistake() {
    let folder = Scratch::new();
    let (_, said, code) = replay(&folder.path().join("none.csv"), &[]);
    assert!(said.contains("can't be read") && code == Some(1), "{said}");
    let (_, said, code) = replay(&folder.file("empty.csv", ""), &[]);
    assert!(said.contains("has no rows") && code == Some(1), "{said}");
    let (_, said, code) = replay(&folder.file("letter.txt", "Dear Sir,\n"), &[]);
    assert!(said.contains("letter.txt:1: the first line is neither JSON nor a header") && code == Some(1), "{said}");
    assert_eq!(told(&[]).2, Some(2));
    let file = folder.file("a.csv", recorded(3, 1.0, 0..0));
    assert_eq!(replay(&file, &["--format", "xml"]).2, Some(2));
    let bad = folder.file("bad.toml", "[[listener]]\n");
    assert_eq!(replay(&file, &["--config", bad.to_str().unwrap()]).2, Some(2));
    let good = folder.file("good.toml", configuration(""));
    let (_, said, code) = replay(&file, &["--config", good.to_str().unwrap(), "--service", "ap"]);
    assert!(said.contains("there is no service `ap` in the configuration: it has api") && code == Some(2), "{said}");
}

fn configuration(more: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\nservice = \"api\"\n\
         [[service.api.backend]]\naddress = \"127.0.0.1:1\"\nid = \"a\"\n[service.api.detect]\n{more}\n"
    )
}

#[test]
fn settings_are_tried_on_what_was_recorded() {
    let folder = Scratch::new();
    let file = folder.file("a.csv", recorded(60, 1.0, 0..0));
    let with = |more: &str| {
        let toml = folder.file("proxy.toml", configuration(more));
        replay(&file, &["--config", toml.to_str().unwrap(), "--service", "api"])
    };
    let (printed, said, code) = with("");
    assert!(printed.contains("nothing was found") && said.is_empty() && code == Some(0), "{printed}{said}");
    let (printed, _, code) = with("performance.cpu = 0.3");
    assert!(printed.contains("(resource_exhaustion)") && code == Some(0), "{printed}");
}

#[test]
fn of_several_services_one_can_be_looked_at() {
    let folder = Scratch::new();
    let rows = (0..30).flat_map(|second| ["api", "web"].map(|service| (second, service)));
    let text = rows.fold("time,service,backend,requests\n".to_owned(), |mut text, (second, service)| {
        writeln!(text, "{},{service},a,10", BEGIN + second).unwrap();
        text
    });
    let file = folder.file("a.csv", text);
    let (printed, _, _) = replay(&file, &[]);
    assert!(printed.starts_with("60 samples of 2 backends"), "{printed}");
    let (printed, _, _) = replay(&file, &["--service", "web"]);
    assert!(
        printed.starts_with("30 samples of 1 backend,") && printed.contains("30 rows of other services"),
        "{printed}"
    );
    let (_, said, code) = replay(&file, &["--service", "shop"]);
    assert!(said.contains("has no rows of the service `shop`, and 60 of others") && code == Some(1), "{said}");
}

#[test]
fn a_verdict_comes_before_the_rows_have_ended() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.args(["detect", "--replay", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut rows, mut lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    // more than any buffer on the way
    rows.write_all(recorded(150, 8.0, 100..150).as_bytes()).unwrap();
    rows.write_all((150..2000).map(|second| row(second, "a", 1.0, 0.4)).collect::<String>().as_bytes()).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("  c  "));
    drop(rows);
    assert!(lines.map_while(Result::ok).any(|line| line.contains("samples of 4 backends")));
    assert!(child.wait().unwrap().success());
}
