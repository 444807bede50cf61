use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::openslo::{export, sections};
use crate::sla::Unit;

/// Twenty services that differ in everything a promise can say.
fn twenty() -> Vec<Service> {
    let mut all: Vec<Service> = Tier::ALL
        .into_iter()
        .map(|tier| service(tier.as_str(), Promise { tier: Some(tier), target: tier.target(), ..plain() }))
        .collect();
    all.extend(
        [0.5, 0.9995, 0.999_999_9]
            .into_iter()
            .enumerate()
            .map(|(n, target)| service(&format!("own-{n}"), Promise { tier: None, target, ..plain() })),
    );
    all.extend(Unit::ALL.map(|unit| service(unit.as_str(), Promise { window: Window::Calendar(unit), ..plain() })));
    let rolling = |millis| Window::Rolling(Duration::from_millis(millis));
    all.push(service("seven-days", Promise { window: rolling(7 * 86_400_000), ..plain() }));
    all.push(service("ninety-minutes-and-a-half", Promise { window: rolling(5_430_000), ..plain() }));
    all.push(service("Groesse.Co", Promise { latency: Some(Duration::from_millis(500)), ..plain() }));
    all.push(service(&"long_name.".repeat(12), Promise { floor: 0.0, protect: true, ..plain() }));
    all.push(service("true", Promise { floor: 1.0, latency: Some(Duration::from_secs(2)), ..plain() }));
    all.push(service(
        "00123",
        Promise { rto: Duration::from_millis(1500), rpo: Duration::from_millis(100), ..plain() },
    ));
    all.push(Service {
        maintenance: vec![
            String::from(r#"{ from = "2026-12-01T02:00:00Z", to = "2026-12-01T03:00:00Z" }"#),
            String::from("Sun 02:00-04:00 Europe/Berlin"),
        ],
        ..service("kept_up", plain())
    });
    all
}

fn exported(services: &[Service]) -> String {
    export(&services.iter().map(Service::as_promised).collect::<Vec<_>>()).unwrap()
}

#[test]
fn export_import_export_is_the_identity_for_twenty_services() {
    let services = twenty();
    assert_eq!(services.len(), 20);
    let text = exported(&services);
    let imported = import(&text).unwrap();
    assert_eq!(remarks(&imported), [""; 0], "nothing of ours needs a remark");
    assert_eq!(imported.services, services);
    assert_eq!(exported(&imported.services), text);
}

#[test]
fn a_promise_is_said_in_the_words_of_openslo() {
    let month = Window::Calendar(Unit::Month);
    let promise = Promise { window: month, floor: 0.9, latency: Some(Duration::from_millis(500)), ..plain() };
    let text = exported(&[service("api", promise)]);
    for words in [
        "apiVersion: openslo/v1\n",
        "name: api-requests\n",
        "name: api-time\n",
        "budgetingMethod: Occurrences\n",
        "budgetingMethod: Timeslices\n",
        "target: 0.999\n",
        "timeSliceTarget: 0.9\n",
        "timeSliceWindow: 1m\n",
        "duration: 1M\n",
        "isRolling: false\n",
        "timeZone: Etc/UTC\n",
        "evenkeel.dev/latency: 500ms\n",
        "evenkeel.dev/rto: 1m\n",
        "name: evenkeel-page-1h\n",
        "threshold: 14.4\n",
        "lookbackWindow: 3d\n",
        r#"evenkeel_sla_requests_total{service="api",outcome="good"}"#,
        r#"evenkeel_sla_requests_total{service="api",outcome=~"good|failed|slow"}"#,
        "within 500ms",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert_eq!(exported(&[]), "");
}

#[test]
fn every_slo_refers_to_all_alerts_of_the_file() {
    let text = exported(&[service("api", plain()), service("web", plain())]);
    let refers = |name: &str| text.matches(&format!("- alertPolicyRef: {name}\n")).count();
    let all = ["evenkeel-page-1h", "evenkeel-page-6h", "evenkeel-ticket-1d", "evenkeel-ticket-3d"];
    assert_eq!(all.map(refers), [4; 4], "two services with two SLOs each:\n{text}");
    assert_eq!(text.matches("kind: AlertPolicy\n").count(), 4);
}

#[test]
fn what_was_imported_is_a_section_that_toml_reads() {
    let services = twenty();
    let imported = Imported { services: services.clone(), remarks: Vec::new() };
    let text = sections(&imported);
    let read: toml::Table = toml::from_str(&text).unwrap();
    let read = read["service"].as_table().unwrap();
    assert_eq!(read.len(), 20);
    for one in &services {
        let sla = read[&one.name]["sla"].as_table().unwrap();
        let (tier, target) = (sla.get("tier"), sla.get("target"));
        assert_eq!(tier.and_then(toml::Value::as_str), one.promise.tier.map(Tier::as_str), "{text}");
        assert_eq!(target.and_then(toml::Value::as_float), one.promise.tier.is_none().then_some(one.promise.target));
        assert_eq!(sla["floor"].as_float(), Some(one.promise.floor));
        assert_eq!(sla.contains_key("calendar"), matches!(one.promise.window, Window::Calendar(_)));
    }
    assert_eq!(read["month"]["sla"]["calendar"].as_str(), Some("month"));
    assert_eq!(read["seven-days"]["sla"]["window"].as_str(), Some("7d"));
    let windows = read["kept_up"]["sla"]["maintenance"].as_array().unwrap();
    assert_eq!(windows[0]["from"].as_str(), Some("2026-12-01T02:00:00Z"));
    assert_eq!(windows[1]["every"].as_str(), Some("Sun 02:00-04:00 Europe/Berlin"));
}

#[test]
fn no_text_of_a_file_gets_out_of_its_place_in_the_section() {
    let evil = "x\"]\nprotect = true\n[admin]\nbind = \"0.0.0.0:1\"\n#\u{7f}";
    let one = Service { maintenance: vec![evil.to_owned(), String::from("{ a = 1 } # }")], ..service(evil, plain()) };
    let place = crate::openslo::Place { file: evil.to_owned(), ..Default::default() };
    let remark = crate::openslo::Remark { place, text: evil.to_owned() };
    let text = sections(&Imported { services: vec![one], remarks: vec![remark] });
    let read: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["service"], "{text}");
    assert_eq!(read["service"][evil]["sla"]["protect"].as_bool(), Some(false));
    assert_eq!(read["service"][evil]["sla"]["maintenance"][0]["every"].as_str(), Some(evil));
}

fn any_time() -> impl Strategy<Value = Duration> {
    let millis = prop_oneof![Just(1), Just(1000), Just(60_000), Just(3_600_000), Just(86_400_000)];
    (1_u64..3650, millis).prop_map(|(number, unit)| Duration::from_millis(number * unit))
}

fn any_promise() -> impl Strategy<Value = Promise> {
    let goal = prop_oneof![
        prop::sample::select(&Tier::ALL[..]).prop_map(|tier| (Some(tier), tier.target())),
        (1e-9..1.0).prop_map(|target| (None, target)),
    ];
    let window = prop_oneof![
        prop::sample::select(&Unit::ALL[..]).prop_map(Window::Calendar),
        any_time().prop_map(|time| Window::Rolling(crate::openslo::bounds::window(time))),
    ];
    let times = (any_time(), any_time(), any_time(), any_time(), prop::option::of(any_time()));
    let floor = prop_oneof![Just(0.0), Just(1.0), 1e-5..1.0];
    (goal, times, window, floor, any::<bool>()).prop_map(
        |((tier, target), (rto, rpo, mttr, mtbf, latency), window, floor, protect)| Promise {
            tier,
            target,
            rto,
            rpo: rpo.max(crate::sla::SHORTEST_RPO),
            mttr,
            mtbf,
            window,
            latency,
            floor,
            protect,
        },
    )
}

fn any_maintenance() -> impl Strategy<Value = String> {
    const WRITTEN: [&str; 4] = [
        "daily 22:30-00:00",
        "Fri-Mon 23:00-01:00 Europe/Berlin",
        r#"{ every = "Sun 02:00-04:00" }"#,
        r#"{ from = "2026-12-01T02:00:00Z", to = "2026-12-01T03:00:00Z" }"#,
    ];
    prop::sample::select(&WRITTEN[..]).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn export_import_export_is_the_identity_for_any_promise(
        promises in prop::collection::vec((any_promise(), "[A-Za-z0-9._-]{0,60}", prop::collection::vec(any_maintenance(), 0..3)), 1..4)
    ) {
        let service = |(n, (promise, name, maintenance)): (usize, _)| {
            Service { name: format!("{name}{n}"), promise, maintenance }
        };
        let services: Vec<_> = promises.into_iter().enumerate().map(service).collect();
        let text = exported(&services);
        let imported = import(&text).unwrap();
        prop_assert_eq!(remarks(&imported), [""; 0]);
        prop_assert_eq!(&imported.services, &services);
        prop_assert_eq!(exported(&imported.services), text);
        toml::from_str::<toml::Table>(&sections(&imported)).unwrap();
    }

    #[test]
    fn no_text_makes_the_import_panic(text in any::<String>()) {
        let _ = import(&text);
    }

    #[test]
    fn no_change_to_a_file_makes_the_import_panic(at in any::<prop::sample::Index>(), cut in 0_usize..40, text in "[-:\\[\\]{}&*!|>'\"% #a0~.\\n]{0,6}") {
        let whole = exported(&[service("api", plain())]);
        let at = at.index(whole.len());
        let end = (at + cut).min(whole.len());
        let changed = format!("{}{text}{}", &whole[..at], &whole[end..]);
        if let Ok(imported) = import(&changed) {
            toml::from_str::<toml::Table>(&sections(&imported)).unwrap();
        }
    }
}
