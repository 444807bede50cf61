//! Snapshots built from configurations made by hand.

mod detours;
mod zones;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rustls::{ClientConfig, RootCertStore};

use super::{BuildError, Snapshot, build};
use crate::balance::Cursors;
use crate::balance::Pick;
use crate::certificate::keeper::Sources;
use crate::clock::Moment;
use crate::config::model::{self, Address, Authorities, Backend, ClientTls, ServiceId};
use crate::endpoint::standing;
use crate::metrics::Registry;
use crate::policy::template::AnswerBody;
use crate::policy::{
    self, HeaderChanges, ListenerProtocol, PathRules, Pool, RequestLimits, Rewrite, TimeoutOverride, Timeouts,
    UpstreamProtocol,
};
use crate::route::{Conditions, Lookup, Path};
use crate::snapshot::{Action, Point, Route};

fn backend(id: &str, port: u16) -> Backend {
    Backend {
        further: Vec::new(),
        are_paths: false,
        unresolved: None,
        id: id.to_owned(),
        name: format!("127.0.0.1:{port}"),
        address: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port))),
        host: "127.0.0.1".to_owned(),
        weight: 1,
        max_connections: 0,
        backup: false,
        zone: String::new(),
        drain: false,
    }
}

fn service(name: &str, backends: Vec<Backend>) -> model::Service {
    let second = Duration::from_secs(1);
    model::Service {
        name: name.to_owned(),
        balance: policy::Balance::RoundRobin,
        shadow: Vec::new(),
        hash_on: policy::KeyFrom::ClientIp,
        slow_start: Duration::ZERO,
        panic_threshold: 0.0,
        zone: None,
        abort_on_close: true,
        allow_bare_lf: false,
        via: true,
        limits: policy::AnswerLimits { max_header_bytes: 65_536, max_headers: 100 },
        affinity: None,
        written: 0,
        health: None,
        detect: None,
        recovery: None,
        sla: None,
        outlier: policy::Outlier {
            consecutive_failures: 5,
            error_rate: 0.5,
            latency: policy::LatencyRule::Off,
            window: second,
            min_requests: 20,
            eject_for: second,
            max_eject_for: second,
            max_ejected: 0.5,
        },
        breaker: None,
        concurrency: None,
        failure_status: policy::Statuses(vec![500..=599]),
        retry: policy::Retry {
            attempts: 2,
            budget: 0.2,
            on_connect: true,
            on_reset: true,
            on_status: Vec::new(),
            back_off: second,
            hold: 0,
            hedge: None,
        },
        fallback: None,
        error_pages: None,
        maintenance: model::Maintenance::default(),
        request_headers: HeaderChanges::default(),
        response_headers: HeaderChanges::default(),
        load_reports: policy::LoadReports { orca: true, utilization: Arc::default(), agent: None, expire: second },
        discover: None,
        protocol: UpstreamProtocol::Http1,
        outbound: None,
        proxy_header: None,
        backends,
        tls: None,
        timeout: Timeouts {
            connect: second,
            response: 2 * second,
            idle: 3 * second,
            total: Some(4 * second),
            queue: second,
            queue_length: 10,
        },
        pool: Pool { max_idle: 8, idle_timeout: second, max_age: None },
    }
}

fn route(path: Option<Path>, action: model::Action) -> model::Route {
    model::Route {
        when: Conditions { path, ..Conditions::default() },
        action,
        split_by: None,
        canary: None,
        mirror: None,
        rewrite: None,
        request_headers: HeaderChanges::default(),
        response_headers: HeaderChanges::default(),
        cors: None,
        error_pages: None,
        recoding: Default::default(),
        rate_limits: Vec::new(),
        priority: policy::Priority::Normal,
        priority_header: None,
        timeout: TimeoutOverride::default(),
        access: None,
        auth: None,
    }
}

