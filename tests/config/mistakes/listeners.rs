//! Mistakes in `[[listener]]`, and in what it has to do with others.

use crate::support::{GOOD, bad, good, only_mistake, told};

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
        ("service = 'app'\npath_regex = '^/é'", format!("{at}.path_regex: a path can't contain 'é'")),
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
        (
            "service = 'app'\nheaders = { Upgrade = 'websocket' }",
            format!("{at}.headers.Upgrade: a condition on `upgrade` would never hold"),
        ),
        (
            "service = 'app'\nheaders = { host = 'a' }",
            format!("{at}.headers.host: a condition on `host` would never hold"),
        ),
        ("redirect = { to = 'x' }", format!("{at}.redirect.to: `x` is not a target to redirect to")),
        (
            "redirect = { to = 'https://${host}:99999${path}' }",
            format!("{at}.redirect.to: `https://${{host}}:99999${{path}}` is not a target to redirect to"),
        ),
        (
            "redirect = { to = 'https://a.example:/' }",
            format!("{at}.redirect.to: `https://a.example:/` is not a target to redirect to"),
        ),
        ("service = 'app'\nrewrite = { host = 'a:99999' }", format!("{at}.rewrite.host: `a:99999` is not a host")),
        ("service = 'app'\nrewrite = { host = 'a:+80' }", format!("{at}.rewrite.host: `a:+80` is not a host")),
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
fn an_address_that_is_not_here_is_told_of_and_so_is_a_key_that_changes_nothing() {
    let listener = |own: &str| format!("{GOOD}\n[[listener]]\nname = \"b\"\nservice = \"app\"\n{own}\n");
    let warned = |own: &str| told(&good(&listener(own)).warnings).concat();
    // for documentation only (RFC 5737): no machine has it
    let absent = warned("bind = \"203.0.113.7:80\"");
    assert!(absent.ends_with("listener[1].bind: this machine has no address 203.0.113.7"), "{absent}");
    assert_eq!(warned("bind = \"203.0.113.7:80\"\nfree_bind = true"), "");
    for always in ["0.0.0.0:80", "unix:/run/b.sock"] {
        let told = warned(&format!("bind = \"{always}\"\nfree_bind = true"));
        assert!(told.ends_with("`free_bind` has no effect: what `bind` names is always here"), "{told}");
    }
}
