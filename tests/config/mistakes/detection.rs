//! Mistakes in `[service.NAME.detect]` and in `latency_factor`, and what good ones become.

use std::path::Path;
use std::time::Duration;

use evenkeel::detect::service::Settings;
use evenkeel::policy::{LatencyRule, Question};

use crate::support::{GOOD, bad, good, only_mistake, told};

fn outlier(factor: &str) -> String {
    format!("{GOOD}\n[service.app.outlier]\nlatency_factor = {factor}\n")
}

fn detect(rest: &str) -> String {
    format!("{GOOD}\n[service.app.detect]\n{rest}\n")
}

fn dependency(rest: &str) -> String {
    detect(&format!("[[service.app.detect.dependency]]\n{rest}"))
}

#[test]
fn the_latency_factor_is_a_word_or_a_number() {
    let rule = |text: &str| good(text).config.services[0].outlier.latency;
    assert_eq!(rule(GOOD), LatencyRule::Auto);
    assert_eq!(rule(&outlier("\"auto\"")), LatencyRule::Auto);
    assert_eq!(rule(&outlier("3.5")), LatencyRule::Factor(3.5));
    assert_eq!(rule(&outlier("3")), LatencyRule::Factor(3.0));
    assert_eq!(rule(&outlier("0")), LatencyRule::Off);
    assert_eq!(rule(&outlier("0.0")), LatencyRule::Off);
    let word = "[server.environment]\nFACTOR = 'auto'\n".to_owned() + &outlier("\"${FACTOR}\"");
    assert_eq!(rule(&word), LatencyRule::Auto);
}

#[test]
fn what_is_neither_that_word_nor_a_number_is_told_with_what_was_meant() {
    for (factor, meant) in [
        ("\"automatic\"", Some("auto")),
        ("\"Auto\"", Some("auto")),
        ("\"aut\"", Some("auto")),
        ("\"off\"", Some("0.0")),
        ("\"3.0\"", Some("3.0")),
        ("\"fast\"", None),
        ("true", None),
        ("-1.0", None),
        ("-1", None),
        ("1001", None),
        ("nan", None),
    ] {
        let diagnostics = bad(&outlier(factor));
        assert_eq!(diagnostics.len(), 1, "{factor}: {diagnostics}");
        let only = diagnostics.iter().next().unwrap();
        assert_eq!((only.line, only.suggestion.as_deref()), (11, meant), "{factor}");
        assert!(only.message.starts_with("`latency_factor` "), "{factor}: {}", only.message);
        assert!(only.expected.as_ref().is_some_and(|expected| expected.contains("from 0 to 1000")), "{only:?}");
    }
}

#[test]
fn it_is_shown_like_other_mistakes() {
    let expected = r#"error: `latency_factor` can't be "automatic"
  --> proxy.toml:11:18
   |
11 | latency_factor = "automatic"
   |                  ^^^^^^^^^^^ did you mean `auto`?
   |
   = expected "auto", or a number from 0 to 1000 such as 3.0; 0 = off

1 mistake in proxy.toml
"#;
    assert_eq!(bad(&outlier("\"automatic\"")).to_string(), expected);
}

#[test]
fn an_empty_section_turns_detection_on_with_the_defaults() {
    assert_eq!(good(GOOD).config.services[0].detect, None);
    let loaded = good(&detect(""));
    let detect = loaded.config.services[0].detect.as_ref().unwrap();
    assert_eq!((&detect.settings, &detect.record), (&Settings::default(), &None));
    assert!(detect.dependencies.is_empty());
    let shown = &loaded.effective.to_json()["service"]["app"];
    assert_eq!(shown["outlier"]["latency_factor"], "auto");
    assert_eq!(shown["detect"]["heartbeat"]["missed"], 3);
    assert_eq!(shown["detect"]["anomaly"]["window"], 50);
    assert_eq!(shown["detect"].get("record"), None);
}