fn config(services: Vec<model::Service>, routes: Vec<model::Route>) -> model::Config {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = model::Listener {
        free_bind: false,
        options: crate::io::outbound::SocketOptions::default(),
        request_id: None,
        client_ip_header: None,
        request_headers: HeaderChanges::default(),
        response_headers: HeaderChanges::default(),
        name: "web".to_owned(),
        bind: Address::Tcp(address),
        protocol: ListenerProtocol::Http,
        proxy_protocol: false,
        service: (!services.is_empty()).then_some(ServiceId(0)),
        trusted_proxies: Arc::default(),
        access: None,
        paths: PathRules::default(),
        max_connections: 7,
        idle_timeout: Duration::from_secs(75),
        limits: RequestLimits {
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 65_536,
            max_headers: 100,
            max_body: 0,
            min_body_rate: 0,
            max_requests_per_connection: 0,
            max_concurrent_streams: 128,
            allow_encoded_controls: false,
        },
        tls: None,
        rate_limits: Vec::new(),
        client_limits: None,
        error_pages: None,
        maintenance: model::Maintenance::default(),
        recoding: Default::default(),
        routes,
    };
    model::Config {
        page_files: Vec::new(),
        metrics: model::Metrics { max_backends: 0, backend_histograms: true },
        server: model::Server {
            workers: 1,
            drain_timeout: Duration::ZERO,
            state_dir: PathBuf::new(),
            reload_on_change: true,
            error_pages: None,
        },
        admin: model::Admin { bind: address, hosts: Vec::new(), tokens: Vec::new(), tls: None },
        log: model::Log {
            level: "info".to_owned(),
            format: model::LogFormat::Text,
            access: None,
            access_lines: Arc::default(),
        },
        listeners: vec![listener],
        services,
        notify: Vec::new(),
        otlp: None,
        backup: None,
        cluster: None,
        key_sources: Vec::new(),
    }
}

fn client_tls(server_name: Option<&str>) -> ClientTls {
    ClientTls {
        server_name: server_name.map(str::to_owned),
        ca: Authorities::System(Arc::default()),
        verify: true,
        client: None,
        sources: Sources::default(),
    }
}

fn make_tls(_: &ClientTls, _: UpstreamProtocol) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn first(config: &model::Config) -> Snapshot {
    build(config, None, &mut make_tls, &Registry::new(1)).unwrap()
}

fn next(config: &model::Config, previous: &Snapshot) -> Snapshot {
    build(config, Some(previous), &mut make_tls, &Registry::new(1)).unwrap()
}

/// The route of the only listener that a GET of `path` takes.
fn find<'a>(snapshot: &'a Snapshot, path: &str) -> Option<&'a Arc<Route>> {
    let (method, headers) = (Method::GET, HeaderMap::new());
    snapshot.listeners[0].routes.find(&Lookup { host: "h", path, query: None, method: &method, headers: &headers })
}

#[test]
fn listeners_and_services_keep_their_order_and_their_settings() {
    let snapshot = first(&config(vec![service("a", vec![backend("1", 1)]), service("b", Vec::new())], Vec::new()));
    assert_eq!(snapshot.generation, 1);
    let listener = &snapshot.listeners[0];
    assert_eq!((listener.index, &*listener.name, listener.max_connections), (0, "web", 7));
    assert!(matches!(&listener.default.as_ref().unwrap().action, Action::Service(0)));
    let names: Vec<_> = snapshot.services.iter().map(|service| (service.index, &*service.name)).collect();
    assert_eq!(names, [(0, "a"), (1, "b")]);
    let endpoint = &snapshot.services[0].endpoints[0];
    assert_eq!((&*endpoint.id, &*endpoint.service, &*endpoint.name), ("1", "a", "127.0.0.1:1"));
}

#[test]
fn a_listener_without_a_service_has_no_default() {
    assert!(first(&config(Vec::new(), Vec::new())).listeners[0].default.is_none());
}

#[test]
fn routes_lead_where_the_configuration_says() {
    let exact = |path: &str| Some(Path::Exact(path.to_owned()));
    let mut to_service = route(Some(Path::Prefix("/b/".to_owned())), model::Action::Service(ServiceId(1)));
    to_service.rewrite = Some(Rewrite { prefix: Some("/".to_owned()), host: None });
    let split = model::Action::Split(vec![(ServiceId(0), 1), (ServiceId(1), 3)]);
    let redirect = model::Action::Redirect { to: "/new${query}".to_owned(), status: StatusCode::FOUND };
    let respond = model::Action::Respond {
        status: StatusCode::NOT_FOUND,
        body: AnswerBody::new("gone", &HeaderValue::from_static("text/plain")),
        content_type: HeaderValue::from_static("text/plain"),
    };
    let routes = vec![
        to_service,
        route(exact("/split"), split),
        route(exact("/redirect"), redirect),
        route(exact("/respond"), respond),
    ];
    let snapshot = first(&config(vec![service("a", Vec::new()), service("b", Vec::new())], routes));

    let route = find(&snapshot, "/b/x").unwrap();
    assert!(matches!(&route.action, Action::Service(1)));
    assert_eq!(route.matched_prefix, Some(3));
    assert!(route.rewrite.is_some());
    assert!(matches!(&find(&snapshot, "/split").unwrap().action, Action::Split(_)));
    let Action::Redirect { to, status } = &find(&snapshot, "/redirect").unwrap().action else { panic!("no redirect") };
    assert_eq!(
        (to.render(&mut Vec::new(), |_, out| out.extend_from_slice(b"?q")).unwrap(), *status),
        (HeaderValue::from_static("/new?q"), StatusCode::FOUND)
    );
    let Action::Respond { body, .. } = &find(&snapshot, "/respond").unwrap().action else { panic!("no response") };
    assert_eq!(*body, AnswerBody::new("gone", &HeaderValue::from_static("text/plain")));
    assert!(find(&snapshot, "/elsewhere").is_none());
}

