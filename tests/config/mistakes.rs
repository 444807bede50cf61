//! Each mistake is found, in its place, and none hides another.

use evenkeel::config::Severity;

use crate::support::{GOOD, SERVICE, bad, good, only_mistake, told};

/// Of both kinds, in several sections.
const MANY: &str = r#"[server]
wrokers = 2
drain_timeout = "30 seconds"

[admin]
bind = "0.0.0.0:9900"

[log]
format = "xml"

[[listener]]
name = "web"
bnd = "127.0.0.1:8080"
service = "ap"

[[listener.route]]
path = "v1"
service = "app"

[[listener.route]]
path = "/a"
path_regex = "^/(v1"
service = 5

[[listener]]
name = "web"
bind = "127.0.0.1:8081"
service = "app"
protocol = "tpc"

[service.app]
balance = "least_connections"
[[service.app.backend]]
address = "127.0.0.1:1"
weight = 70000
[[service.app.backend]]
address = "127.0.0.1:1"
zone = "${EVENKEEL_TEST_UNSET}"
[service.none]
[service.app.health]
intervall = "2s"
"#;

#[test]
fn many_mistakes_are_told_at_once_and_nothing_else_is() {
    assert_eq!(
        told(&bad(MANY)),
        [
            "2:1 server.wrokers: unknown key `wrokers`",
            "3:17 server.drain_timeout: `30 seconds` can't be read",
            "6:8 admin.bind: the admin address can be reached from other machines by anyone",
            "9:10 log.format: `format` can't be \"xml\"",
            "13:1 listener[0].bnd: unknown key `bnd`",
            "14:11 listener[0].service: there is no service `ap`",
            "17:8 listener[0].route[0].path: `v1` does not begin with \"/\"",
            "22:1 listener[0].route[1].path_regex: `path_regex` beside `path`",
            "22:14 listener[0].route[1].path_regex: this regular expression is wrong: unclosed group",
            "23:11 listener[0].route[1].service: `service` can't be an integer",
            "26:8 listener[1].name: another listener is named `web`",
            "29:12 listener[1].protocol: `protocol` can't be \"tpc\"",
            "35:10 service.app.backend[0].weight: `weight` is out of range",
            "37:11 service.app.backend[1].address: the service has `127.0.0.1:1` twice",
            "38:8 service.app.backend[1].zone: `${EVENKEEL_TEST_UNSET}` is not set",
            "39:10 service.none: the service `none` has no backends",
            "41:1 service.app.health.intervall: unknown key `intervall`",
        ]
    );
}

#[test]
fn each_explains_itself() {
    for d in &bad(MANY) {
        assert!(d.expected.is_some() || d.suggestion.is_some() || d.help.is_some(), "{d:?}");
        assert_eq!(MANY.lines().nth(d.line - 1), Some(d.source.as_str()), "{d:?}");
        assert!(d.column - 1 + d.width <= d.source.chars().count(), "{d:?}");
    }
}

#[test]
fn near_names_are_suggested() {
    let suggestions: Vec<(String, Option<String>)> =
        bad(MANY).iter().map(|d| (d.path.clone(), d.suggestion.clone())).filter(|(_, s)| s.is_some()).collect();
    let expected = [
        ("server.wrokers", "workers"),
        ("server.drain_timeout", "30s"),
        ("listener[0].bnd", "bind"),
        ("listener[0].service", "app"),
        ("listener[0].route[0].path", "/v1"),
        ("listener[1].protocol", "tcp"),
        ("service.app.health.intervall", "interval"),
    ];
    assert_eq!(suggestions, expected.map(|(path, name)| (path.to_owned(), Some(name.to_owned()))));
}

#[test]
fn text_that_is_no_toml_is_one_mistake() {
    let diagnostics = bad("[server]\nworkers = \nfoo = 1\n");
    assert_eq!(diagnostics.len(), 1);
    let only = diagnostics.iter().next().unwrap();
    assert_eq!(only.line, 2);
    assert!(only.message.starts_with("this is not TOML"), "{}", only.message);
}

#[test]
fn a_key_under_the_wrong_header_is_told_where_it_belongs() {
    let text = format!("{GOOD}\n[service.app.pool]\ncertificates = []\n");
    let diagnostics = bad(&text);
    let only = diagnostics.iter().next().unwrap();
    let help = "`certificates` is a key of [listener.tls]; a key belongs to the last [header] above it";
    assert_eq!(only.help.as_deref(), Some(help));
}

