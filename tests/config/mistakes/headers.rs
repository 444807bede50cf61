//! Changes to headers, and variables in them.

use crate::support::{GOOD, bad, good, only_mistake, told};

/// A file with a route that has these keys.
fn with_route(keys: &str) -> String {
    GOOD.replace("[[service.app", &format!("[[listener.route]]\n{keys}\n[[service.app"))
}

/// The suggestion and the help of the only complaint.
fn advice(text: &str) -> (Option<String>, String) {
    let diagnostics = bad(text);
    let only = diagnostics.iter().next().unwrap();
    (only.suggestion.clone(), only.help.clone().unwrap_or_default())
}

#[test]
fn an_unknown_variable_is_told_with_the_nearest_name() {
    let at = "listener[0].route[0]";
    for (keys, name, near) in [
        (
            "service = 'app'\nrequest_headers.set = { x = '${clientip}' }",
            "request_headers.set.x: `${clientip}`",
            Some("${client_ip}"),
        ),
        (
            "service = 'app'\nrequest_headers.add = { x = '${remote_addr}' }",
            "request_headers.add.x: `${remote_addr}`",
            Some("${client_ip}"),
        ),
        (
            "service = 'app'\nresponse_headers.set = { x = 'a ${bakend}' }",
            "response_headers.set.x: `${bakend}`",
            Some("${backend}"),
        ),
        (
            "service = 'app'\nresponse_headers.default = { x = '${upstream_addr}' }",
            "response_headers.default.x: `${upstream_addr}`",
            Some("${backend}"),
        ),
        ("redirect.to = 'https://${hots}/'", "redirect.to: `${hots}`", Some("${host}")),
        (
            "respond = { status = 200, body = '${tls.versoin}' }",
            "respond.body: `${tls.versoin}`",
            Some("${tls.version}"),
        ),
        ("respond = { status = 200, body = '${zzzzzzzz}' }", "respond.body: `${zzzzzzzz}`", None),
    ] {
        let text = with_route(keys);
        assert_eq!(only_mistake(&text), format!("{at}.{name} is not set"));
        assert_eq!(advice(&text).0.as_deref(), near, "{keys}");
    }
    let (_, help) = advice(&with_route("respond = { status = 200, body = '${zzzzzzzz}' }"));
    assert!(help.starts_with("${client_ip}, ${client_port}, ${host}") && !help.contains("${backend}"), "{help}");
}

#[test]
fn a_variable_that_is_not_known_at_its_place_is_told_with_the_reason() {
    let at = "listener[0].route[0]";
    for (keys, name, why) in [
        (
            "service = 'app'\nrequest_headers.set = { x = '${backend}' }",
            "request_headers.set.x: `${backend}`",
            "before a backend is chosen",
        ),
        ("redirect.to = 'https://${service}/'", "redirect.to: `${service}`", "goes to no service"),
        ("respond = { status = 200, body = '${backend}' }", "respond.body: `${backend}`", "goes to no service"),
    ] {
        let text = with_route(keys);
        assert_eq!(only_mistake(&text), format!("{at}.{name} is not known here"));
        assert!(advice(&text).1.contains(why), "{keys}");
    }
    let fallback = format!("{GOOD}\n[service.app.fallback]\nstatus = 503\nbody = '${{backend}}'\n");
    assert_eq!(only_mistake(&fallback), "service.app.fallback.body: `${backend}` is not known here");
}

#[test]
fn a_name_of_the_environment_that_is_a_variable_is_warned_of() {
    let text = format!(
        "[server.environment]\nhost = 'a.example'\nNAME = 'b'\n{}",
        with_route("service = 'app'\nrequest_headers.set = { x = '${host} ${NAME}' }")
    );
    let told = told(&good(&text).warnings).concat();
    assert!(
        told.ends_with("`${host}` is a variable here, and not what server.environment has under this name"),
        "{told}"
    );
}

#[test]
fn changes_are_checked_wherever_they_stand() {
    for (section, at) in [("listener", "listener[0]"), ("service.app", "service.app")] {
        let file = |keys: &str| match section {
            "listener" => GOOD.replace("service = \"app\"", &format!("service = \"app\"\n{keys}")),
            _ => {
                format!("{GOOD}\n[service.app]\n{keys}\n").replace("[[service.app.backend]]", "[[service.app.backend]]")
            }
        };
        for (keys, mistake) in [
            ("request_headers.set = { te = 'x' }", "request_headers.set.te: `te` can't be changed"),
            (
                "response_headers.default = { upgrade = 'x' }",
                "response_headers.default.upgrade: `upgrade` can't be changed",
            ),
            ("request_headers.set = { x = '${backend}' }", "request_headers.set.x: `${backend}` is not known here"),
            ("request_headers.sett = { x = 'y' }", "request_headers.sett: unknown key `sett`"),
        ] {
            assert_eq!(only_mistake(&file(keys)), format!("{at}.{mistake}"), "{section}");
        }
        let warned =
            told(&good(&file("response_headers = { set = { X = 'a' }, default = { x = 'b' } }")).warnings).concat();
        assert!(warned.ends_with("response_headers.default.x: the default of `x` has no effect"), "{warned}");
    }
}

