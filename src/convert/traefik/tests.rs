//! What of Traefik's configuration becomes what, and what of it is told.

use crate::convert::Original;
use crate::convert::output::Severity;

const STATIC: &str = "entryPoints:\n  web:\n    address: \":80\"\n  websecure:\n    address: \":443\"\n";

/// The result for a static configuration and a file of the dynamic one, and what was found, a line each.
fn of(fixed: &str, dynamic: &str) -> (String, Vec<String>) {
    let files = |name: &str| match name {
        "d.yml" => Ok(vec![(name.to_owned(), dynamic.to_owned())]),
        "users.md5" => Ok(vec![(name.to_owned(), "ann:$apr1$x$y\n".to_owned())]),
        "users" => Ok(vec![(name.to_owned(), "ann:$2y$05$abc\n".to_owned())]),
        _ => Err("there is no such file".to_owned()),
    };
    let text = format!("{fixed}providers:\n  file:\n    filename: d.yml\n");
    let out = super::convert(&Original { file: "traefik.yml", text: &text, files: &files });
    let found = out.findings.all().iter().map(|finding| finding.line()).collect();
    (out.render(), found)
}

/// The same for routers with one middleware each.
fn with(middleware: &str) -> (String, Vec<String>) {
    let dynamic = format!(
        "http:\n  routers:\n    r:\n      rule: PathPrefix(`/a`)\n      entryPoints: [web]\n      middlewares: [m]\n      service: s\n  \
         middlewares:\n    m:\n      {middleware}\n  services:\n    s:\n      loadBalancer:\n        servers:\n          - url: http://127.0.0.1:1\n"
    );
    of(STATIC, &dynamic)
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\n{text}");
}

fn is_closed(text: &str) -> bool {
    text.contains("deny = [\"0.0.0.0/0\", \"::/0\"]")
}

#[test]
fn what_protects_and_cannot_be_carried_over_closes_the_route_and_is_an_error() {
    for middleware in [
        "digestAuth: { users: [\"ann:realm:hash\"] }",
        "plugin: { anything: { a: 1 } }",
        "basicAuth: { users: [\"ann:$apr1$x$y\"] }",
        "basicAuth: { usersFile: users.md5 }",
        "forwardAuth: { address: \"http://127.0.0.1:2\", authResponseHeadersRegex: \"^X-\" }",
        "forwardAuth: { address: \"\" }",
        "ipAllowList: { sourceRange: [\"nonsense\"] }",
        "headers: { allowedHosts: [\"a.example\"] }",
        "somethingNew: { a: 1 }",
        "rateLimit: { average: 1, period: 168h }",
        "inFlightReq: { amount: 2, sourceCriterion: { requestHeaderName: X } }",
    ] {
        let (text, found) = with(middleware);
        assert!(is_closed(&text), "{middleware}\n{text}");
        assert!(found.iter().any(|line| line.starts_with("error: ")), "{middleware}: {found:?}");
        has(&text, "NOT AS SAFE AS THE ORIGINAL");
    }
}

#[test]
fn a_middleware_that_is_not_there_closes_the_route() {
    let dynamic = "http:\n  routers:\n    r: { rule: PathPrefix(`/`), middlewares: [auth@docker], service: s, entryPoints: [web] }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    let (text, found) = of(STATIC, dynamic);
    assert!(is_closed(&text) && found[0].starts_with("error: d.yml:3: "), "{found:?}\n{text}");
}

#[test]
fn protections_are_carried_over() {
    for (middleware, ours) in [
        (
            "basicAuth: { usersFile: users, removeHeader: true }",
            "auth = { basic = { file = \"users\", realm = \"traefik\" } }",
        ),
        ("ipAllowList: { sourceRange: [10.0.0.0/8] }", "allow = [\"10.0.0.0/8\"]"),
        ("ipWhiteList: { sourceRange: [192.0.2.7/32] }", "allow = [\"192.0.2.7\"]"),
        ("rateLimit: { average: 5, period: 10s, burst: 3 }", "rate = \"30/m\""),
        (
            "forwardAuth: { address: \"https://127.0.0.1:2/v?a=b\", authResponseHeaders: [X-User], authRequestHeaders: [Cookie] }",
            "forward = { service = \"auth-m\", path = \"/v?a=b\", response_headers = [\"x-user\"], request_headers = [\"cookie\"] }",
        ),
        ("buffering: { maxRequestBodyBytes: 1048576 }", "max_body = \"1MiB\""),
        ("inFlightReq: { amount: 7, sourceCriterion: { ipStrategy: { depth: 0 } } }", "requests = 7"),
    ] {
        let (text, found) = with(middleware);
        has(&text, ours);
        assert!(!is_closed(&text) && !found.iter().any(|line| line.starts_with("error: ")), "{middleware}: {found:?}");
    }
}

