//! What is read from a good file, its defaults, and what is shown of it.

use std::time::Duration;

use evenkeel::config::model::{Action, Address, ServiceId};
use evenkeel::policy::compression::Algorithm;
use evenkeel::policy::template::FieldValue;
use evenkeel::route::{Host, Path};
use http::HeaderValue;

use crate::support::{GOOD, good};

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good(GOOD).config;
    assert!(config.server.workers >= 1);
    assert_eq!(config.server.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.admin.bind, "127.0.0.1:9900".parse().unwrap());
    assert_eq!(config.log.level, "info");
    assert_eq!((config.metrics.max_backends, config.metrics.backend_histograms), (1000, true));
    let listener = &config.listeners[0];
    assert_eq!(listener.idle_timeout, Duration::from_secs(75));
    assert_eq!(listener.limits.max_header_bytes, 65536);
    assert_eq!(listener.limits.max_headers, 100);
    assert_eq!(listener.limits.max_body, 0);
    assert_eq!(listener.limits.max_concurrent_streams, 128);
    assert_eq!(listener.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(listener.service, Some(ServiceId(0)));
    let service = &config.services[0];
    assert_eq!(service.timeout.connect, Duration::from_secs(2));
    assert_eq!(service.timeout.response, Duration::from_secs(30));
    assert_eq!(service.timeout.idle, Duration::from_secs(60));
    assert_eq!(service.timeout.total, None);
    assert_eq!(service.pool.max_idle, 256);
    assert_eq!(service.pool.idle_timeout, Duration::from_secs(50));
    assert_eq!(service.pool.max_age, None);
    let backend = &service.backends[0];
    assert_eq!((backend.id.as_str(), backend.host.as_str(), backend.weight), ("127.0.0.1:9001", "127.0.0.1", 1));
}

#[test]
fn routes_are_read() {
    let text = r#"
        [[listener]]
        name = "web"
        bind = "[::1]:8080"
        [[listener.route]]
        host = "*.Example.COM"
        path_prefix = "/v1/"
        methods = ["GET", "PURGE"]
        headers = { X-Env = "canary" }
        query = { beta = "1" }
        split = [{ service = "b", weight = 95 }, { service = "a", weight = 5 }]
        rewrite = { prefix = "/", host = "internal.example.com:81" }
        request_headers = { set = { X-A = "1" }, remove = ["x-b"] }
        timeout = { total = "0s", idle = "5s" }
        [[listener.route]]
        redirect = { to = "https://example.com${path}${query}" }
        [service]
        b = { backend = [{ address = "[::1]:81" }] }
        a = { backend = [{ address = "LOCALHOST:80" }] }
    "#;
    let config = good(text).config;
    let [first, second] = &config.listeners[0].routes[..] else { panic!("two routes") };
    assert_eq!(first.when.host, Some(Host::Wildcard("example.com".to_owned())));
    assert!(matches!(&first.when.path, Some(Path::Prefix(prefix)) if prefix == "/v1/"));
    assert_eq!(first.when.methods.len(), 2);
    assert_eq!(first.when.headers[0].0, "x-env");
    assert!(matches!(&first.action, Action::Split(s) if s[..] == [(ServiceId(1), 95), (ServiceId(0), 5)]));
    assert_eq!(first.timeout.total, Some(None));
    assert_eq!(first.timeout.idle, Some(Duration::from_secs(5)));
    assert_eq!(first.timeout.connect, None);
    assert_eq!(first.request_headers.set[0].0, "x-a");
    assert_eq!(first.rewrite.as_ref().unwrap().host.as_ref().unwrap(), "internal.example.com:81");
    assert!(matches!(&second.action, Action::Redirect { to, status }
        if to == "https://example.com${path}${query}" && status.as_u16() == 308));
    // In the order of their names.
    assert_eq!(config.services[0].name, "a");
    assert_eq!(config.services[0].backends[0].host, "localhost");
    assert!(
        matches!(config.services[0].backends[0].address, Address::Tcp(a) if a.ip().is_loopback() && a.port() == 80)
    );
    assert_eq!(config.services[1].backends[0].host, "::1");
}

#[test]
fn variables_are_filled_in_and_shown_as_they_are_written() {
    let text = format!("[server.environment]\nPORT = '8080'\nSECRET = 'hunter2'\n{}", GOOD.replace("8080", "${PORT}"))
        .replace("[[service.app", "[[listener.route]]\nservice = 'app'\nrequest_headers.set = { x-a = 'Bearer ${SECRET}', authorization = 'Basic aHVudGVy', x-b = '$${SECRET}' }\n[[service.app");
    let loaded = good(&text);
    assert_eq!(loaded.config.listeners[0].bind, Address::Tcp("127.0.0.1:8080".parse().unwrap()));
    let set = &loaded.config.listeners[0].routes[0].request_headers.set;
    let value = |name: &str| set.iter().find(|(n, _)| n == name).unwrap().1.clone();
    let fixed = |value| FieldValue::Fixed(HeaderValue::from_static(value));
    assert_eq!((value("x-a"), value("x-b")), (fixed("Bearer hunter2"), fixed("${SECRET}")));
    let shown = loaded.effective.to_json();
    assert_eq!(shown["listener"][0]["bind"], "127.0.0.1:${PORT}");
    assert_eq!(shown["server"]["environment"]["SECRET"], "***");
    let headers = &shown["listener"][0]["route"][0]["request_headers"]["set"];
    assert_eq!(headers["x-a"], "Bearer ${SECRET}");
    assert_eq!(headers["authorization"], "***");
    assert!(!shown.to_string().contains("hunter2") && !shown.to_string().contains("aHVudGVy"));
}