#[test]
fn the_header_with_the_client_s_address_has_a_name_of_its_own() {
    let file = |keys: &str| GOOD.replace("service = \"app\"", &format!("service = \"app\"\n{keys}"));
    good(&file("client_ip_header = 'X-Real-IP'"));
    assert_eq!(
        only_mistake(&file("client_ip_header = 'x-forwarded-for'")),
        "listener[0].client_ip_header: `x-forwarded-for` says something else"
    );
    assert_eq!(
        only_mistake(&file("client_ip_header = 'x real ip'")),
        "listener[0].client_ip_header: \"x real ip\" is not the name of a header"
    );
}

#[test]
fn what_keeps_clients_on_their_sides_is_checked() {
    let split = "split = [{ service = 'app', weight = 1 }, { service = 'b', weight = 1 }]";
    let file =
        |keys: &str| with_route(&format!("{split}\n{keys}")) + "\n[[service.b.backend]]\naddress = '127.0.0.1:9002'\n";
    for by in ["cookie", "client_ip", "header:x-user", "cookie:sid", "query:user"] {
        good(&file(&format!("split_by = '{by}'")));
    }
    let text = file("split_by = 'client-ip'");
    assert_eq!(
        only_mistake(&text),
        "listener[0].route[0].split_by: `client-ip` is nothing that a key can be taken from"
    );
    assert_eq!(advice(&text).0.as_deref(), Some("client_ip"));
    let warned = told(&good(&with_route("service = 'app'\nsplit_by = 'cookie'")).warnings).concat();
    assert!(warned.ends_with("`split_by` has no effect without `split`"), "{warned}");
}

#[test]
fn variables_of_other_proxies_are_warned_of_wherever_ours_are_filled_in() {
    let at = "listener[0].route[0]";
    for (keys, told_of, meant) in [
        (
            "redirect.to = 'https://$host$request_uri'",
            "redirect.to: `$host`, `$request_uri` are sent as they stand",
            Some("https://${host}${path}${query}"),
        ),
        (
            "service = 'app'\nrequest_headers.set = { x-real-ip = '$remote_addr' }",
            "request_headers.set.x-real-ip: `$remote_addr` is sent as it stands",
            Some("${client_ip}"),
        ),
        (
            "service = 'app'\nresponse_headers.add = { x-from = '%[src]' }",
            "response_headers.add.x-from: `%[src]` is sent as it stands",
            Some("${client_ip}"),
        ),
        (
            "service = 'app'\nrequest_headers.default = { x-agent = '$http_user_agent' }",
            "request_headers.default.x-agent: `$http_user_agent` is sent as it stands",
            None,
        ),
        (
            "respond = { status = 200, body = 'you are $remote_addr' }",
            "respond.body: `$remote_addr` is sent as it stands",
            Some("you are ${client_ip}"),
        ),
    ] {
        let warnings = good(&with_route(keys)).warnings;
        assert_eq!(told(&warnings).len(), 1, "{warnings}");
        assert!(told(&warnings)[0].ends_with(&format!(" {at}.{told_of}")), "{warnings}");
        assert_eq!(warnings.iter().next().unwrap().suggestion.as_deref(), meant);
    }
    let fallback = GOOD.to_owned() + "[service.app.fallback]\nbody = 'no $host'\n";
    assert!(told(&good(&fallback).warnings)[0].contains("service.app.fallback.body"), "{fallback}");
    for text in ["costs 5 $", "${host}", "$${host}", "$5", "100 %"] {
        let warnings = good(&with_route(&format!("respond = {{ status = 200, body = '{text}' }}"))).warnings;
        assert!(warnings.is_empty(), "{warnings}");
    }
}

