//! Mistakes in `[service.NAME]`.

use crate::support::{Folder, GOOD, bad, good, only_mistake, told};

#[test]
fn services_must_have_distinct_backends() {
    let service = |rest: &str| format!("{GOOD}\n{rest}\n");
    let backend = |rest: &str| service(&format!("[[service.app.backend]]\n{rest}"));
    for (text, mistake) in [
        (service("[service.b]"), "service.b: the service `b` has no backends"),
        (service("[service.'a b'.backend]"), "service.\"a b\": \"a b\" can't be a name"),
        (service("[service.'..'.backend]"), "service.\"..\": \"..\" can't be a name"),
        (backend("id = 'x'"), "service.app.backend[1]: `address` is missing"),
        (
            backend("address = '127.0.0.1:9001'"),
            "service.app.backend[1].address: the service has `127.0.0.1:9001` twice",
        ),
        (
            backend("address = '127.0.0.1:1'\nid = '127.0.0.1:9001'"),
            "service.app.backend[1].id: another backend of the service has the id `127.0.0.1:9001`",
        ),
        (
            backend("address = 'http://a/'"),
            "service.app.backend[1].address: `http://a/` is not the address of a backend",
        ),
        (
            backend("address = '127.0.0.1:0'"),
            "service.app.backend[1].address: `127.0.0.1:0` is not the address of a backend",
        ),
        (
            backend("address = 'api.internal:+80'"),
            "service.app.backend[1].address: `api.internal:+80` is not the address of a backend",
        ),
        (
            service("[service.app.discover]\ndns = 'api.internal:99999'"),
            "service.app.discover.dns: `api.internal:99999` can't be looked up",
        ),
        (
            service("[service.app.discover]\nfile = 'a'\netcd = '/a/'"),
            "service.app.discover: backends can't be discovered by file and etcd at once",
        ),
        (
            service("[service.app.discover]\netcd = '/a/'"),
            "service.app.discover: `discover` does not say where etcd is",
        ),
        (
            service("[service.app.discover]\netcd = ''\nendpoints = ['http://a']"),
            "service.app.discover.etcd: \"\" can't be used here",
        ),
        (
            service("[service.app.discover]\netcd = '/a/'\nendpoints = []"),
            "service.app.discover.endpoints: there is no member of etcd to ask",
        ),
        (
            service("[service.app.discover]\netcd = '/a/'\nendpoints = ['a:2379']"),
            "service.app.discover.endpoints[0]: `a:2379` has no scheme",
        ),
        (
            service("[service.app.discover]\netcd = '/a/'\nendpoints = ['http://a']\nuser = 'edge'"),
            "service.app.discover.user: a user needs a password",
        ),
        (
            backend("address = '1.2.3.4.5:1'"),
            "service.app.backend[1].address: `1.2.3.4.5:1` is not the address of a backend",
        ),
        (
            backend("address = '127.0.0.1:1'\nmax_connections = -5"),
            "service.app.backend[1].max_connections: `max_connections` is out of range",
        ),
        (service("[service.app.tls]\ncert = 'x'"), "service.app.tls.cert: `cert` without `key`"),
        (
            service("[service.app.tls]\nserver_name = 'a b'"),
            "service.app.tls.server_name: `a b` can't be a server's name",
        ),
        (service("[service.app]\nslow_start = '5'"), "service.app.slow_start: `5` can't be read"),
        (
            service("[service.app.outlier]\neject_for = '10s'\nmax_eject_for = '9s'"),
            "service.app.outlier.max_eject_for: `max_eject_for` is shorter than `eject_for`",
        ),
        (
            service("[service.app]\nshadow = ['round_robin']"),
            "service.app.shadow[0]: `round_robin` decides already: beside itself it would tell nothing",
        ),
        (
            service("[service.app]\nshadow = ['power_of_two', 'power_of_two']"),
            "service.app.shadow[1]: `power_of_two` is named twice",
        ),
        (
            service("[service.app]\nshadow = ['consistent_hash']"),
            "service.app.shadow[0]: `consistent_hash` without a `hash` section",
        ),
        (
            service("[service.app]\npanic_threshold = 1.5"),
            "service.app.panic_threshold: `panic_threshold` is out of range",
        ),
    ] {
        let text = text.replace("[service.app]\n", "[service.app.pool]\n[service.app.timeout]\n[service.app]\n");
        // TOML wants [service.app] before its parts.
        let text = match text.split_once("[service.app]\n") {
            Some((before, after)) => {
                format!("[service.app]\n{after}{}", before.replace("[service.app.pool]\n[service.app.timeout]\n", ""))
            }
            None => text,
        };
        assert_eq!(only_mistake(&text), mistake, "{text}");
    }
    let unix = "[service.app]\ntls = {}\nbackend = [{ address = 'unix:/x' }]";
    let text = format!("{}\n{unix}", GOOD.split("[[service").next().unwrap());
    assert!(only_mistake(&text).ends_with("a Unix socket has no name"));
}