#[test]
fn a_route_replaces_the_time_outs_that_it_sets() {
    let mut own = route(None, model::Action::Service(ServiceId(0)));
    own.timeout = TimeoutOverride { response: Some(Duration::from_secs(9)), total: Some(None), ..own.timeout };
    let snapshot = first(&config(vec![service("a", Vec::new())], vec![own]));
    let timeouts = find(&snapshot, "/").unwrap().timeouts(&snapshot.services[0]);
    let second = Duration::from_secs(1);
    assert_eq!((timeouts.connect, timeouts.response), (second, 9 * second));
    assert_eq!((timeouts.idle, timeouts.total), (3 * second, None));
}

#[test]
fn only_backends_that_get_new_work_are_picked() {
    let mut backends: Vec<_> = (0..4).map(|n| backend(&n.to_string(), n)).collect();
    backends[1].weight = 0;
    backends[2].drain = true;
    let snapshot = first(&config(vec![service("a", backends)], Vec::new()));
    let (service, mut cursors) = (&snapshot.services[0], Cursors::new(0));
    let mut random = fastrand::Rng::with_seed(1);
    assert_eq!(service.endpoints.len(), 4);
    let mut pick = |tried: &[usize]| {
        let (cursor, now) = (cursors.of(service.index), Moment::NEVER);
        service.pick(Pick { cursor, tried: tried.into(), random: &mut random, now, key: 0 })
    };
    let picks: Vec<_> = (0..4).filter_map(|_| pick(&[])).collect();
    assert_eq!(picks, [0, 3, 0, 3]);
    assert_eq!(pick(&[0]), Some(3));
}

#[test]
fn a_backend_that_stays_is_the_same_object() {
    let before = first(&config(vec![service("a", vec![backend("1", 1), backend("2", 2)])], Vec::new()));
    let in_flight = before.services[0].endpoints[1].live.enter();
    let services = vec![service("0", vec![backend("1", 1)]), service("a", vec![backend("3", 3), backend("2", 2)])];
    let after = next(&config(services, Vec::new()), &before);

    assert_eq!(after.generation, 2);
    let (old, new) = (&before.services[0].endpoints[1], &after.services[1].endpoints[1]);
    assert!(Arc::ptr_eq(old, new));
    assert_eq!(new.live.in_flight(), 1);
    drop(in_flight);
    assert_eq!(new.live.in_flight(), 0);
    let of_the_other_service = &after.services[0].endpoints[0];
    assert!(!Arc::ptr_eq(&of_the_other_service.live, &before.services[0].endpoints[0].live));
}

#[test]
fn a_backend_whose_settings_change_keeps_what_was_learned_and_its_connections() {
    let before = first(&config(vec![service("a", vec![backend("1", 1)])], Vec::new()));
    let _in_flight = before.services[0].endpoints[0].live.enter();
    let draining = Backend { drain: true, weight: 5, zone: "z".to_owned(), ..backend("1", 1) };
    let after = next(&config(vec![service("a", vec![draining])], Vec::new()), &before);

    let (old, new) = (&before.services[0].endpoints[0], &after.services[0].endpoints[0]);
    assert_eq!((new.draining, new.weight, &*new.zone), (true, 5, "z"));
    assert_eq!((new.key, new.live.in_flight()), (old.key, 1));
}

#[test]
fn a_backend_at_another_address_is_another_one() {
    let before = first(&config(vec![service("a", vec![backend("1", 1)])], Vec::new()));
    let _in_flight = before.services[0].endpoints[0].live.enter();
    let after = next(&config(vec![service("a", vec![backend("1", 2)])], Vec::new()), &before);
    let (old, new) = (&before.services[0].endpoints[0], &after.services[0].endpoints[0]);
    assert_ne!(new.key, old.key);
    assert_eq!(new.live.in_flight(), 0);
}

