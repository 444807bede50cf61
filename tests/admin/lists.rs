//! What there is, in lists: backends by pages, routes, certificates, and the last hour.

use serde_json::{Value, json};

use crate::support::certs::Authority;
use crate::support::{Client, Origin, Proxy, Scratch, backend, config};

fn json_of(proxy: &Proxy, target: &str) -> Value {
    let answer = proxy.admin(target).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// Four backends of `api`, of which `b` is drained, and one of `web`.
fn fleet() -> Proxy {
    // nobody asks them anything
    let backends = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
    let backends =
        backends.map(|(id, port)| format!("{}id = \"{id}\"\n", backend(format!("127.0.0.1:{port}")))).concat();
    let web = "[service.web]\nbackend = [{ address = \"127.0.0.1:5\", id = \"unix:/run/x\" }]\n";
    let proxy = Proxy::start(&(config("", "", &[]) + &backends + web));
    assert_eq!(proxy.command("drain", "b"), 200);
    proxy
}

/// The names of the backends in an answer.
fn names(status: &Value) -> Vec<String> {
    let services = status["services"].as_object().unwrap();
    let of = |(name, service): (&String, &Value)| -> Vec<String> {
        let backends = service["backends"].as_array().unwrap();
        backends.iter().map(|backend| format!("{name}/{}", backend["id"].as_str().unwrap())).collect()
    };
    services.iter().flat_map(of).collect()
}

#[test]
fn the_status_has_pages_that_hold_every_backend_once() {
    let proxy = fleet();
    let whole = json_of(&proxy, "/api/v1/status");
    assert!(whole.get("next").is_none(), "who asks for no page gets all, as ever");
    for limit in 1..=6 {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = json_of(&proxy, &format!("/api/v1/status?limit={limit}{after}"));
            let found = names(&page);
            assert!(!found.is_empty() && found.len() <= limit, "{found:?}");
            all.extend(found);
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(all, names(&whole), "{limit} at a time");
    }
    for (query, status) in [("after=api/gone", 404), ("after=gone/a", 404), ("service=gone", 404), ("state=ill", 400)] {
        assert_eq!(proxy.admin(&format!("/api/v1/status?{query}")).unwrap().status, status, "{query}");
    }
}

#[test]
fn the_status_shows_backends_by_their_service_and_state() {
    let proxy = fleet();
    assert_eq!(names(&json_of(&proxy, "/api/v1/status?service=web")), ["web/unix:/run/x"]);
    let drained = json_of(&proxy, "/api/v1/status?state=draining,down");
    assert_eq!((names(&drained), drained["services"].as_object().unwrap().len()), (vec!["api/b".to_owned()], 1));
    assert_eq!(drained["services"]["api"]["total"], 4, "what is said of a service is of all its backends");
    assert_eq!(names(&json_of(&proxy, "/api/v1/status?service=api&state=up&limit=2")), ["api/a", "api/c"]);
}

#[test]
fn routes_are_told_with_their_hits_and_go_on_counting_over_a_reload() {
    let origin = Origin::ok();
    let routes = "[[listener.route]]\npath_prefix = \"/old\"\nredirect = { to = \"/new\", status = 301 }\n\
                  [[listener.route]]\nmethods = [\"POST\"]\nheaders = { x-api-key = \"s3cret\" }\nservice = \"api\"\n";
    let toml = config(routes, "", &[&origin]);
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    ["/old/a", "/old/b", "/x"].into_iter().for_each(|path| _ = client.get(path));
    let shown = json_of(&proxy, "/api/v1/routes");
    assert_eq!(
        shown,
        json!([
            { "listener": "web", "text": "path_prefix /old", "to": "redirect 301 to /new", "hits": 2 },
            { "listener": "web", "text": "methods POST, header x-api-key = ***", "to": "api", "hits": 0 },
            { "listener": "web", "text": "all others", "to": "api", "hits": 1 },
        ])
    );
    let another = "[[listener.route]]\npath = \"/first\"\nservice = \"api\"\n";
    assert_eq!(proxy.reload(&config(&format!("{another}{routes}"), "", &[&origin])).status, 200);
    client.get("/old/c");
    let hits = |at: usize| json_of(&proxy, "/api/v1/routes")[at]["hits"].clone();
    assert_eq!([hits(0), hits(1), hits(3)], [json!(0), json!(3), json!(1)]);
}

#[test]
fn certificates_are_told_with_their_names_and_dates() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let site = Authority::shared().sign(&dir, &["a.example", "b.example"]);
    let listener = format!("[listener.tls]\ncertificates = [{}]\n", site.toml());
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let shown = json_of(&proxy, "/api/v1/certificates");
    assert_eq!(shown.as_array().unwrap().len(), 1);
    let shown = &shown[0];
    assert_eq!(
        (&shown["listener"], &shown["names"], &shown["default"]),
        (&json!("web"), &json!(["a.example", "b.example"]), &json!(true))
    );
    assert!(shown["days_left"].as_i64().unwrap() > 0 && shown["not_after"].as_str().unwrap().ends_with('Z'), "{shown}");
    assert_eq!(shown["fingerprint_sha256"].as_str().unwrap().len(), 64);
    // it is the one that clients are shown
    let trust = Authority::shared().client(&[], None);
    let client = Client::connect_tls(proxy.address(), &trust, "a.example").unwrap();
    assert!(!client.certificate().is_empty());
}

#[test]
fn the_last_hour_is_told_of_each_service_and_of_all() {
    let proxy = fleet();
    for target in ["/api/v1/history", "/api/v1/history?service=web"] {
        let history = json_of(&proxy, target);
        assert_eq!(history["step_s"], 10);
        assert!(history["end"].is_string() && history["rate"].is_array() && history["p99_ms"].is_array(), "{history}");
    }
    assert_eq!(proxy.admin("/api/v1/history?service=gone").unwrap().status, 404);
}
