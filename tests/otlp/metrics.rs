//! Metrics to the collector: they are what `/metrics` has.

use crate::collector::Collector;
use crate::decoded::Metric;
use crate::support::{Origin, Proxy, wait_until};
use crate::traced;

fn find(all: &[Metric], name: &str) -> Metric {
    all.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

#[test]
fn metrics_come_over_grpc_and_http_with_what_the_page_has_and_with_exemplars() {
    for (collector, protocol, path) in [
        (Collector::http(&[]), "http", "/v1/metrics"),
        (Collector::grpc(&[]), "grpc", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
    ] {
        let origin = Origin::ok();
        let keys = format!("sample = 1.0\nprotocol = \"{protocol}\"\nmetrics_interval = \"1s\"");
        let proxy = Proxy::start(&traced(collector.endpoint(), &keys, &[&origin]));
        let mut client = proxy.client();
        (0..3).for_each(|_| assert_eq!(client.get("/x").status, 200));
        let counted = |all: &Vec<Metric>| {
            let requests = find(all, "evenkeel_requests_total");
            requests.points.iter().any(|point| point.value == 3.0 && point.labels["service"] == "api")
        };
        wait_until("the requests are in a reading", || collector.metrics().iter().any(counted));
        let all = collector.metrics().into_iter().find(counted).unwrap();

        let requests = find(&all, "evenkeel_requests_total");
        assert_eq!((requests.kind, requests.is_cumulative, requests.is_monotonic), (7, true, true));
        let point = requests.points.iter().find(|point| point.value == 3.0).unwrap();
        assert!(point.start > 0 && point.start < point.time);
        assert_eq!(point.labels["code_class"], "2xx");

        let durations = find(&all, "evenkeel_request_duration_seconds");
        assert_eq!((durations.kind, durations.is_cumulative, &*durations.unit), (9, true, "s"));
        let point = &durations.points[0];
        assert_eq!((point.count, point.buckets.iter().sum::<u64>()), (3, 3));
        assert_eq!(point.buckets.len(), point.bounds.len() + 1);
        assert!(point.bounds.is_sorted() && point.value > 0.0);
        let traces: Vec<_> = collector.wait_for(6).into_iter().map(|span| span.trace).collect();
        assert!(!point.exemplars.is_empty() && point.exemplars.iter().all(|trace| traces.contains(trace)));

        let up = find(&all, "evenkeel_backend_up");
        assert_eq!((up.kind, up.points[0].value, up.points[0].start), (5, 1.0, 0));
        // each metric of the page is there that has a series
        let page = proxy.metrics();
        for metric in &all {
            assert!(page.contains(&format!("# TYPE {} ", metric.name)), "{}", metric.name);
        }
        assert!(all.len() > 20, "{}", all.len());
        assert!(collector.messages().iter().any(|message| message.path == path));
        wait_until("they are counted", || proxy.metric("evenkeel_otlp_sent_total{signal=\"metrics\"}") > 0);
    }
}