#[test]
fn every_setting_arrives() {
    let text = detect(
        "interval = '2s'\nvote = 0.6\nrecord = 'samples.csv'\n\
         heartbeat = { interval = '1s', missed = 5 }\n\
         performance = { latency = '500ms', error_rate = 0.01, cpu = 0.7, memory = 0.6 }\n\
         anomaly = { threshold = 3.5, window = 100 }\n\
         dependency = [{ name = 'db', endpoint = 'tcp://[::1]:5432', timeout = '200ms', interval = '3s' },\
         { name = 'cart', endpoint = 'http://Cart/up?x=1' }, { name = 'login', endpoint = 'grpc://login:50051/a.Login' }]",
    );
    let detect = good(&text).config.services[0].detect.clone().unwrap();
    let settings = &detect.settings;
    assert_eq!((settings.interval, settings.vote), (Duration::from_secs(2), 0.6));
    assert_eq!((settings.heartbeat.interval, settings.heartbeat.missed), (Duration::from_secs(1), 5));
    let performance = &settings.performance;
    assert_eq!(performance.latency, Duration::from_millis(500));
    assert_eq!((performance.error_rate, performance.cpu, performance.memory), (0.01, 0.7, 0.6));
    assert_eq!((settings.anomaly.threshold, settings.anomaly.window), (3.5, 100));
    assert_eq!(detect.record.as_deref(), Some(Path::new("samples.csv")));
    let [db, cart, login] = &detect.dependencies[..] else { panic!("three") };
    assert_eq!((&*db.name, &*db.endpoint.host, db.endpoint.port), ("db", "::1", 5432));
    assert_eq!((db.timeout, db.interval), (Duration::from_millis(200), Duration::from_secs(3)));
    assert_eq!((&*cart.endpoint.host, cart.endpoint.port), ("cart", 80));
    assert_eq!(cart.endpoint.question, Question::Get("/up?x=1".parse().unwrap()));
    assert_eq!(login.endpoint.question, Question::GrpcHealth("a.Login".to_owned()));
    assert_eq!((login.timeout, login.interval), (Duration::from_secs(1), Duration::from_secs(5)));
}

#[test]
fn what_makes_no_sense_is_told_where_it_stands() {
    let db = "name = 'db'\nendpoint = 'tcp://a:1'";
    for (text, mistake) in [
        (detect("interval = '99ms'"), "interval: `interval` is too short"),
        (detect("interval = '0s'"), "interval: `interval` is too short"),
        (detect("vote = 0"), "vote: `vote` can't be 0"),
        (detect("vote = 1.1"), "vote: `vote` is out of range"),
        (detect("vote = -0.5"), "vote: `vote` is out of range"),
        (detect("record = ''"), "record: \"\" can't be used here"),
        (detect("heartbeat.interval = '1ms'"), "heartbeat.interval: `interval` is too short"),
        (detect("heartbeat.missed = 0"), "heartbeat.missed: `missed` is out of range"),
        (detect("performance.latency = '0s'"), "performance.latency: `latency` can't be 0"),
        (detect("performance.error_rate = 0.0"), "performance.error_rate: `error_rate` can't be 0"),
        (detect("performance.error_rate = 5"), "performance.error_rate: `error_rate` is out of range"),
        (detect("performance.cpu = 80"), "performance.cpu: `cpu` is out of range"),
        (detect("performance.memory = -1"), "performance.memory: `memory` is out of range"),
        (detect("anomaly.threshold = 0"), "anomaly.threshold: `threshold` can't be 0"),
        (detect("anomaly.window = 9"), "anomaly.window: `window` is out of range"),
        (detect("anomaly.window = 20000"), "anomaly.window: `window` is out of range"),
        (detect("windw = 9"), "windw: unknown key `windw`"),
        (dependency("name = 'db'"), "dependency[0]: `endpoint` is missing"),
        (dependency("endpoint = 'tcp://a:1'"), "dependency[0]: `name` is missing"),
        (dependency("name = 'a b'\nendpoint = 'tcp://a:1'"), "dependency[0].name: \"a b\" can't be a name"),
        (dependency("name = 'db'\nendpoint = 'a:1'"), "dependency[0].endpoint: `a:1` has no scheme"),
        (dependency("name = 'db'\nendpoint = 'tcp://a'"), "dependency[0].endpoint: `tcp://a` has no port"),
        (
            dependency("name = 'db'\nendpoint = 'udp://a:1'"),
            "dependency[0].endpoint: `udp://a:1` has the scheme `udp`, which can't be checked",
        ),
        (dependency(&format!("{db}\ninterval = '50ms'")), "dependency[0].interval: `interval` is too short"),
        (dependency(&format!("{db}\ntimeout = '0s'")), "dependency[0].timeout: `timeout` can't be 0"),
        (
            dependency(&format!("{db}\n[[service.app.detect.dependency]]\nname = 'db'\nendpoint = 'tcp://b:1'")),
            "dependency[1].name: another dependency of the service is named `db`",
        ),
    ] {
        assert_eq!(only_mistake(&text), format!("service.app.detect.{mistake}"), "{text}");
        let only = bad(&text);
        let only = only.iter().next().unwrap();
        assert!(
            only.line > 9 && (only.expected.is_some() || only.suggestion.is_some() || only.help.is_some()),
            "{only:?}"
        );
    }
}