#[test]
fn what_needs_requests_is_refused_where_there_are_none() {
    let listener = |protocol: &str, rest: &str| {
        format!(
            "{GOOD}\n[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:1\"\nprotocol = \"{protocol}\"\nservice = \"app\"\n{rest}\n"
        )
    };
    let tls = "[listener.tls]\ncertificates = []";
    for (protocol, rest, mistake) in [
        ("tls", tls, "listener[1].tls: a `tls` listener passes TLS on and can't end it"),
        ("udp", tls, "listener[1].tls: a `udp` listener has no TLS"),
        ("udp", "proxy_protocol = \"accept\"", "listener[1].proxy_protocol: datagrams don't begin with a PROXY header"),
        (
            "udp",
            "[[service.app.backend]]\naddress = \"unix:/x\"",
            "listener[1].service: a `udp` listener can't use the service `app`: it has a backend at a Unix socket",
        ),
        (
            "tcp",
            "[[listener.route]]\nhost = \"a\"\nservice = \"app\"",
            "listener[1].route[0].host: `host` has no effect: a `tcp` listener sees no requests",
        ),
        (
            "tls",
            "[[listener.route]]\nhost = \"a\"\npath = \"/\"\nservice = \"app\"",
            "listener[1].route[0].path: `path` has no effect: a `tls` listener sees no requests",
        ),
        (
            "tls",
            "[[listener.route]]\nhost = \"a\"\nrespond.status = 200",
            "listener[1].route[0].respond: `respond` has no effect: a `tls` listener sees no requests",
        ),
        (
            "tcp",
            "[service.app.affinity]\nby = \"header:x\"",
            "listener[1].service: a `tcp` listener can't use the service `app`: its affinity is by `header:x`, and there is no request",
        ),
        (
            "tls",
            "[service.app.tls]",
            "listener[1].service: a `tls` listener can't use the service `app`: it has a `tls` section, and what is passed on is TLS already",
        ),
    ] {
        let text = listener(protocol, rest);
        let mistakes: Vec<String> = bad(&text).iter().map(|d| format!("{}: {}", d.path, d.message)).collect();
        assert!(mistakes.iter().any(|told| told == mistake), "{mistakes:#?}\n{rest}");
    }
    // an address may be listened on for connections and for datagrams
    good(&format!(
        "{GOOD}\n[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:8080\"\nprotocol = \"udp\"\nservice = \"app\""
    ));
    let blind =
        |port: &str| told(&good(&listener("udp", &format!("[service.app.health]\nkind = \"tcp\"\n{port}"))).warnings);
    assert!(blind("")[0].ends_with("the checks of `app` go by TCP to the port where its backends get datagrams"));
    assert_eq!(blind("port = 53"), [""; 0]);
    let unused = listener("tcp", "limits.max_body = \"1MiB\"\nlimits.header_timeout = \"1s\"");
    let told = told(&good(&unused).warnings);
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "listener[1].limits.max_body: `max_body` has no effect: a `tcp` listener sees no requests";
    assert!(told[0].ends_with(expected), "{told:?}");
}