#[test]
fn users_in_urls_are_not_shown_wherever_they_stand() {
    let limit = "[[listener.rate_limit]]\nrate = '1/s'\nstore = 'redis://usr:hunter2@127.0.0.1:6379/0'\n\
                 [[listener.route]]\npath = '/r'\nredirect = { to = 'https://usr:hunter2@b.example/' }\n";
    let shown = good(&GOOD.replace("[[service.app", &format!("{limit}[[service.app"))).effective.to_json();
    assert_eq!(shown["listener"][0]["rate_limit"][0]["store"], "redis://***@127.0.0.1:6379/0");
    assert_eq!(shown["listener"][0]["route"][0]["redirect"]["to"], "https://***@b.example/");
    assert!(!shown.to_string().contains("hunter2"));
}

#[test]
fn the_queries_of_webhooks_are_not_shown() {
    let keys = "strategy = 'scale_up'\nmax_instances = 3\ndown_webhook = 'http://a.example/down?key=hunter2'";
    let text = format!(
        "[server.environment]\nHOOK = 'b.example'\n{GOOD}\n[[service.app.recover]]\n{keys}\nwebhook = 'http://${{HOOK}}/up?key=hunter2'\n\
         [[notify]]\nname = 'a'\nwebhook = 'https://c.example/x?key=hunter2'\n"
    );
    let loaded = good(&text);
    assert_eq!(loaded.config.notify[0].webhook, "https://c.example/x?key=hunter2");
    let shown = loaded.effective.to_json();
    assert_eq!(shown["notify"][0]["webhook"], "https://c.example/x?***");
    let recover = &shown["service"]["app"]["recover"][0];
    assert_eq!(recover["webhook"], "http://${HOOK}/up?***");
    assert_eq!(recover["down_webhook"], "http://a.example/down?***");
    assert!(!shown.to_string().contains("hunter2"));
}

#[test]
fn what_is_shown_has_every_default_and_nothing_of_later_versions() {
    let shown = good(GOOD).effective.to_json();
    assert_eq!(shown["listener"][0]["limits"]["max_header_bytes"], "64KiB");
    assert_eq!(shown["service"]["app"]["timeout"]["connect"], "2s");
    assert_eq!(shown["service"]["app"]["backend"][0]["id"], "127.0.0.1:9001");
    assert!(shown["server"]["workers"].as_u64().unwrap() >= 1);
    assert_eq!(shown["service"]["app"]["retry"]["hold"], "16KiB");
    for later in ["detect", "recover", "recovery", "sla", "health"] {
        assert!(shown["service"]["app"].get(later).is_none(), "{later}");
    }
}

#[test]
fn backends_are_shown_as_they_are_written() {
    let text =
        format!("[server.environment]\nHOST = '127.0.0.1'\n{}", GOOD.replace("\"127.0.0.1:9001\"", "'${HOST}:9001'"));
    let loaded = good(&text);
    assert_eq!(loaded.config.services[0].backends[0].id, "127.0.0.1:9001");
    let backend = &loaded.effective.to_json()["service"]["app"]["backend"][0];
    assert_eq!((&backend["address"], &backend["id"]), (&"${HOST}:9001".into(), &"${HOST}:9001".into()));
    assert_eq!((&backend["weight"], &backend["zone"]), (&1.into(), &"".into()));
}

#[test]
fn routes_compress_as_their_listener_does_unless_they_say_otherwise() {
    let text = GOOD.replacen(
        "[[listener]]\n",
        "[[listener]]\ncompress = { algorithms = ['gzip'], level = { gzip = 6 } }\ndecompress = true\n",
        1,
    );
    let text = text.replace(
        "[[service.app",
        "[[listener.route]]\npath = '/same'\nservice = 'app'\n\
         [[listener.route]]\npath = '/on'\nservice = 'app'\ncompress = true\n\
         [[listener.route]]\npath = '/off'\nservice = 'app'\ncompress = false\ndecompress = false\n\
         [[listener.route]]\npath = '/own'\nservice = 'app'\ncompress = { min_size = '2KiB' }\n[[service.app",
    );
    let config = good(&text).config;
    let listener = &config.listeners[0];
    let [same, on, off, own] = &listener.routes[..] else { panic!("{:?}", listener.routes) };
    let of_listener = listener.recoding.compress.as_deref().unwrap();
    assert_eq!((of_listener.levels.gzip, &of_listener.algorithms[..]), (6, &[Algorithm::Gzip][..]));
    assert_eq!((&same.recoding, &on.recoding), (&listener.recoding, &listener.recoding));
    assert!(!off.recoding.is_on());
    let own = own.recoding.compress.as_deref().unwrap();
    assert_eq!((own.min_size, own.levels.gzip, &own.algorithms[..]), (2048, 2, &Algorithm::ALL[..]));
    assert!(own.types.contain(b"text/html; charset=utf-8") && own.types.contain(b"image/svg+xml"));
    assert!(!own.types.contain(b"image/png") && !own.types.contain(b"application/octet-stream"));
    assert!(!good(GOOD).config.listeners[0].recoding.is_on());
}