#[test]
fn none_of_them_hides_another() {
    let text = detect(
        "vote = 0\ninterval = '1ms'\nanomaly = { window = 3, threshold = 0 }\n\
         dependency = [{ name = 'a', endpoint = 'tcp://x' }, { name = 'b', interval = '1ms', endpoint = 'tcp://a:1' }]",
    );
    assert_eq!(
        told(&bad(&text)),
        [
            "11:8 service.app.detect.vote: `vote` can't be 0",
            "12:12 service.app.detect.interval: `interval` is too short",
            "13:22 service.app.detect.anomaly.window: `window` is out of range",
            "13:37 service.app.detect.anomaly.threshold: `threshold` can't be 0",
            "14:40 service.app.detect.dependency[0].endpoint: `tcp://x` has no port",
            "14:78 service.app.detect.dependency[1].interval: `interval` is too short",
        ]
    );
}

#[test]
fn what_others_call_otherwise_is_understood() {
    let suggestion = |text: &str| bad(text).iter().next().unwrap().suggestion.clone();
    assert_eq!(suggestion(&dependency("name = 'db'\nurl = 'tcp://a:1'")).as_deref(), Some("endpoint"));
    assert_eq!(suggestion(&detect("vote = 80")).as_deref(), Some("0.8"));
    assert_eq!(suggestion(&dependency("name = 'db'\nendpoint = 'a:1'")).as_deref(), Some("tcp://a:1"));
    let misplaced = bad(&format!("{GOOD}\n[[service.app.dependency]]\nname = 'db'\n"));
    assert_eq!(misplaced.iter().next().unwrap().suggestion.as_deref(), Some("detect.dependency"), "{misplaced}");
}

#[test]
fn two_services_may_share_what_they_depend_on_and_the_file() {
    let service = |name: &str| {
        format!(
            "[[service.{name}.backend]]\naddress = '127.0.0.1:1'\n[service.{name}.detect]\nrecord = 'all.csv'\n\
             dependency = [{{ name = 'db', endpoint = 'tcp://db.internal:5432' }}]\n"
        )
    };
    let text = format!(
        "[[listener]]\nname = 'web'\nbind = '127.0.0.1:8080'\n[[listener.route]]\nsplit = [{{ service = 'a', weight = 1 }}, \
         {{ service = 'b', weight = 1 }}]\n{}{}",
        service("a"),
        service("b")
    );
    let config = good(&text).config;
    assert_eq!(config.services[0].detect, config.services[1].detect);
}
