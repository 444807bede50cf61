//! What clients and proxies say of who has sent a request: nobody gets in under somebody else's address.

use crate::support::h2;
use crate::support::{Origin, Proxy, config};

/// Lines by which a client says that it is 10.1.2.3, who may come in.
const CLAIMS: [&str; 22] = [
    "X-Forwarded-For: 10.1.2.3",
    "x-forwarded-for: 10.1.2.3",
    "X_Forwarded_For: 10.1.2.3",
    "X-Forwarded_For: 10.1.2.3",
    "X-Forwarded-For: 10.1.2.3, 10.1.2.3",
    "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-For: 10.1.2.3",
    "X-Forwarded-For: 10.1.2.3:80",
    "X-Forwarded-For: ::ffff:10.1.2.3",
    "X-Forwarded-For: [::ffff:10.1.2.3]:80",
    "X-Forwarded-For: \t10.1.2.3\t",
    "X-Forwarded-For: ,10.1.2.3,",
    "Forwarded: for=10.1.2.3",
    "Forwarded: For=\"10.1.2.3:80\";proto=https",
    "Forwarded: for=127.0.0.1, for=10.1.2.3",
    "X-Forwarded: for=10.1.2.3",
    "X-Real-IP: 10.1.2.3",
    "X-Client-IP: 10.1.2.3",
    "True-Client-IP: 10.1.2.3",
    "CF-Connecting-IP: 10.1.2.3",
    "X-Cluster-Client-IP: 10.1.2.3",
    "X-Originating-IP: 10.1.2.3",
    "Via: 1.1 10.1.2.3",
];

/// What a trusted proxy sends for a client at 192.0.2.66, who may not come in, and who has sent the rest.
const BEHIND: [&str; 22] = [
    "X-Forwarded-For: 192.0.2.66",
    "X-Forwarded-For: 10.1.2.3, 192.0.2.66",
    "X-Forwarded-For: 10.1.2.3,192.0.2.66",
    "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-For: 192.0.2.66",
    "X-Forwarded-For: 10.1.2.3, 10.1.2.3, 10.1.2.3, 192.0.2.66",
    "X-Forwarded-For: 127.0.0.1, 10.1.2.3, 192.0.2.66, 127.0.0.1",
    "X-Forwarded-For: 10.1.2.3, 192.0.2.66:4711",
    "X-Forwarded-For: 10.1.2.3, ::ffff:192.0.2.66",
    "X-Forwarded-For: 10.1.2.3, [::ffff:192.0.2.66]:80",
    "X-Forwarded-For: \"10.1.2.3\", 192.0.2.66",
    "X-Forwarded-For: 10.1.2.3 , unknown",
    "X-Forwarded-For: 10.1.2.3, _hidden",
    "X-Forwarded-For: 10.1.2.3, ",
    "X-Forwarded-For: 10.1.2.3;, 192.0.2.66",
    "X-Forwarded-For: 10.1.2.3, 192.0.2.66\r\nForwarded: for=10.1.2.3",
    "X-Forwarded-For: 10.1.2.3, 192.0.2.066",
    "X-Forwarded-For: 10.1.2.3, 3221226050",
    "Forwarded: for=10.1.2.3, for=192.0.2.66",
    "Forwarded: for=10.1.2.3;for=192.0.2.66, for=_hidden",
    "Forwarded: by=10.1.2.3",
    "Forwarded: for=10.1.2.3;for=192.0.2.66",
    "Forwarded: for=192.0.2.66; FOR=\"10.1.2.3\"",
];

fn proxy(origin: &Origin, trusted: &str) -> Proxy {
    let route = "[[listener.route]]\npath_prefix = \"/admin\"\nallow = [\"10.1.0.0/16\"]\nservice = \"api\"\n";
    Proxy::start(&config(&format!("trusted_proxies = [\"{trusted}\"]\n{route}"), "", &[origin]))
}