#[test]
fn the_plan_of_a_canary_is_checked() {
    let more = "\n[[service.b.backend]]\naddress = '127.0.0.1:9002'\n";
    let file = |keys: &str| with_route(&format!("canary = {{ service = 'b', stable = 'app'{keys} }}")) + more;
    good(&file(""));
    good(&file(", steps = ['0.5%', '12.25%'], every = '1s', stop_on = [], min_requests = 0"));
    for (keys, mistake) in [
        (", steps = []", "canary.steps: there is no step"),
        (", steps = ['5%', '5%']", "canary.steps[1]: `5%` follows `5%`"),
        (", steps = ['5']", "canary.steps[0]: `5` is no share in percent"),
        (", steps = ['0%']", "canary.steps[0]: `0%` is no share of requests"),
    ] {
        assert_eq!(only_mistake(&file(keys)), format!("listener[0].route[0].{mistake}"));
    }
    assert_eq!(advice(&file(", steps = ['5']")).0.as_deref(), Some("5%"));
    let both = bad(&file(", steps = ['1', '10%', '5%']"));
    let messages: Vec<&str> = both.iter().map(|found| &*found.message).collect();
    assert_eq!(messages, ["`1` is no share in percent", "`5%` follows `10%`"]);
    let same = with_route("canary = { service = 'app', stable = 'app' }");
    assert_eq!(only_mistake(&same), "listener[0].route[0].canary.stable: `app` can't replace itself");
    let two = "path = '/a'\ncanary = { service = 'b', stable = 'app' }\n[[listener.route]]\npath = '/b'\n\
               canary = { service = 'b', stable = 'app', every = '1m' }";
    assert_eq!(only_mistake(&(with_route(two) + more)), "listener[0].route[1].canary: the canary `b` has two plans");
}

#[test]
fn who_may_read_answers_is_checked() {
    let file = |keys: &str| with_route(&format!("service = 'app'\ncors = {{ {keys} }}"));
    good(&file("origins = ['*'], headers = ['*'], methods = ['*'], expose = ['*']"));
    good(&file(
        "origins = ['https://a.example', 'http://localhost:3000', 'https://*.example.com:8443'], credentials = true",
    ));
    for (keys, mistake, near) in [
        ("origins = ['*'], credentials = true", "origins: `origins` can't be \"*\" together with `credentials`", None),
        (
            "origins = ['https://a.example'], headers = ['*'], credentials = true",
            "headers: `headers` can't be \"*\" together with `credentials`",
            None,
        ),
        (
            "origins = ['*', 'https://a.example']",
            "origins: \"*\" is everything: nothing else can stand beside it",
            None,
        ),
        ("origins = []", "origins: no page of another origin may use this route", None),
        ("origins = ['a.example']", "origins[0]: `a.example` is not an origin", Some("https://a.example")),
        (
            "origins = ['https://A.example/']",
            "origins[0]: `https://A.example/` is not an origin",
            Some("https://a.example"),
        ),
        (
            "origins = ['https://a.example:443']",
            "origins[0]: `https://a.example:443` is not an origin",
            Some("https://a.example"),
        ),
        ("origins = ['https://a.example/x']", "origins[0]: `https://a.example/x` is not an origin", None),
        ("origins = ['null']", "origins[0]: `null` is not an origin", None),
    ] {
        let text = file(keys);
        assert_eq!(only_mistake(&text), format!("listener[0].route[0].cors.{mistake}"));
        assert_eq!(advice(&text).0.as_deref(), near, "{keys}");
    }
    assert_eq!(only_mistake(&file("methods = ['GET']")), "listener[0].route[0].cors: `origins` is missing");
    let text = with_route("service = 'app'\nmethods = ['GET']\ncors.origins = ['*']");
    assert!(
        told(&good(&text).warnings)
            .concat()
            .ends_with("cors: the route takes no preflights: they are OPTIONS requests")
    );
    let text = GOOD.replace("service = \"app\"", "service = \"app\"\nsecurity_headers = 'standart'");
    assert_eq!(only_mistake(&text), "listener[0].security_headers: `security_headers` can't be \"standart\"");
}

#[test]
fn a_listener_that_sees_no_requests_tells_clients_apart_by_their_addresses() {
    let file = |protocol: &str, by: &str| {
        GOOD.replace("service = \"app\"", &format!("service = \"app\"\nprotocol = \"{protocol}\"")).replace(
            "[[service.app",
            &format!(
                "[[listener.route]]\nsplit = [{{ service = 'app', weight = 1 }}, {{ service = 'b', weight = 1 }}]\nsplit_by = '{by}'\n\
                 [[service.b.backend]]\naddress = '127.0.0.1:9002'\n[[service.app"
            ),
        )
    };
    good(&file("tcp", "client_ip"));
    assert_eq!(
        only_mistake(&file("udp", "cookie")),
        "listener[0].route[0].split_by: a `udp` listener sees no requests"
    );
    let text =
        GOOD.replace("service = \"app\"", "service = \"app\"\nprotocol = \"tcp\"\nsecurity_headers = \"strict\"");
    let warned = told(&good(&text).warnings).concat();
    assert!(
        warned.ends_with("security_headers: `security_headers` has no effect: a `tcp` listener sees no requests"),
        "{warned}"
    );
}