#[test]
fn a_name_that_can_not_be_looked_up_is_warned_of() {
    // RFC 6761: never resolves.
    let loaded = good(&GOOD.replace("127.0.0.1:9001", "backend.invalid:80"));
    let warnings = told(&loaded.warnings);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (mark, about) = warnings[0].split_once(' ').unwrap();
    assert!(
        mark.starts_with('~') && about.starts_with("service.app.backend[0].address: the name `backend.invalid` can't")
    );
    let backend = &loaded.config.services[0].backends[0];
    assert!(backend.unresolved.is_some() && backend.further.is_empty(), "{backend:?}");
}

#[test]
fn a_fallback_has_a_body_only_where_its_status_may() {
    let fallback = |rest: &str| format!("{GOOD}\n[service.app.fallback]\n{rest}\n");
    assert_eq!(
        only_mistake(&fallback("status = 204\nbody = 'x'")),
        "service.app.fallback.body: an answer with status 204 has no body"
    );
    good(&fallback("status = 204"));
}

#[test]
fn a_weight_that_the_algorithm_does_not_heed_is_warned_of_once() {
    let service = |balance: &str, weight: u32| {
        let text = GOOD.replace("[[service.app", &format!("[service.app]\n{balance}\n[[service.app"));
        let second = "[[service.app.backend]]\naddress = \"127.0.0.1:2\"";
        format!("{text}weight = {weight}\n{second}\nweight = {weight}\n")
    };
    for (balance, heeding) in [
        ("", "`weighted_round_robin` does"),
        ("round_robin", "`weighted_round_robin` does"),
        ("least_connections", "`weighted_least_connections` does"),
        ("power_of_two", "`weighted_least_connections` does"),
        ("response_time", "`weighted_round_robin`, `weighted_least_connections` and `consistent_hash` do"),
        ("resource_based", "`weighted_round_robin`, `weighted_least_connections` and `consistent_hash` do"),
    ] {
        let line = if balance.is_empty() { String::new() } else { format!("balance = {balance:?}") };
        let warnings = good(&service(&line, 3)).warnings;
        let name = if balance.is_empty() { "round_robin" } else { balance };
        assert_eq!(told(&warnings), [format!("~11:1 service.app.backend[0].weight: `{name}` does not heed weights")]);
        assert_eq!(warnings.iter().next().unwrap().help.as_deref(), Some(heeding));
        assert_eq!(told(&good(&service(&line, 1)).warnings), [""; 0]);
    }
    for balance in ["weighted_round_robin", "weighted_least_connections", "consistent_hash"] {
        assert_eq!(told(&good(&service(&format!("balance = {balance:?}"), 3)).warnings), [""; 0]);
    }
    let idle = good(&service("balance = 'round_robin'", 0)).warnings;
    assert!(idle.iter().all(|warning| !warning.message.contains("heed")), "{idle}");
    assert!(only_mistake(&service("balance = 'wieghted'\nhash.on = 'path'", 3)).starts_with("service.app.balance: "));
}

#[test]
fn different_weights_in_a_file_of_backends_are_warned_of_where_the_algorithm_does_not_heed_them() {
    let folder = Folder::new();
    let warned = |file: &str, service: &str| {
        folder.write("backends.json", file);
        let discover = format!("[service.found]\n{service}\ndiscover = {{ file = 'backends.json' }}\n");
        let loaded = folder.load(&format!("{GOOD}\n{discover}")).unwrap();
        let heeded = |warning: &&str| warning.contains("heed");
        told(&loaded.warnings).iter().map(String::as_str).filter(heeded).count()
    };
    let two = |first: &str, second: &str| {
        format!("[{{ \"address\": \"127.0.0.1:1\"{first} }}, {{ \"address\": \"127.0.0.1:2\"{second} }}]")
    };
    let different = two(", \"weight\": 3", "");
    assert_eq!(warned(&different, ""), 1);
    assert_eq!(warned(&different, "balance = 'least_connections'"), 1);
    assert_eq!(warned(&different, "balance = 'weighted_round_robin'"), 0);
    assert_eq!(warned(&different, "shadow = ['weighted_round_robin']"), 0);
    for alike in [
        two(", \"weight\": 3", ", \"weight\": 3"),
        two(", \"weight\": 3", ", \"weight\": 0"),
        two(", \"weight\": 3", ", \"backup\": true"),
        "[]".to_owned(),
        "no JSON".to_owned(),
    ] {
        assert_eq!(warned(&alike, ""), 0, "{alike}");
    }
}