#[test]
fn listeners_must_be_told_apart_and_lead_somewhere() {
    assert_eq!(only_mistake(""), ": there is no listener");
    let listener = |rest: &str| format!("{GOOD}\n[[listener]]\n{rest}\n");
    for (rest, mistake) in [
        ("bind = \"127.0.0.1:1\"\nservice = \"app\"", "listener[1]: `name` is missing"),
        ("name = \"b\"\nservice = \"app\"", "listener[1]: `bind` is missing"),
        ("name = \"b\"\nbind = \"127.0.0.1:1\"", "listener[1]: this listener sends nothing anywhere"),
        (
            "name = \"web\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"",
            "listener[1].name: another listener is named `web`",
        ),
        ("name = \"b\"\nbind = \"127.0.0.1:8080\"\nservice = \"app\"", "listener[1].bind: `127.0.0.1:8080` is taken"),
        ("name = \"b\"\nbind = \"127.0.0.1:9900\"\nservice = \"app\"", "listener[1].bind: `127.0.0.1:9900` is taken"),
        ("name = \"b\"\nbind = \":80\"\nservice = \"app\"", "listener[1].bind: `:80` is not an address to listen on"),
        ("name = \"b c\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"", "listener[1].name: \"b c\" can't be a name"),
        (
            "name = \"b\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"\ntrusted_proxies = [\"10.0.0.1/8\"]",
            "listener[1].trusted_proxies[0]: `10.0.0.1/8` is not a network",
        ),
        (
            "name = \"b\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"\nidle_timeout = \"0s\"",
            "listener[1].idle_timeout: `idle_timeout` can't be 0",
        ),
        (
            "name = \"b\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"\nlimits.max_header_bytes = \"1B\"",
            "listener[1].limits.max_header_bytes: `max_header_bytes` is out of range",
        ),
    ] {
        assert_eq!(only_mistake(&listener(rest)), mistake, "{rest}");
    }
    // The kernel chooses another port each time.
    good(&format!(
        "{}\n{}",
        GOOD.replace("8080", "0"),
        "[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:0\"\nservice = \"app\""
    ));
}

#[test]
fn tls_settings_must_make_sense() {
    let tls = |rest: &str| {
        told(&bad(&format!(
            "{GOOD}\n[[listener]]\nname = \"s\"\nbind = \"127.0.0.1:1\"\nservice = \"app\"\n[listener.tls]\n{rest}\n"
        )))
    };
    assert_eq!(tls(""), ["14:2 listener[1].tls: `certificates` is missing"].map(|s| s.replace("14:2", "14:11")));
    assert_eq!(tls("certificates = []"), ["15:1 listener[1].tls.certificates: there is no certificate"]);
    assert_eq!(
        tls("certificates = [{ cert = 'x' }]\nmin_version = \"1.1\"\nalpn = [\"h3\"]\nclient_auth = \"required\"")
            .iter()
            .map(|m| m.split_once(' ').unwrap().1.to_owned())
            .collect::<Vec<_>>(),
        [
            "listener[1].tls.certificates[0]: `key` is missing",
            "listener[1].tls.certificates[0].cert: `x` can't be read: No such file or directory (os error 2)",
            "listener[1].tls.min_version: `min_version` can't be \"1.1\"",
            "listener[1].tls.alpn[0]: `alpn` can't be \"h3\"",
            "listener[1].tls.client_auth: client certificates need `client_ca`",
        ]
    );
}

#[test]
fn routes_must_say_what_happens_and_to_what() {
    let at = "listener[0].route[0]";
    for (route, mistake) in [
        ("path = '/a'", format!("{at}: this route does not say what happens")),
        ("service = 'app'\nredirect = { to = '/x' }", format!("{at}.redirect: `redirect` beside `service`")),
        ("service = 'nope'", format!("{at}.service: there is no service `nope`")),
        ("split = []", format!("{at}.split: no service of this split has a weight above 0")),
        (
            "split = [{ service = 'app', weight = 0 }]",
            format!("{at}.split: no service of this split has a weight above 0"),
        ),
        ("split = [{ service = 'x', weight = 1 }]", format!("{at}.split[0].service: there is no service `x`")),
        ("split = [{ service = 'app' }]", format!("{at}.split[0]: `weight` is missing")),
        ("service = 'app'\npath = '/a'\npath_prefix = '/b'", format!("{at}.path_prefix: `path_prefix` beside `path`")),
        (
            "service = 'app'\npath_regex = '('",
            format!("{at}.path_regex: this regular expression is wrong: unclosed group"),
        ),
        ("service = 'app'\nhost = 'a b'", format!("{at}.host: `a b` is not a host")),
        ("service = 'app'\nhost = '*'", format!("{at}.host: `*` is not a host")),
        ("service = 'app'\nhost = 'a.*.b'", format!("{at}.host: `a.*.b` is not a host")),
        ("service = 'app'\npath = 'a'", format!("{at}.path: `a` does not begin with \"/\"")),
        ("service = 'app'\npath = '/a?b'", format!("{at}.path: a path can't contain '?'")),
        ("service = 'app'\nmethods = ['get']", format!("{at}.methods[0]: `get` is not a method")),
        (
            "service = 'app'\nheaders = { 'a b' = 'c' }",
            format!("{at}.headers.\"a b\": \"a b\" is not the name of a header"),
        ),
        ("redirect = { to = 'x' }", format!("{at}.redirect.to: `x` is not a target to redirect to")),
        ("redirect = { to = '/x', status = 200 }", format!("{at}.redirect.status: `status` can't be 200")),
        ("respond = { status = 700 }", format!("{at}.respond.status: `status` is out of range")),
        ("respond = { status = 204, body = 'x' }", format!("{at}.respond.body: an answer with status 204 has no body")),
        (
            "service = 'app'\nrewrite = { prefix = '/' }",
            format!("{at}.rewrite.prefix: `prefix` has nothing to replace"),
        ),
        ("service = 'app'\nrewrite = { host = 'a b' }", format!("{at}.rewrite.host: `a b` is not a host")),
        (
            "service = 'app'\nrequest_headers.set = { x = \"a\\nb\" }",
            format!(
                "{at}.request_headers.set.x: the value of a header can't contain line breaks or control characters"
            ),
        ),
        (
            "service = 'app'\nresponse_headers.remove = ['Content-Length']",
            format!("{at}.response_headers.remove[0]: `content-length` can't be changed"),
        ),
        (
            "service = 'app'\nrequest_headers.set = { Host = 'x' }",
            format!("{at}.request_headers.set.Host: `host` can't be changed here"),
        ),
        (
            "service = 'app'\nrequest_headers.set = { A = 'x', a = 'y' }",
            format!("{at}.request_headers.set.a: `a` is here twice"),
        ),
        ("service = 'app'\ntimeout.queue = '0s'", format!("{at}.timeout.queue: `queue` can't be 0")),
        ("service = 'app'\ntimeout.total = 5", format!("{at}.timeout.total: `total` can't be an integer")),
    ] {
        let text = GOOD.replace("[[service.app", &format!("[[listener.route]]\n{route}\n[[service.app"));
        assert_eq!(only_mistake(&text), mistake, "{route}");
    }
}

#[test]
fn a_listener_that_wants_proxy_headers_must_trust_somebody() {
    let listener = |bind: &str, more: &str| {
        let own = format!("name = \"b\"\nbind = \"{bind}\"\nservice = \"app\"\nproxy_protocol = \"accept\"\n{more}");
        format!("{GOOD}\n[[listener]]\n{own}\n")
    };
    assert_eq!(
        only_mistake(&listener("127.0.0.1:1", "")),
        "listener[1].proxy_protocol: nobody can connect: PROXY headers are accepted from no address"
    );
    good(&listener("127.0.0.1:1", "trusted_proxies = [\"127.0.0.1\"]"));
    good(&listener("unix:/run/b.sock", ""));
}

#[test]
fn services_must_have_distinct_backends() {
    let service = |rest: &str| format!("{GOOD}\n{rest}\n");
    let backend = |rest: &str| service(&format!("[[service.app.backend]]\n{rest}"));
    for (text, mistake) in [
        (service("[service.b]"), "service.b: the service `b` has no backends"),
        (service("[service.'a b'.backend]"), "service.\"a b\": \"a b\" can't be a name"),
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
        (service("[service.app.sla]"), "service.app.sla: `sla` is not supported by this version"),
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
fn a_name_that_does_not_resolve_is_a_mistake() {
    // RFC 6761: never resolves.
    let text = GOOD.replace("127.0.0.1:9001", "backend.invalid:80");
    assert!(
        only_mistake(&text)
            .starts_with("service.app.backend[0].address: the name `backend.invalid` can't be looked up")
    );
}

#[test]
fn what_does_nothing_is_accepted_at_its_nothing() {
    let text = r#"
        [service.app]
        slow_start = "0s"
        panic_threshold = 0
        send_proxy_protocol = "off"
        [[service.app.backend]]
        address = "127.0.0.1:9001"
        max_connections = 0
        backup = false
        [[listener]]
        name = "web"
        bind = "127.0.0.1:8080"
        service = "app"
        protocol = "http"
        proxy_protocol = "off"
    "#;
    assert!(good(text).warnings.is_empty());
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!(
        "{GOOD}\n[[service.idle.backend]]\naddress = '127.0.0.1:1'\nweight = 0\n[[listener]]\nname = 'b'\nbind = '127.0.0.1:1'\n\
         [[listener.route]]\nrespond = {{ status = 404 }}\ntimeout.total = '1s'\n"
    );
    let warnings = good(&text).warnings;
    assert!(warnings.iter().all(|w| w.severity == Severity::Warning));
    let messages: Vec<&str> = warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no backend of the service `idle` gets any work",
            "nothing is ever sent to the service `idle`",
            "`timeout` has no effect beside `respond`",
        ]
    );
}

#[test]
fn a_broken_part_does_not_make_others_look_broken() {
    // The service is there, though unusable: who names it is not wrong as well.
    assert_eq!(
        only_mistake(&GOOD.replace("[[service.app.backend]]\naddress = \"127.0.0.1:9001\"", "[service]\napp = 5")),
        "service.app: `app` can't be an integer"
    );
    assert_eq!(
        only_mistake(&GOOD.replace("service = \"app\"", "servce = \"app\"")),
        "listener[0].servce: unknown key `servce`"
    );
    assert_eq!(only_mistake(&format!("listener = 5\n{SERVICE}")), "listener: `listener` can't be an integer");
    assert_eq!(only_mistake(&GOOD.replace("address", "adress")), "service.app.backend[0].adress: unknown key `adress`");
}
