//! Rate limits: how many requests may be sent, by whom, and what the others are told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

use crate::support::{Client, LOG, Origin, Proxy, config, h2, wait_until};

/// A limit that nobody gets around within the time of a test: its burst, and then one in an hour.
fn hourly(burst: u32, more: &str) -> String {
    format!("[[listener.rate_limit]]\nrate = \"1/h\"\nburst = {burst}\n{more}\n")
}

fn statuses(client: &mut Client, count: usize) -> Vec<u16> {
    (0..count).map(|_| client.get("/x").status).collect()
}

#[test]
fn what_is_above_the_limit_is_429_and_says_for_how_long() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&hourly(2, ""), "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(statuses(&mut client, 2), [200, 200]);
    let refused = client.get("/x");
    assert_eq!((refused.status, refused.text()), (429, "429 Too Many Requests\n".to_owned()));
    let seconds: u32 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(refused.field("ratelimit-policy"), Some("\"1/h by client\";q=2;w=7200"), "the burst");
    assert_eq!(refused.field("ratelimit"), Some(&*format!("\"1/h by client\";r=0;t={seconds}")));
    assert_eq!(refused.field("proxy-status"), Some("evenkeel; error=http_request_denied; details=\"rate limit\""));
    assert_eq!(client.get("/x").status, 429, "the connection goes on");
    assert_eq!(origin.requests().len(), 2);
    let name = "evenkeel_rate_limited_total{listener=\"web\",route=\"\",limit=\"1/h by client\",outcome=\"refused\"}";
    assert_eq!(proxy.metric(name), 2);
}

#[test]
fn clients_are_counted_apart_by_what_a_trusted_proxy_says_and_nobody_else() {
    let origin = Origin::ok();
    let from = |client: &mut Client, address: &str| {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n"));
        client.response().status
    };
    let trusting =
        Proxy::start(&config(&("trusted_proxies = [\"127.0.0.0/8\"]\n".to_owned() + &hourly(1, "")), "", &[&origin]));
    let mut client = trusting.client();
    let of_one_network = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
    assert_eq!(["192.0.2.1", "192.0.2.2", "192.0.2.1"].map(|address| from(&mut client, address)), [200, 200, 429]);
    assert_eq!(of_one_network.map(|address| from(&mut client, address)), [200, 429, 200]);
    let other = Proxy::start(&config(&hourly(1, ""), "", &[&origin]));
    let mut client = other.client();
    assert_eq!(["192.0.2.1", "192.0.2.2"].map(|address| from(&mut client, address)), [200, 429]);
}

#[test]
fn a_header_is_counted_by_its_value_and_those_without_it_by_client() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&hourly(1, "by = \"header:x-key\""), "", &[&origin]));
    let mut client = proxy.client();
    let with = |field: &str| {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
        client.response().status
    };
    let fields = ["X-Key: a\r\n", "X-Key: b\r\n", "X-Key: a\r\n", "", ""];
    assert_eq!(fields.map(with), [200, 200, 429, 200, 429]);
}

#[test]
fn a_route_has_limits_of_its_own_beside_those_of_its_listener() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath_prefix = \"/login\"\nservice = \"api\"\n\
        [[listener.route.rate_limit]]\nname = \"login\"\nrate = \"1/h\"\nby = \"all\"\n";
    let proxy = Proxy::start(&config(&(hourly(3, "") + route), "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!([client.get("/login").status, client.get("/login").status], [200, 429]);
    assert_eq!(
        [client.get("/x").status, client.get("/x").status],
        [200, 429],
        "what was refused has counted at the listener"
    );
    let name = "evenkeel_rate_limited_total{listener=\"web\",route=\"path_prefix /login\",limit=\"login\",outcome=\"refused\"}";
    assert_eq!(proxy.metric(name), 1);
}

#[test]
fn who_looks_for_what_is_not_there_or_may_not_come_in_is_limited_too() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath = \"/x\"\nservice = \"api\"\n[[listener.route]]\npath = \"/closed\"\n\
        deny = [\"127.0.0.0/8\"]\nservice = \"api\"\n";
    let text = config(&(hourly(3, "") + route), "", &[&origin]);
    let proxy = Proxy::start(&text.replacen("service = \"api\"\n", "", 1));
    let mut client = proxy.client();
    let asked = ["/none", "/closed", "/x", "/x", "/closed", "/none"].map(|path| client.get(path).status);
    assert_eq!(asked, [404, 403, 200, 429, 429, 429]);
}

#[test]
fn what_may_wait_is_held_back_instead() {
    let origin = Origin::ok();
    let limit = "[[listener.rate_limit]]\nrate = \"10/s\"\nburst = 1\ndelay = \"10s\"\n";
    let proxy = Proxy::start(&config(limit, "", &[&origin]));
    let began = Instant::now();
    assert_eq!(statuses(&mut proxy.client(), 5), [200; 5]);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    let name = "evenkeel_rate_limited_total{listener=\"web\",route=\"\",limit=\"10/s by client\",outcome=\"delayed\"}";
    assert!(proxy.metric(name) >= 1);
}