#[test]
fn connections_made_in_another_way_are_not_used_again() {
    let plain = || service("a", vec![backend("1", 1)]);
    let http2 = model::Service { protocol: UpstreamProtocol::Http2, ..plain() };
    let tls = model::Service { tls: Some(client_tls(None)), ..plain() };
    let other_tls = model::Service { tls: Some(ClientTls { verify: false, ..client_tls(None) }), ..plain() };
    let other_host = service("a", vec![Backend { host: "localhost".to_owned(), ..backend("1", 1) }]);
    let chain = [plain(), http2, tls, other_tls, plain(), other_host];
    let mut keys = Vec::new();
    let mut previous: Option<Snapshot> = None;
    for service in chain {
        let snapshot =
            build(&config(vec![service], Vec::new()), previous.as_ref(), &mut make_tls, &Registry::new(1)).unwrap();
        let endpoint = &snapshot.services[0].endpoints[0];
        if let Some(previous) = &previous {
            assert!(Arc::ptr_eq(&endpoint.live, &previous.services[0].endpoints[0].live), "it is the same process");
        }
        assert!(!keys.contains(&endpoint.key));
        keys.push(endpoint.key);
        previous = Some(snapshot);
    }
}

#[test]
fn a_name_is_one_backend_whatever_becomes_of_its_addresses() {
    let built = |ports: &[u16], weight, previous: Option<&Snapshot>| {
        let (host, name) = ("api.test".to_owned(), "api.test:1".to_owned());
        let mut named = Backend { host, name, weight, ..backend("api", ports[0]) };
        named.further = ports[1..].iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
        let config = config(vec![service("a", vec![named])], Vec::new());
        build(&config, previous, &mut make_tls, &Registry::new(1)).unwrap()
    };
    let endpoint = |snapshot: &Snapshot| Arc::clone(&snapshot.services[0].endpoints[0]);
    let first = built(&[1, 2], 1, None);
    let before = endpoint(&first);
    assert_eq!(before.addresses.in_order().map(|address| address.port()).collect::<Vec<_>>(), [1, 2]);
    assert!(Arc::ptr_eq(&endpoint(&built(&[2, 1], 1, Some(&first))), &before), "another order is no change");

    let heavier = endpoint(&built(&[2, 1], 2, Some(&first)));
    assert_eq!(heavier.key, before.key);
    assert!(Arc::ptr_eq(&heavier.addresses, &before.addresses), "what is known of them is kept");

    let moved = endpoint(&built(&[2, 3], 1, Some(&first)));
    assert!(Arc::ptr_eq(&moved.live, &before.live), "it keeps an address, and so all that is known of it");
    assert_ne!(moved.key, before.key, "connections may lead to an address that it has no more");
    let gone = endpoint(&built(&[4], 1, Some(&first)));
    assert!(!Arc::ptr_eq(&gone.live, &before.live));
}

#[test]
fn tls_settings_that_stay_are_not_made_again() {
    let config =
        config(vec![model::Service { tls: Some(client_tls(None)), ..service("a", vec![backend("1", 1)]) }], Vec::new());
    let before = first(&config);
    let after = build(&config, Some(&before), &mut |_, _| Err("made again".to_owned()), &Registry::new(1)).unwrap();
    assert!(Arc::ptr_eq(before.services[0].tls.as_ref().unwrap(), after.services[0].tls.as_ref().unwrap()));
    assert_eq!(after.services[0].endpoints[0].key, before.services[0].endpoints[0].key);
}

#[test]
fn every_backend_has_a_name_in_tls() {
    let with = |name, host: &str| {
        let backend = Backend { host: host.to_owned(), ..backend("1", 1) };
        let service = model::Service { tls: Some(client_tls(name)), ..service("a", vec![backend]) };
        let snapshot = build(&config(vec![service], Vec::new()), None, &mut make_tls, &Registry::new(1))?;
        let service = &snapshot.services[0];
        Ok::<_, BuildError>(service.server_name(&service.endpoints[0]).unwrap().to_str().into_owned())
    };
    assert_eq!(with(None, "b.internal").unwrap(), "b.internal");
    assert_eq!(with(None, "[::1]").unwrap(), "::1");
    assert_eq!(with(Some("api.internal"), "").unwrap(), "api.internal");
    assert_eq!(
        with(None, "").unwrap_err().to_string(),
        "service `a`: the address of backend `1` (127.0.0.1:1) has no host name to verify its certificate by: \
         set tls.server_name"
    );
    assert_eq!(
        with(Some("not a name"), "h").unwrap_err().to_string(),
        "service `a`: tls.server_name `not a name` is neither a DNS name nor an IP address"
    );
}

