use std::time::Duration;

use super::*;
use crate::openslo::{export, sections};
use crate::sla::Unit;

/// Written for this test after the shapes that the specification shows.
const SHOP: &str = include_str!("shop.yaml");

fn has(remarks: &[String], words: &str) {
    assert!(remarks.iter().any(|remark| remark.contains(words)), "{words} is not in {remarks:#?}");
}

/// An SLO by requests with these lines in its objective, and with this window.
fn slo(window: &str, objective: &str) -> String {
    format!(
        "apiVersion: openslo/v1
kind: SLO
metadata: {{ name: s }}
spec:
  service: api
  budgetingMethod: Occurrences
  indicator:
    metadata: {{ name: i }}
    spec: {{ ratioMetric: {{ rawType: success, raw: {{ metricSource: {{ spec: {{ query: q }} }} }} }} }}
  timeWindow: [{{ {window} }}]
  objectives: [{objective}]
"
    )
}

#[test]
fn a_file_of_another_tool_becomes_promises_and_remarks() {
    let imported = import(SHOP).unwrap();
    let said = remarks(&imported);
    let found: Vec<_> = imported.services.iter().map(|one| (one.name.as_str(), &one.promise)).collect();
    let [("checkout", checkout), ("search", search)] = found[..] else { panic!("{found:#?}") };
    assert_eq!(
        checkout,
        &Promise { tier: None, target: 0.9995, window: Window::Calendar(Unit::Month), floor: 0.95, ..plain() }
    );
    assert_eq!((search.target, search.latency), (0.99, Some(Duration::from_millis(300))));
    assert_eq!(search.window, Window::Rolling(Duration::from_secs(28 * 86_400)));
    for words in [
        "a.yaml:2:1: document 1, DataSource/prometheus: a data source is not used",
        "a.yaml:51:10: document 5, SLO/checkout-availability, spec.owner: OpenSLO v1 has no such field",
        "SLO/checkout-availability, spec: its queries are not used",
        "SLO/checkout-availability, spec.objectives[1]: the strictest objective of the SLO, 0.9995, is taken",
        "SLO/checkout-availability, spec.timeWindow[0].calendar.timeZone: windows of the calendar are in UTC, not in Europe/Berlin",
        "SLO/checkout-availability, spec.objectives[0].timeSliceWindow: time is not cut into slices of this length",
        "SLO/checkout-availability, spec.alertPolicies: alert policies are not taken",
        "SLO/search-latency, spec.objectives[0]: 0.3 is taken as a latency of 300ms",
        "SLO/queue, spec.objectives[0]: the metric is not known to be the time",
        "SLO/checkout-availability: nothing is said of rto, rpo, mttr, mtbf: Evenkeel's own values are taken",
        "SLO/search-latency: nothing is said of rto, rpo, mttr, mtbf, floor: Evenkeel's own values are taken",
        "AlertPolicy/burns: alert policies are not taken",
        "AlertCondition/fast: is none of the SRE workbook's alerts",
        "AlertNotificationTarget/mail: who is told",
        "Service/idle: no SLO that can be taken",
    ] {
        has(&said, words);
    }
    let queries = said.iter().filter(|remark| remark.contains("queries are not used")).count();
    assert_eq!(queries, 3, "once for each SLO");
    let toml = sections(&imported);
    assert!(toml.starts_with("# a.yaml:2:1: document 1, DataSource/prometheus"), "{toml}");
    assert!(toml.contains("\n[service.checkout.sla]\ntarget = 0.9995\n"), "{toml}");
}

#[test]
fn a_file_may_refer_to_what_another_defines() {
    let parts: Vec<_> = SHOP.split_inclusive("---\n").collect();
    let files: Vec<_> = parts.iter().rev().map(|text| File { name: "part.yaml", text }).collect();
    let imported = crate::openslo::import(&files).unwrap();
    assert_eq!(imported.services.len(), 2);
    assert!(!remarks(&imported).iter().any(|remark| remark.contains("is not in the files")));
    let alone: Vec<_> = files.into_iter().filter(|file| !file.text.contains("kind: SLI")).collect();
    has(&remarks(&crate::openslo::import(&alone).unwrap()), "the SLI `checkout-ratio` is not in the files");
}