#[test]
fn several_addresses_are_paths_to_one_backend_and_each_is_an_address() {
    let backend = |rest: &str| format!("{GOOD}\n[service.app.health]\n[[service.app.backend]]\n{rest}\n");
    let at = "service.app.backend[1]";
    for (text, mistake) in [
        (
            backend("addresses = ['10.0.1.5:80', 'api.internal:80']"),
            format!("{at}.addresses[1]: `api.internal:80` is no address of a path to a backend"),
        ),
        (
            backend("addresses = ['10.0.1.5:80', '10.0.1.5:80']"),
            format!("{at}.addresses[1]: the backend has `10.0.1.5:80` twice"),
        ),
        (
            backend("address = '10.0.1.5:80'\naddresses = ['10.9.1.5:80']"),
            format!("{at}.addresses: a backend has `address` or `addresses`, not both"),
        ),
        (
            backend("addresses = ['127.0.0.1:9001', '10.9.1.5:80']"),
            format!("{at}.addresses: the service has `127.0.0.1:9001` twice"),
        ),
        (backend("addresses = []"), format!("{at}.addresses: a backend needs an address")),
    ] {
        assert_eq!(only_mistake(&text), mistake);
    }
    good(&backend("addresses = ['10.0.1.5:80', '10.9.1.5:80']"));
}

#[test]
fn where_connections_come_from_has_to_fit_the_backends_and_the_machine() {
    let service = |rest: &str| format!("{GOOD}\n[service.app]\n{rest}\n");
    for (text, mistake) in [
        ("source = ['eth0']", "service.app.source[0]: `eth0` is no address that connections can come from"),
        ("source = ['10.0.0.0/8']", "service.app.source[0]: `10.0.0.0/8` is too large"),
        ("source = ['::1']", "service.app.backend[0].address: no `source` of the service is an IPv4 address"),
        ("interface = 'an interface'", "service.app.interface: `an interface` can't be the name of an interface"),
        ("dscp = 64", "service.app.dscp: `dscp` is out of range"),
    ] {
        assert_eq!(only_mistake(&service(text)), mistake);
    }
    good(&service("source = ['127.0.0.2', '127.0.0.8-127.0.0.11', '::1']\ndscp = 46\ninterface = 'lo'"));
}