#[test]
fn a_failure_names_what_it_is_about() {
    let service_with_tls = model::Service { tls: Some(client_tls(None)), ..service("a", Vec::new()) };
    let error = build(
        &config(vec![service_with_tls], Vec::new()),
        None,
        &mut |_, _| Err("no roots".to_owned()),
        &Registry::new(1),
    );
    assert_eq!(error.unwrap_err().to_string(), "service `a`: TLS to its backends: no roots");

    let split = route(None, model::Action::Split(vec![(ServiceId(0), 0)]));
    let error = build(&config(vec![service("a", Vec::new())], vec![split]), None, &mut make_tls, &Registry::new(1));
    assert_eq!(error.unwrap_err().to_string(), "listener `web`, route 1: the weights of its split are all 0");
}

#[test]
fn a_split_divides_by_weight() {
    let weights = [(ServiceId(0), 95), (ServiceId(1), 0), (ServiceId(2), 5)];
    let split = route(None, model::Action::Split(weights.to_vec()));
    let services = ["a", "b", "c"].map(|name| service(name, Vec::new())).into();
    let snapshot = first(&config(services, vec![split]));
    let Action::Split(split) = &find(&snapshot, "/").unwrap().action else { panic!("no split") };
    // 1000 points spread evenly over all of u32, both ends included.
    let step = u32::MAX / 999;
    let chosen: Vec<_> = (0..1000).map(|n| split.choose(Point::Random(n * step))).collect();
    let times = |index| chosen.iter().filter(|&&c| c == index).count();
    assert_eq!((times(0), times(1), times(2)), (950, 0, 50));
    assert_eq!(split.choose(Point::Random(u32::MAX)), 2);

    let [(0, shifted)] = &snapshot.listeners[0].splits[..] else { panic!("one split") };
    shifted.set_weight(0, 0);
    assert!((0..1000).all(|n| split.choose(Point::Random(n * step)) == 2), "workers see it at once");
}

#[test]
fn availability_is_looked_for_where_a_standing_has_changed_or_time_changes_it() {
    let before = first(&config(vec![service("s", vec![backend("a", 1), backend("b", 2)])], Vec::new()));
    let members = |snapshot: &Snapshot| -> Vec<usize> {
        snapshot.services[0].available.members.iter().map(|(index, _)| *index).collect()
    };
    let (now, second) = (Moment::now(), Duration::from_secs(1));
    assert!(before.refreshed(now, true).is_none(), "nobody has changed");
    let changes = standing::changes();
    before.services[0].endpoints[1].live.standing.eject(now.plus(second), "");
    assert!(standing::changes() > changes);
    let ejected = before.refreshed(now, true).unwrap();
    assert_eq!(members(&ejected), [0]);
    assert!(ejected.refreshed(now, false).is_none());
    let after = ejected.refreshed(now.plus(2 * second), false).unwrap();
    assert_eq!(members(&after), [0, 1], "its ejection ends without anybody's doing");
    assert!(after.refreshed(now, false).is_none(), "nobody is looked at");
}

#[test]
fn what_is_counted_goes_on_where_a_backend_moves_to_another_place() {
    let registry = Registry::new(1);
    let made = |config: &model::Config, before: Option<&Snapshot>| {
        build(config, before, &mut make_tls, &registry).unwrap_or_else(|error| panic!("{error}"))
    };
    let [a, b, c] = ["a", "b", "c"].map(|id| backend(id, 1));
    let before = made(&config(vec![service("s", vec![a.clone(), b])], Vec::new()), None);
    let after = made(&config(vec![service("s", vec![c, a])], Vec::new()), Some(&before));
    let (before, after) = (&before.services[0], &after.services[0]);
    assert!(Arc::ptr_eq(&before.upstream[0], &after.upstream[1]));
    assert!(Arc::ptr_eq(&before.series[0].backends[0], &after.series[0].backends[1]));
    assert!(Arc::ptr_eq(&before.series[0].none, &after.series[0].none));
    assert!(!Arc::ptr_eq(&before.upstream[1], &after.upstream[0]));
    assert!(Arc::ptr_eq(&after.upstream[0], &registry.upstream("s", "c")));
}