#[test]
fn a_limit_of_one_router_that_a_listener_has_as_a_whole_is_an_error() {
    let dynamic = "http:\n  routers:\n    a: { rule: PathPrefix(`/a`), middlewares: [m], service: s, entryPoints: [web] }\n    b: { rule: PathPrefix(`/b`), service: s, entryPoints: [web] }\n  middlewares:\n    m: { buffering: { maxRequestBodyBytes: 1024 } }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    let (text, found) = of(STATIC, dynamic);
    assert!(!text.contains("max_body = ") || text.contains("set `limits.max_body"), "{text}");
    assert!(found.iter().any(|line| line.starts_with("error: d.yml:6: ")), "{found:?}");
}

#[test]
fn a_rule_that_cannot_be_said_is_an_error_at_its_line() {
    let dynamic = "http:\n  routers:\n    r:\n      rule: HeaderRegexp(`A`, `b`)\n      entryPoints: [web]\n      service: s\n    q: { rule: Path(`/`), entryPoints: [web], service: s }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    let (_, found) = of(STATIC, dynamic);
    assert!(found[0].starts_with("error: d.yml:4: `http.routers.r`"), "{found:?}");
}

#[test]
fn client_certificates_are_asked_for_or_nobody_comes_in() {
    let routers = "http:\n  routers:\n    r: { rule: PathPrefix(`/`), tls: { options: mtls }, entryPoints: [websecure], service: s }\n    q: { rule: Path(`/q`), tls: { options: OTHER }, entryPoints: [websecure], service: s }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    let tls = "tls:\n  certificates: [{ certFile: a.pem, keyFile: a.key }]\n  options:\n    mtls: { clientAuth: { caFiles: [ca.pem], clientAuthType: RequireAndVerifyClientCert } }\n    plain: { minVersion: VersionTLS12 }\n";
    let (text, found) = of(STATIC, &(routers.replace("OTHER", "mtls") + tls));
    has(&text, "client_auth = \"required\"");
    has(&text, "client_ca = \"ca.pem\"");
    assert!(!found.iter().any(|line| line.starts_with("error: ")), "{found:?}");
    // one listener can't ask some hosts for a certificate and others not
    let (text, found) = of(STATIC, &(routers.replace("OTHER", "plain") + tls));
    assert!(is_closed(&text) && found.iter().any(|line| line.starts_with("error: ")), "{found:?}\n{text}");
    let (text, _) = of(STATIC, &(routers.replace("OTHER", "mtls") + &tls.replace("[ca.pem]", "[a.pem, b.pem]")));
    assert!(is_closed(&text), "{text}");
}

#[test]
fn certificates_of_backends_are_verified_unless_the_original_does_not() {
    let dynamic = |transport: &str| {
        format!(
            "http:\n  routers:\n    r: {{ rule: PathPrefix(`/`), entryPoints: [web], service: s }}\n  serversTransports:\n    t: {{ {transport} }}\n  services:\n    s: {{ loadBalancer: {{ serversTransport: t, servers: [{{ url: \"https://127.0.0.1:1\" }}] }} }}\n"
        )
    };
    let (text, _) = of(STATIC, &dynamic("serverName: a.example"));
    has(&text, "server_name = \"a.example\"");
    assert!(!text.contains("verify = false"), "{text}");
    let (text, _) = of(STATIC, &dynamic("insecureSkipVerify: true"));
    has(&text, "verify = false");
    let (_, found) = of(STATIC, &dynamic("peerCertURI: \"spiffe://x\""));
    assert!(found.iter().any(|line| line.starts_with("error: ")), "{found:?}");
}

#[test]
fn what_nobody_has_looked_at_is_told() {
    let (_, found) = with("headers: { newThing: 1, frameDeny: true }");
    assert!(found.iter().any(|line| line.starts_with("error: ") && line.contains("newThing")), "{found:?}");
    let (_, found) = of(&format!("{STATIC}newSection: {{ a: 1 }}\n"), "http: {}\n");
    assert!(found.iter().any(|line| line.starts_with("warning: ") && line.contains("newSection")), "{found:?}");
}

#[test]
fn only_the_dynamic_configuration_has_the_usual_entry_points() {
    let text = "http:\n  routers:\n    a: { rule: Host(`a`), service: s }\n    b: { rule: Host(`b`), service: s, tls: {} }\n  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n";
    let files = |_: &str| Err("none".to_owned());
    let out = super::convert(&Original { file: "dynamic.yml", text, files: &files });
    let result = out.render();
    has(&result, "bind = \"0.0.0.0:80\"");
    has(&result, "bind = \"0.0.0.0:443\"");
    assert_eq!(out.findings.of(Severity::Error).len(), 0, "{}", out.findings.list());
}