#[test]
fn hedging_is_at_a_quantile_or_a_time_and_not_where_it_has_no_effect() {
    let retry = |rest: &str| format!("{GOOD}[service.app.retry]\n{rest}\n");
    for (text, mistake) in [
        ("hedge = 'p999'", "service.app.retry.hedge: `p999` is no quantile that can be hedged at"),
        ("hedge = 'P95'", "service.app.retry.hedge: `P95` is no quantile that can be hedged at"),
        ("hedge = '95%'", "service.app.retry.hedge: `95%` says nothing of when to hedge"),
        ("hedge = '0s'", "service.app.retry.hedge: `0s`: every request would be sent twice"),
    ] {
        assert_eq!(only_mistake(&retry(text)), mistake);
    }
    assert_eq!(told(&good(&retry("hedge = 'p99.9'")).warnings), [""; 0]);
    let affinity = "[service.app.affinity]\n";
    for text in ["hedge = 'p95'\nattempts = 0", "hedge = 'p95'\nbudget = 0.0", &format!("hedge = '1s'\n{affinity}")] {
        let warnings = told(&good(&retry(text)).warnings);
        assert!(
            warnings.iter().any(|text| text.ends_with("service.app.retry.hedge: `hedge` has no effect")),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_priority_that_nobody_heeds_is_warned_of() {
    let with = |listener: &str, keys: &str, rest: &str| {
        let route = format!("{listener}\n[[listener.route]]\npath = '/a'\n{keys}\n\n[[service.app.backend]]");
        GOOD.replace("[[service.app.backend]]", &route) + rest
    };
    let limit = "[service.app.concurrency]\nmin = 3\n";
    let (trusts, other) = ("trusted_proxies = ['10.0.0.0/8']", "[[service.b.backend]]\naddress = '127.0.0.1:9002'\n");
    let both = "split = [{ service = 'app', weight = 1 }, { service = 'b', weight = 1 }]\npriority = 'low'";
    let at = "listener[0].route[0]";
    for (text, expected) in [
        (with("", "service = 'app'\npriority = 'high'", ""), vec![format!("{at}.priority: `priority` has no effect")]),
        (
            with("", "service = 'app'\npriority = 'low'\npriority_header = 'x-p'", ""),
            vec![
                format!("{at}.priority: `priority` has no effect"),
                format!("{at}.priority_header: `priority_header` has no effect"),
            ],
        ),
        (
            with("", "service = 'app'\npriority_header = 'x-p'", limit),
            vec![format!("{at}.priority_header: `priority_header` has no effect: nobody is believed")],
        ),
        (with("", both, other), vec![format!("{at}.priority: `priority` has no effect")]),
        // heeded, by one of two at least
        (with("", both, &format!("{other}{limit}")), vec![]),
        (with("", "service = 'app'\npriority = 'high'", limit), vec![]),
        (with(trusts, "service = 'app'\npriority_header = 'x-p'", limit), vec![]),
        // what holds anyway
        (with("", "service = 'app'\npriority = 'normal'", ""), vec![]),
    ] {
        let told: Vec<String> =
            good(&text).warnings.iter().map(|found| format!("{}: {}", found.path, found.message)).collect();
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn an_adaptive_limit_has_bounds_and_parts_that_fit() {
    let concurrency = |rest: &str| format!("{GOOD}[service.app.concurrency]\n{rest}\n");
    for (text, mistake) in [
        ("min = 20\nmax = 10", "service.app.concurrency.max: `max` (10) is below `min` (20)"),
        ("min = 2000", "service.app.concurrency.min: `max` (1000) is below `min` (2000)"),
        ("max = 50\ninitial = 60", "service.app.concurrency.initial: `initial` (60) is no limit that there can be"),
        (
            "low = 0.9",
            "service.app.concurrency.low: requests of low priority may use more of the limit than those of normal priority",
        ),
        (
            "normal = 0.5",
            "service.app.concurrency.normal: requests of low priority may use more of the limit than those of normal priority",
        ),
    ] {
        assert_eq!(only_mistake(&concurrency(text)), mistake);
    }
    let diagnostics = bad(&concurrency("low = 0.9"));
    let expected = diagnostics.iter().next().unwrap().expected.clone();
    assert_eq!(expected.as_deref(), Some("a `low` of at most `normal`, which is 0.8"));
    for text in ["max = 0", "tolerance = 1.0", "normal = 0.0", "low = 1.5", "probe = '0s'"] {
        assert!(only_mistake(&concurrency(text)).starts_with("service.app.concurrency."), "{text}");
    }
    assert_eq!(told(&good(&concurrency("max = 10")).warnings), [""; 0], "the default of `initial` gives way");
}

#[test]
fn a_named_metric_is_written_as_reports_write_it() {
    let with = |keys: &str| format!("{GOOD}\n[service.app.load_reports]\n{keys}\n");
    let at = "service.app.load_reports.utilization";
    for (name, mistake) in [
        ("kv_cache_usage_perc", "`kv_cache_usage_perc` is not a named metric"),
        ("named_metrics.", "`named_metrics.` has no name that a metric can have"),
        ("named_metrics.a=b", "`named_metrics.a=b` has no name that a metric can have"),
    ] {
        assert_eq!(only_mistake(&with(&format!("utilization = ['{name}']"))), format!("{at}[0]: {mistake}"));
    }
    let warnings = |keys: &str| told(&good(&with(keys)).warnings);
    let named = "utilization = ['named_metrics.queue']";
    assert_eq!(warnings(named), Vec::<String>::new());
    let warned = warnings(&format!("orca = false\n{named}"));
    assert!(warned.len() == 1 && warned[0].ends_with(&format!("{at}: `utilization` has no effect")), "{warned:?}");
}