fn none_gets_in(proxy: &Proxy, origin: &Origin, all: &[&str]) {
    for lines in all {
        let mut client = proxy.client();
        client.send(format!("GET /admin HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"));
        let answer = client.response();
        assert_eq!(answer.status, 403, "{lines}");
        assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=http_request_denied"));
    }
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        for lines in all {
            let mut request = h2::get("http://a/admin");
            for line in lines.lines() {
                let (name, value) = line.split_once(": ").unwrap();
                let name: http::HeaderName = name.parse().unwrap();
                request.headers_mut().append(name, value.trim().parse().unwrap());
            }
            assert_eq!(client.call(request, "").await.status, 403, "{lines}");
        }
    });
    assert_eq!(origin.connections(), 0);
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /admin\",reason=\"network\"}";
    assert_eq!(proxy.metric(denied), 2 * all.len() as u64);
}

#[test]
fn twenty_spellings_of_x_forwarded_for_and_none_lets_a_client_in_that_nobody_trusts() {
    let origin = Origin::ok();
    let proxy = proxy(&origin, "192.0.2.1");
    none_gets_in(&proxy, &origin, &CLAIMS);
    assert_eq!(proxy.client().get("/other").status, 200);
}

#[test]
fn twenty_spellings_of_x_forwarded_for_and_none_lets_a_client_in_behind_a_trusted_proxy() {
    let origin = Origin::ok();
    let proxy = proxy(&origin, "127.0.0.0/8");
    none_gets_in(&proxy, &origin, &BEHIND);
    for lines in ["X-Forwarded-For: 192.0.2.66, 10.1.2.3", "Forwarded: for=192.0.2.66, for=10.1.2.3"] {
        let mut client = proxy.client();
        client.send(format!("GET /admin HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"));
        assert_eq!(client.response().status, 200, "{lines}");
    }
}

#[test]
fn who_a_trusted_proxy_names_in_the_field_for_one_address_is_the_client_everywhere() {
    let origin = Origin::ok();
    let listener = "client_ip_header = \"x-real-ip\"\nallow = [\"10.1.0.0/16\"]\n\
        [[listener.route]]\npath = \"/who\"\nrespond = { status = 200, body = \"${client_ip}\" }\n\
        [[listener.route.rate_limit]]\nname = \"a\"\nrate = \"1/h\"\nburst = 1\nby = \"client\"\n";
    let asked = |proxy: &Proxy, path: &str, lines: &str| {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        client.response()
    };
    let trusting = config(&format!("trusted_proxies = [\"127.0.0.0/8\"]\n{listener}"), "", &[&origin]);
    let proxy = Proxy::start(&trusting);
    for lines in [
        "",
        "X-Real-IP: 192.0.2.66\r\n",
        "X-Real-IP: 10.1.2.3, 10.1.2.3\r\n",
        "X-Real-IP: 10.1.2.3\r\nX-Real-IP: 10.1.2.4\r\n",
        "X-Real-IP: 10.1.2.3\r\nX-Forwarded-For: 192.0.2.66\r\n",
        "X-Real-IP: 10.1.2.3\r\nForwarded: for=_hidden\r\n",
        "X_Real_IP: 10.1.2.3\r\n",
    ] {
        assert_eq!(asked(&proxy, "/other", lines).status, 403, "{lines}");
    }
    let who = asked(&proxy, "/who", "X-Real-IP: 10.1.2.3\r\n");
    assert_eq!((who.status, who.text()), (200, "10.1.2.3".to_owned()));
    assert_eq!(asked(&proxy, "/who", "X-Real-IP: 10.1.2.3\r\n").status, 429, "it has had its one request");
    assert_eq!(asked(&proxy, "/who", "X-Real-IP: 10.1.2.4\r\n").status, 200, "another client has its own");
    assert_eq!(asked(&proxy, "/other", "X-Real-IP: 10.1.2.4\r\n").status, 200);
    let request = origin.requests().pop().unwrap();
    assert_eq!(request.head.all("x-real-ip"), ["10.1.2.4"]);
    // nobody else is believed
    let proxy = Proxy::start(&config(&listener.replace("10.1.0.0/16", "127.0.0.0/8"), "", &[&origin]));
    assert_eq!(asked(&proxy, "/who", "X-Real-IP: 10.1.2.3\r\n").text(), "127.0.0.1");
}
