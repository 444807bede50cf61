//! json-logs.md

use std::fs;

use serde_json::Value;

use super::Recipe;
use super::support::{Origin, wait_until};

#[test]
fn each_line_is_an_object_with_the_members_that_were_asked_for() {
    let app = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let status = if request.target() == "/missing" { "404 Not Found" } else { "200 OK" };
            conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok"));
        }
    });
    let mut recipe = Recipe::open("json-logs");
    let folder = recipe.path("logs");
    fs::create_dir(&folder).unwrap();
    recipe.replace("/var/log/evenkeel", folder.to_str().unwrap());
    recipe.replace("10.0.0.21:8000", app.address());
    recipe.follow("Files");
    recipe.follow("Start it");
    recipe.follow("Try it");
    let lines = || fs::read_to_string(folder.join("access.log")).unwrap().lines().count();
    wait_until("both lines are written", || lines() == 2);
    recipe.follow("What the lines look like");

    // whatever clients send, a line is one line, and JSON
    for sent in [
        "GET /\"'\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: \\\"}\t\r\n\r\n",
        "GET /%0a%22 HTTP/1.1\r\nHost: a\r\nReferer: \u{e9}\u{1f600}\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{1}\u{7f}\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let before = lines();
        let mut client = recipe.client(80);
        client.send(sent);
        client.finish();
        client.rest();
        wait_until("it has a line", || lines() > before);
    }
    let config: toml::Table = fs::read_to_string(recipe.path("proxy.toml")).unwrap().parse().unwrap();
    let fields: Vec<&str> =
        config["log"]["access_fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
    let text = fs::read_to_string(folder.join("access.log")).unwrap();
    for line in text.lines() {
        let line: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let mut members: Vec<&str> = line.keys().map(String::as_str).collect();
        let mut expected = fields.clone();
        members.sort_unstable();
        expected.sort_unstable();
        assert_eq!(members, expected);
        for number in
            ["status", "bytes", "bytes_in", "duration_ms", "first_byte_ms", "connect_ms", "queue_ms", "attempts"]
        {
            assert!(line[number].is_number() || line[number].is_null(), "{number} of {line:?}");
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }

    for agent in ["Loki, by Grafana Alloy", "Loki, by Vector", "Elasticsearch, by Filebeat"] {
        recipe.follow(agent);
    }
    // what the agents look for is where the log is, and they ask for no member that is not there
    for (file, members) in [
        ("config.alloy", &["time", "listener", "service", "status"][..]),
        ("vector.yaml", &["time", "listener", "service"]),
        ("filebeat.yml", &["time"]),
    ] {
        let text = fs::read_to_string(recipe.path(file)).unwrap();
        assert!(text.contains(folder.join("access.log").to_str().unwrap()), "{text}");
        assert!(members.iter().all(|member| text.contains(member) && fields.contains(member)), "{text}");
    }
}