#[test]
fn broken_and_hostile_files_are_told_of() {
    let files = |_: &str| Err("none".to_owned());
    let deep = format!("http: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let rule = format!(
        "http:\n  routers:\n    r: {{ rule: \"{}Host(`a`){}\", service: s }}\n",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    let nots = format!("http:\n  routers:\n    r: {{ rule: \"{}Host(`a`)\", service: s }}\n", "!".repeat(12_000));
    let many = format!(
        "http:\n  routers:\n    r: {{ rule: \"{}\", service: s }}\n",
        vec!["(Host(`a`) || Path(`/b`))"; 300].join(" && ")
    );
    let circle = "http:\n  routers:\n    r: { rule: \"Path(`/`)\", service: s, middlewares: [m] }\n  middlewares:\n    m: { chain: { middlewares: [m, m] } }\n  services:\n    s: { weighted: { services: [{ name: s }, { name: s }] } }\n";
    for text in [
        "",
        "a: [",
        "\u{0}",
        "http: 7\n",
        "http: { routers: [] }\n",
        "- 1\n",
        &deep,
        &rule,
        &nots,
        &many,
        circle,
        "[http",
        "http:\n  routers:\n    r: { rule: 7, service: 8 }\n",
    ] {
        for file in ["traefik.yml", "traefik.toml"] {
            let out = super::convert(&Original { file, text, files: &files });
            assert!(!out.findings.all().is_empty(), "{file}: {:?}", text.chars().take(80).collect::<String>());
            let _ = out.render();
        }
    }
}

#[test]
fn hundreds_of_routers_are_converted_in_good_time() {
    let mut text = String::from("http:\n  routers:\n");
    for index in 0..300 {
        let priority = 1000 - index;
        text.push_str(&format!("    r{index}: {{ rule: \"Host(`h{}.example`) && PathPrefix(`/{}`)\", priority: {priority}, service: s, entryPoints: [web] }}\n", index % 50, "a/".repeat(index % 7)));
    }
    text.push_str("  services:\n    s: { loadBalancer: { servers: [{ url: \"http://127.0.0.1:1\" }] } }\n");
    let (result, _) = of(STATIC, &text);
    assert!(result.matches("[[listener.route]]").count() >= 50);
}

/// Two routers: what is asked first, with a list of networks, and another one for everything.
fn behind(rule: &str, points: &str) -> (String, Vec<String>) {
    let dynamic = format!(
        "http:\n  routers:\n    r:\n      rule: {rule}\n      priority: 100\n      entryPoints: [web]\n      middlewares: [m]\n      service: s\n    \
         all:\n      rule: \"PathRegexp(`^/pub|/admin(/x)?`) || PathPrefix(`/other`)\"\n      priority: 1\n      entryPoints: [web]\n      service: s\n  \
         middlewares:\n    m:\n      ipAllowList: {{ sourceRange: [\"10.0.0.0/8\"] }}\n  services:\n    s:\n      loadBalancer:\n        servers:\n          - url: http://127.0.0.1:1\n"
    );
    of(points, &dynamic)
}

#[test]
fn an_expression_that_could_take_what_is_protected_closes_its_router() {
    let (text, found) = behind("PathPrefix(`/admin`)", STATIC);
    assert!(is_closed(&text) && found[0].starts_with("error: "), "{found:?}\n{text}");
}

#[test]
fn a_list_of_peers_behind_trusted_proxies_closes_its_router() {
    let trusting = STATIC.replacen(":80\"\n", ":80\"\n    forwardedHeaders:\n      trustedIPs: [127.0.0.0/8]\n", 1);
    let (text, found) = behind("PathPrefix(`/other/x`)", &trusting);
    assert!(
        is_closed(&text) && found.iter().any(|line| line.contains("ipAllowList") && line.starts_with("error: ")),
        "{found:?}\n{text}"
    );
    let (text, _) = behind("PathPrefix(`/other/x`)", STATIC);
    has(&text, "allow = [\"10.0.0.0/8\"]");
    let (text, found) = behind("PathPrefix(`/other/x`) && ClientIP(`10.0.0.0/8`)", &trusting);
    assert!(is_closed(&text) && found[0].starts_with("error: "), "{found:?}\n{text}");
}

#[test]
fn a_router_with_a_list_whose_rule_cannot_be_said_refuses_all_that_it_could_take() {
    let (text, found) = behind("PathPrefix(`/other/x`) && HeaderRegexp(`A`, `b`)", STATIC);
    has(&text, "path_prefix = \"/other/x\"");
    assert!(is_closed(&text) && found.iter().any(|line| line.contains("refused")), "{found:?}\n{text}");
    let (text, _) = behind("PathRegexp(`(?i)^/other`)", STATIC);
    has(&text, "path_regex = \"(?i)^/other\"");
}