#[test]
fn windows_are_taken_as_near_as_they_can_be() {
    let days = |days: u64| Window::Rolling(Duration::from_secs(days * 86_400));
    let calendar = "isRolling: false, calendar: { startTime: 2026-01-01 00:00:00, timeZone: Etc/UTC }";
    let noon = "calendar: { startTime: '2026-01-01 12:00:00', timeZone: UTC }";
    let cases = [
        (String::from("duration: 4w, isRolling: true"), days(28), None),
        (String::from("duration: 1M, isRolling: true"), days(30), Some("1M, rolling, is taken as 30d")),
        (
            String::from("duration: 20Y, isRolling: true"),
            days(1825),
            Some("20Y, rolling, is taken as 1825d: a window is from"),
        ),
        (String::from("duration: 7d"), days(7), Some("it is taken as rolling")),
        (format!("duration: 1Y, {calendar}"), Window::Calendar(Unit::Year), None),
        (format!("duration: 1w, {calendar}"), Window::Calendar(Unit::Week), Some("a week of the calendar begins")),
        (
            format!("duration: 1Q, {noon}"),
            Window::Calendar(Unit::Quarter),
            Some("a quarter of the calendar begins at midnight"),
        ),
        (
            format!("duration: 1M, {}", noon.replace("01 12", "15 00")),
            Window::Calendar(Unit::Month),
            Some("startTime: a month of the calendar begins"),
        ),
        (format!("duration: 1m, {calendar}"), Window::Calendar(Unit::Month), Some("a month (M) is taken")),
        (format!("duration: 2w, {calendar}"), days(14), Some("2w is taken as rolling")),
    ];
    for (window, taken, remark) in cases {
        let imported = import(&slo(&window, "{ target: 0.99 }")).unwrap();
        assert_eq!(imported.services[0].promise.window, taken, "{window}");
        let said = remarks(&imported).into_iter().filter(|remark| remark.contains("timeWindow")).collect::<Vec<_>>();
        assert_eq!(said.len(), usize::from(remark.is_some()), "{window}: {said:#?}");
        remark.into_iter().for_each(|words| has(&said, words));
    }
}

#[test]
fn targets_are_taken_to_the_last_digit() {
    for (objective, target) in [
        ("{ target: 0.9995 }", 0.9995),
        ("{ targetPercent: 99.95 }", 0.9995),
        ("{ targetPercent: 99.99 }", 0.9999),
        ("{ targetPercent: 5 }", 0.05),
    ] {
        let imported = import(&slo("duration: 30d, isRolling: true", objective)).unwrap();
        assert_eq!(imported.services[0].promise.target, target, "{objective}");
    }
    let nothing = import(&slo("duration: 30d, isRolling: true", "{ target: 0 }")).unwrap();
    assert_eq!(nothing.services, []);
    has(&remarks(&nothing), "a target of 0 promises nothing");
}

#[test]
fn a_threshold_is_a_latency_where_it_is_one() {
    let with = |name: &str, objective: &str| {
        let ratio = "ratioMetric: { rawType: success, raw: { metricSource: { spec: { query: q } } } }";
        let threshold = format!("thresholdMetric: {{ metricSource: {{ spec: {{ query: {name} }} }} }}");
        import(&slo("duration: 30d, isRolling: true", objective).replace(ratio, &threshold)).unwrap()
    };
    let cases = [
        ("http_request_duration_seconds", "{ op: lte, value: 0.25, target: 0.9 }", Some(250)),
        ("p99_ms", "{ op: lt, value: 800, target: 0.9 }", Some(800)),
        ("latency", "{ op: lt, value: 500, target: 0.9 }", Some(500)),
        ("latency", "{ op: gte, value: 500, target: 0.9 }", None),
        ("latency", "{ op: lt, value: -5, target: 0.9 }", None),
        ("latency", "{ op: lt, value: 1e300, target: 0.9 }", None),
        ("cpu_load", "{ op: lt, value: 5, target: 0.9 }", None),
    ];
    for (query, objective, millis) in cases {
        let imported = with(query, objective);
        let latency = imported.services.first().and_then(|one| one.promise.latency);
        assert_eq!(latency, millis.map(Duration::from_millis), "{query} {objective}");
    }
    has(&remarks(&with("latency", "{ op: lt, value: 500, target: 0.9 }")), "because no unit is said: milliseconds");
}

#[test]
fn what_somebody_changed_in_an_exported_file_is_heeded() {
    let text = export(&[service("api", plain()).as_promised()]).unwrap();
    let changed = text
        .replacen("target: 0.999\n", "target: 0.9999\n", 1)
        .replace("evenkeel.dev/rto: 1m", "evenkeel.dev/rto: soon");
    let imported = import(&changed).unwrap();
    let promise = &imported.services[0].promise;
    assert_eq!((promise.tier, promise.target, promise.rto), (None, 0.9999, Duration::from_secs(60)));
    for words in
        ["its target 0.999 gives way to 0.9999", "is not that of the tier standard", "evenkeel.dev/rto: can't be read"]
    {
        has(&remarks(&imported), words);
    }
}

#[test]
fn two_services_are_never_one_section() {
    let text = export(&[service("a_b", plain()).as_promised()]).unwrap();
    let label = crate::openslo::name::label("a_b");
    let twice = format!("{text}---\n{}", text.replace(&label, "other"));
    let imported = import(&twice).unwrap();
    assert_eq!(imported.services, [service("a_b", plain())]);
    has(&remarks(&imported), "Service/other: another service of the files is called `a_b`: this one is not taken");
}