#[test]
fn a_dry_run_counts_what_it_would_have_refused() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&hourly(1, "dry_run = true"), "", &[&origin]));
    assert_eq!(statuses(&mut proxy.client(), 3), [200; 3]);
    let name =
        "evenkeel_rate_limited_total{listener=\"web\",route=\"\",limit=\"1/h by client\",outcome=\"would_refuse\"}";
    assert_eq!(proxy.metric(name), 2);
}

#[test]
fn a_reload_forgets_nothing_that_was_used() {
    let origin = Origin::ok();
    let before = config(&hourly(2, "name = \"a\""), "", &[&origin]);
    let proxy = Proxy::start(&before);
    let mut client = proxy.client();
    assert_eq!(statuses(&mut client, 3), [200, 200, 429]);
    assert_eq!(proxy.reload(&before.replace("burst = 2", "burst = 3")).status, 200);
    assert_eq!(statuses(&mut client, 2), [200, 429], "one more, not three");
}

#[test]
fn a_call_of_grpc_is_told_in_its_own_words() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&hourly(1, ""), "", &[&origin]));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let call = async || {
            let mut request = h2::post("http://a.example/pkg.Service/Method");
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            client.call(request, Bytes::from_static(b"\0\0\0\0\0")).await
        };
        call().await;
        let refused = call().await;
        assert_eq!(refused.status, 200);
        assert_eq!(refused.headers["grpc-status"], "8", "RESOURCE_EXHAUSTED");
        assert!(refused.headers.contains_key("ratelimit"));
    });
}

#[test]
fn spellings_of_one_path_are_one_key() {
    let origin = Origin::ok();
    for by in ["path", "uri"] {
        let proxy = Proxy::start(&config(&hourly(2, &format!("by = \"{by}\"")), "", &[&origin]));
        let mut client = proxy.client();
        let asked = ["/a?b=c", "/%61?b=c", "/x/../a?b=c", "/b?b=c"].map(|target| client.get(target).status);
        assert_eq!(asked, [200, 200, 429, 200], "{by}");
        let other_query = client.get("/%61?b=d").status;
        assert_eq!(other_query, if by == "path" { 429 } else { 200 });
    }
    assert!(origin.requests().iter().any(|request| request.target() == "/%61?b=c"), "paths go on as they were sent");
}

#[test]
fn the_access_log_says_which_limit_refused_or_would_have() {
    let origin = Origin::ok();
    let text = |dry: bool| {
        let lines = format!("name = \"few\"\ndry_run = {dry}");
        config(&hourly(1, &lines), "", &[&origin]) + LOG + "access_sample = 0.0\n"
    };
    let proxy = Proxy::start(&text(true));
    let mut client = proxy.client();
    assert_eq!(statuses(&mut client, 2), [200, 200]);
    // what is within its limits is left out, what would have been refused is not
    let told = proxy.logged();
    assert_eq!((&told["limit"], &told["status"], &told["client"]), (&json!("few"), &json!(200), &json!("127.0.0.1")));
    assert_eq!(proxy.reload(&text(false)).status, 200);
    assert_eq!(client.get("/x").status, 429);
    wait_until("another line is written", || proxy.log().len() == 2);
    let told: Value = serde_json::from_str(&proxy.log()[1]).unwrap();
    assert_eq!((&told["limit"], &told["failure"]), (&json!("few"), &json!("rate limit")));
}

#[test]
fn the_status_has_every_limit_with_what_it_has_done() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath_prefix = \"/r\"\nservice = \"api\"\n[[listener.route.rate_limit]]\nname = \"of-route\"\n\
                 rate = \"5/m\"\nby = \"header:x-key\"\ndry_run = true\nkeys = 10\n";
    let proxy = Proxy::start(&config(&(hourly(2, "name = \"first\"") + route), "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(["/a", "/r", "/a"].map(|target| client.get(target).status), [200, 200, 429]);
    let limits = proxy.status()["limits"].clone();
    let mut first = json!({
        "listener": "web", "route": null, "name": "first", "rate": "1/h", "burst": 2, "by": "client", "delay_ms": 0, "dry_run": false,
        "keys": 100_000, "keys_ahead": 1, "displaced": 0, "store_reachable": null,
        "refused": 1, "delayed": 0, "would_refuse": 0, "would_delay": 0,
    });
    assert_eq!(limits[0], first);
    for (name, value) in [
        ("route", json!("path_prefix /r")),
        ("name", json!("of-route")),
        ("rate", json!("5/m")),
        ("burst", json!(1)),
        ("by", json!("header:x-key")),
        ("dry_run", json!(true)),
        ("keys", json!(10)),
        ("refused", json!(0)),
    ] {
        first[name] = value;
    }
    assert_eq!(limits[1], first);
    assert_eq!(limits.as_array().unwrap().len(), 2);
}
