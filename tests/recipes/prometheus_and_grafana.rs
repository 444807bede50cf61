//! prometheus-and-grafana.md

use std::fs;

use regex::Regex;

use super::Recipe;
use super::page::folder;
use super::support::{Origin, wait_until};

#[test]
fn prometheus_may_read_and_nobody_else_and_finds_what_the_page_names() {
    let (first, second) = (Origin::ok(), Origin::ok());
    let mut recipe = Recipe::open("prometheus-and-grafana");
    recipe.certificate("/etc/letsencrypt/live/edge.example.com", "", &["edge.example.com"]);
    recipe.replace("10.0.0.21:8000", first.address());
    recipe.replace("10.0.0.22:8000", second.address());
    recipe.follow("A token");
    recipe.follow("Files");
    recipe.follow("Start it");
    recipe.follow("Try it");

    let scrape =
        || recipe.run("curl -s --oauth2-bearer \"$(cat prometheus.token)\" https://edge.example.com:9900/metrics");
    wait_until("the request is counted", || scrape().contains("evenkeel_requests_total{"));
    let (metrics, page) = (scrape(), fs::read_to_string(folder().join("prometheus-and-grafana.md")).unwrap());
    let name = Regex::new(r"`((?:evenkeel|process)_[a-z_]+)`").unwrap();
    let named: Vec<&str> = name.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(named.len() > 8, "{named:?}");
    let board = fs::read_to_string(folder().join("../../deploy/grafana/evenkeel.json")).unwrap();
    for metric in named {
        assert!(metrics.contains(&format!("# TYPE {metric} ")), "{metric} is not in\n{metrics}");
        assert!(board.contains(metric), "{metric} is on no panel");
    }
    // the job by which the alerts find it
    let prometheus = fs::read_to_string(recipe.path("prometheus.yml")).unwrap();
    let alerts = fs::read_to_string(folder().join("../../deploy/prometheus-alerts.yml")).unwrap();
    assert!(prometheus.contains("job_name: evenkeel\n") && alerts.contains("job=\"evenkeel\""));
}