#[test]
fn what_proxy_toml_does_not_take_is_brought_within_its_bounds_or_left_out_with_a_remark() {
    for (window, taken) in
        [("5m", 3600), ("59m", 3600), ("1826d", 1825 * 86_400), ("61M", 1825 * 86_400), ("9999999999d", 1825 * 86_400)]
    {
        let imported = import(&slo(&format!("duration: {window}, isRolling: true"), "{ target: 0.99 }")).unwrap();
        assert_eq!(imported.services[0].promise.window, Window::Rolling(Duration::from_secs(taken)), "{window}");
        has(&remarks(&imported), "a window is from 1h to 1825d long");
    }
    let text = export(&[service("api", plain()).as_promised()]).unwrap();
    for (name, value) in [
        ("rto", "0s"),
        ("latency", "0s"),
        ("rpo", "1ms"),
        ("mttr", "0d"),
        ("maintenance-1", "Sun 02:00-04:00 Mars/X"),
        ("maintenance-1", "{ from = 1 }"),
    ] {
        let lines = text.lines().filter(|line| !line.contains(&format!("evenkeel.dev/{name}:")));
        let with = |line: &str| match line.trim() {
            "annotations:" => format!("{line}\n    evenkeel.dev/{name}: '{value}'\n"),
            _ => format!("{line}\n"),
        };
        let imported = import(&lines.map(with).collect::<String>()).unwrap();
        assert_eq!(imported.services, [service("api", plain())], "{name} {value}");
        has(&remarks(&imported), &format!("evenkeel.dev/{name}: is "));
    }
}

#[test]
fn a_service_that_can_not_be_called_so_is_left_out_with_a_remark() {
    for name in ["\"\"", "a b", "\"<script>\"", "..", "."] {
        let text = slo("duration: 30d, isRolling: true", "{ target: 0.99 }")
            .replace("service: api", &format!("service: {name}"));
        let imported = import(&text).unwrap();
        assert_eq!(imported.services, [], "{name}");
        has(&remarks(&imported), "can't be the name of a service in proxy.toml");
    }
}

#[test]
fn what_is_a_text_in_yaml_1_2_is_a_name() {
    for name in ["n", "y", "no", "off", "Yes"] {
        let text = slo("duration: 30d, isRolling: true", "{ target: 0.99 }")
            .replace("service: api", &format!("service: {name}"));
        assert_eq!(import(&text).unwrap().services[0].name, name);
    }
    let text = slo("duration: 30d, isRolling: yes", "{ target: 0.99 }");
    let imported = import(&text).unwrap();
    assert!(!remarks(&imported).iter().any(|remark| remark.contains("isRolling")), "{:?}", remarks(&imported));
}

#[test]
fn our_own_alerts_are_taken_without_a_remark_however_an_slo_names_them() {
    let text = export(&[service("api", plain()).as_promised()]).unwrap();
    let references = "  alertPolicies:\n  - alertPolicyRef: evenkeel-page-1h\n  - alertPolicyRef: evenkeel-page-6h\n  \
                      - alertPolicyRef: evenkeel-ticket-1d\n  - alertPolicyRef: evenkeel-ticket-3d\n";
    assert!(text.contains(references), "{text}");
    let with = |policies: &str| remarks(&import(&text.replace(references, policies)).unwrap());
    let inline = |name: &str, threshold: &str| {
        format!(
            "  alertPolicies:\n  - kind: AlertPolicy\n    metadata:\n      name: {name}\n    spec:\n      alertWhenBreaching: true\n      \
             conditions:\n      - kind: AlertCondition\n        metadata:\n          name: {name}\n        spec:\n          severity: page\n          \
             condition:\n            kind: burnrate\n            op: gte\n            threshold: {threshold}\n            lookbackWindow: 1h\n            \
             alertAfter: 1m\n"
        )
    };
    for ours in [
        String::new(),
        "  alertPolicies: []\n".to_owned(),
        "  alertPolicies:\n  - evenkeel-page-1h\n".to_owned(),
        inline("evenkeel-page-1h", "14.4"),
        inline("evenkeel-page-1h", "14.4").replace("kind: AlertCondition\n", "conditionRef: evenkeel-page-1h\n"),
    ] {
        assert_eq!(with(&ours), [""; 0], "{ours}");
    }
    for other in [
        "  alertPolicies:\n  - alertPolicyRef: burns\n".to_owned(),
        "  alertPolicies:\n  - 7\n".to_owned(),
        inline("burns", "14.4"),
        inline("evenkeel-page-1h", "10"),
    ] {
        let said = with(&other);
        assert!(said.iter().all(|said| said.contains("spec.alertPolicies: alert policies are not taken")), "{said:?}");
        assert_eq!(said.len(), 2, "one for each SLO: {said:?}");
    }
}
