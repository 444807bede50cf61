//! Whether routes that were made of a configuration take requests as nginx does: which route wins is decided here as docs/routing.md says.

use super::site::MOST;
use crate::convert::networks;
use crate::convert::original::Original;
use crate::convert::output::{Output, Severity, Table, Value};

fn converted(text: &str) -> Output {
    let files = |_: &str| Err(String::new());
    super::convert(&Original { file: "a.conf", text, files: &files })
}

/// A server with these lines, which listens and has a backend `app`.
fn server(lines: &str) -> Output {
    converted(&format!("upstream app {{ server 127.0.0.1:9001; }} server {{ listen 8080; {lines} }}"))
}

/// A request: method, host, path, fields.
struct Request<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    fields: &'a [(&'a str, &'a str)],
    address: &'a str,
}

const PLAIN: Request<'static> =
    Request { method: "GET", host: "a.example", path: "/", fields: &[], address: "127.0.0.1" };

fn get(path: &str) -> Request<'_> {
    Request { path, ..PLAIN }
}

/// How specific a route is, where it takes the request.
fn rank(route: &Table, request: &Request<'_>) -> Option<(u8, (u8, usize), usize)> {
    let host = match route.text(&["host"]) {
        None => 0,
        Some(host) if host.strip_prefix('*').is_some_and(|end| request.host.ends_with(end)) => 1,
        Some(host) if host == request.host => 2,
        Some(_) => return None,
    };
    let path = match (route.text(&["path"]), route.text(&["path_regex"]), route.text(&["path_prefix"])) {
        (Some(path), ..) if path == request.path => (3, 0),
        (None, Some(regex), _) if regex::Regex::new(regex).unwrap().is_match(request.path) => (2, 0),
        (None, None, Some(prefix)) if request.path.starts_with(prefix) => (1, prefix.len()),
        (None, None, None) => (0, 0),
        _ => return None,
    };
    if let Some(Value::List(methods)) = route.get(&["methods"])
        && !methods.contains(&Value::from(request.method))
    {
        return None;
    }
    if let Some(Value::Table(fields)) = route.get(&["headers"]) {
        let has =
            |name: &str, value: &Value| request.fields.iter().any(|(n, v)| *n == name && Value::from(*v) == *value);
        if !fields.entries.iter().all(|field| has(&field.key, &field.value)) {
            return None;
        }
    }
    if route.get(&["query"]).is_some() {
        return None;
    }
    Some((host, path, super::paths::number(route)))
}

fn comes_in(table: &Table, address: &str) -> bool {
    let address = networks::parse(address).unwrap();
    let longest = |key: &str| match table.get(&[key]) {
        Some(Value::List(list)) => list
            .iter()
            .filter_map(|one| if let Value::Text(text) = one { Some(text) } else { None })
            .filter(|text| networks::parse(text).unwrap().contains(&address))
            .map(|text| text.split_once('/').map_or(128, |(_, length)| length.parse().unwrap()))
            .max(),
        _ => None,
    };
    match (longest("allow"), longest("deny")) {
        (None, None) => table.get(&["allow"]).is_none(),
        (yes, no) => yes > no,
    }
}

/// The status of the answer; 200 for what goes to a backend.
fn status(out: &Output, request: &Request<'_>) -> i64 {
    let listener = &out.listeners[0];
    if !comes_in(listener, request.address) {
        return 403;
    }
    let Some(Value::List(routes)) = listener.get(&["route"]) else { return 200 };
    let mut best: Option<(_, &Table)> = None;
    for route in routes {
        let Value::Table(route) = route else { continue };
        if let Some(rank) = rank(route, request)
            && best.is_none_or(|(known, _)| rank > known)
        {
            best = Some((rank, route));
        }
    }
    let Some((_, route)) = best else { return if listener.get(&["service"]).is_some() { 200 } else { 404 } };
    if !comes_in(route, request.address) {
        return 403;
    }
    let said = route.get(&["respond", "status"]).or_else(|| route.get(&["redirect", "status"]));
    if let Some(Value::Number(status)) = said { *status } else { 200 }
}

fn errors(out: &Output) -> usize {
    out.findings.of(Severity::Error).len()
}

const PASS: &str = "location / { proxy_pass http://app; }";

#[test]
fn an_expression_without_both_ends_is_no_list_of_values() {
    for condition in [
        r#"$http_user_agent ~* "badbot""#,
        r#"$http_referer ~* "evil\.com""#,
        r#"$http_cookie ~* "^admin$""#,
        r#"$arg_debug ~ "1""#,
        "$host ~ evil",
        r#"$request_method ~ "^(PUT|DEL)""#,
        "$request_method ~ POST",
        r#"$http_x_a ~ "^(foo|bar)""#,
        r#"$http_x ~ "^a|b$""#,
        r#"$host ~ "^a|b$""#,
    ] {
        let out = server(&format!("if ({condition}) {{ return 403; }} {PASS}"));
        assert_eq!(errors(&out), 1, "{condition}: {}", out.render());
    }
    for condition in [r#"$host ~* "^(Evil|bad)\.example$""#, "$request_method ~ ^(PUT|DELETE)$", r#"$http_x ~ "^a$""#] {
        let out = server(&format!("if ({condition}) {{ return 403; }} {PASS}"));
        assert_eq!(errors(&out), 0, "{condition}: {}", out.render());
    }
    let out = server(&format!("if ($request_method !~ ^(GET|HEAD)$) {{ return 405; }} {PASS}"));
    assert_eq!((status(&out, &PLAIN), status(&out, &Request { method: "POST", ..PLAIN })), (200, 405));
}

#[test]
fn what_a_server_asks_of_paths_comes_before_all_locations() {
    let out = server(
        "if ($uri ~ ^/admin) { return 403; } location / { proxy_pass http://app; } location /admin/api/ { proxy_pass http://app; }
         location = /admin/x { proxy_pass http://app; } location ~ \\.php$ { limit_except GET { deny all; } proxy_pass http://app; }",
    );
    for (path, wanted) in
        [("/", 200), ("/admin", 403), ("/admin/api/x", 403), ("/admin/x", 403), ("/admin/a.php", 403), ("/a.php", 200)]
    {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
    let out = server(
        "if ($uri ~ secret) { return 403; } location = /secret { proxy_pass http://app; } location = /x { proxy_pass http://app; }
         location ^~ /s/ { proxy_pass http://app; } location ~ \\.php$ { proxy_pass http://app; } location / { proxy_pass http://app; }",
    );
    for (path, wanted) in [("/secret", 403), ("/x", 200), ("/s/secret", 403), ("/secret.php", 403), ("/s/x.php", 200)] {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
    // the first of two decides
    let out = server(&format!("if ($uri ~ ^/a) {{ return 403; }} if ($uri ~ ^/a/b) {{ return 204; }} {PASS}"));
    assert_eq!(status(&out, &get("/a/b")), 403, "{}", out.render());
    // and `return` of the server is for those whom nothing before has answered
    let out = server("if ($http_x = bad) { return 403; } return 204;");
    assert_eq!((status(&out, &PLAIN), status(&out, &Request { fields: &[("x", "bad")], ..PLAIN })), (204, 403));
}

#[test]
fn the_text_of_a_request_is_no_path_where_its_query_may_fit() {
    for (condition, refused) in [
        (r#"$request_uri ~* "(union|select)""#, 1),
        ("$request_uri ~ ^/.*secret", 1),
        ("$request_uri ~ \\?x=", 1),
        ("$uri ~ \"'\"", 1),
        ("$request_uri ~ ^/wp-login\\.php$", 0),
        ("$request_uri ~ ^/admin", 0),
        ("$uri ~* secret", 0),
    ] {
        let out = server(&format!("if ({condition}) {{ return 403; }} {PASS}"));
        assert_eq!(errors(&out), refused, "{condition}: {}", out.render());
    }
}

#[test]
fn what_a_longer_prefix_protects_is_not_taken_by_an_expression() {
    let out = server(
        "location /a/ { proxy_pass http://app; location ~ \\.php$ { proxy_pass http://app; } } location /a/b/ { deny all; proxy_pass http://app; }
         location / { proxy_pass http://app; }",
    );
    for (path, wanted) in [("/a/b/x.php", 403), ("/a/b/x", 403), ("/a/x.php", 200), ("/x.php", 200)] {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
    let out = server(
        "location ^~ /static/ { proxy_pass http://app; } location /static/private/ { deny all; proxy_pass http://app; }
         location ~ \\.php$ { return 204; } location / { proxy_pass http://app; }",
    );
    for (path, wanted) in [
        ("/static/private/x", 403),
        ("/static/private/x.php", 204),
        ("/static/x.php", 200),
        ("/static/x", 200),
        ("/x.php", 204),
    ] {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
    // what stands in a location is asked before what stands in the server
    let inner = "location /a/ { proxy_pass http://app; location ~ \\.php$ { deny all; proxy_pass http://app; } }";
    let outer = "location ~ \\.php$ { proxy_pass http://app; }";
    for lines in [format!("{outer} {inner} {PASS}"), format!("{inner} {outer} {PASS}")] {
        let out = server(&lines);
        for (path, wanted) in [("/a/x.php", 403), ("/x.php", 200), ("/a/x", 200)] {
            assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
        }
    }
    // a location in an expression
    let out = server(&format!(
        "location ~ ^/x {{ proxy_pass http://app; location /x/y {{ deny all; proxy_pass http://app; }} }} {PASS}"
    ));
    assert_eq!((status(&out, &get("/x/y/z")), status(&out, &get("/x/z"))), (403, 200), "{}", out.render());
    let out = server("location ~ \\.php$ { proxy_pass http://app; location ~ x { deny all; } }");
    assert_eq!((status(&out, &get("/x.php")), errors(&out)), (403, 1), "{}", out.render());
    // one that leads to another location
    let out = server(&format!(
        "location /old/ {{ rewrite ^/old/(.*)$ /admin/$1 last; proxy_pass http://app; }} location /admin/ {{ deny all; proxy_pass http://app; }} {PASS}"
    ));
    assert_eq!((status(&out, &get("/old/x")), errors(&out)), (403, 1), "{}", out.render());
    let out = server(&format!(
        "rewrite ^/old/(.*)$ /admin/$1 last; location /admin/ {{ deny all; proxy_pass http://app; }} {PASS}"
    ));
    assert_eq!((status(&out, &get("/old/x")), errors(&out)), (403, 1), "{}", out.render());
    // one that replaces a part of the path, and asks for something
    let out = server(&format!(
        "location ^~ /api/ {{ deny all; proxy_pass http://app/; }} location ~ \\.php$ {{ proxy_pass http://app; }} {PASS}"
    ));
    assert_eq!((status(&out, &get("/api/x.php")), errors(&out)), (403, 1), "{}", out.render());
}

#[test]
fn a_later_expression_with_conditions_does_not_take_what_an_earlier_one_refuses() {
    let out = server(
        "location ~ ^/a { deny all; proxy_pass http://app; } location ~ \\.php$ { limit_except GET { deny all; } proxy_pass http://app; }
         location / { proxy_pass http://app; }",
    );
    for (path, wanted) in [("/a/x.php", 403), ("/x.php", 200), ("/a", 403)] {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
}

#[test]
fn what_limit_except_says_stands_in_the_place_of_what_is_said_around_it() {
    let out = server(
        "location / { allow 127.0.0.0/8; deny all; limit_except GET { allow 10.9.9.9; deny all; } proxy_pass http://app; }",
    );
    let post = |address| Request { method: "POST", address, ..PLAIN };
    assert_eq!((status(&out, &post("127.0.0.1")), status(&out, &post("10.9.9.9"))), (403, 200), "{}", out.render());
    assert_eq!((status(&out, &PLAIN), status(&out, &Request { address: "10.9.9.9", ..PLAIN })), (200, 403));
}

#[test]
fn whom_geo_refuses_is_not_let_in_by_a_narrower_network() {
    for (allowed, address) in [("127.0.0.1", "127.0.0.1"), ("127.1.0.0/16", "127.1.2.3"), ("127.0.0.0/8", "127.0.0.1")]
    {
        let out = converted(&format!(
            "geo $bad {{ default 0; 127.0.0.0/8 1; }} upstream app {{ server 127.0.0.1:9001; }} server {{ listen 8080; if ($bad) {{ return 403; }}
             location / {{ allow {allowed}; deny all; proxy_pass http://app; }} location /b {{ proxy_pass http://app; }} }}"
        ));
        for path in ["/", "/b"] {
            assert_eq!(status(&out, &Request { address, path, ..PLAIN }), 403, "{allowed} {path}: {}", out.render());
        }
        assert_eq!(status(&out, &Request { address: "10.0.0.1", path: "/b", ..PLAIN }), 200);
    }
}

#[test]
fn an_if_in_a_location_is_about_its_paths_only() {
    let out = server(
        "server_name a.example b.example; location /health { if ($host = b.example) { return 204; } proxy_pass http://app; }
         location /private { deny all; proxy_pass http://app; } location / { proxy_pass http://app; }",
    );
    for (host, path, wanted) in [
        ("b.example", "/", 200),
        ("b.example", "/health", 204),
        ("a.example", "/health", 200),
        ("b.example", "/private", 403),
        ("a.example", "/private", 403),
    ] {
        assert_eq!(status(&out, &Request { host, path, ..PLAIN }), wanted, "{host}{path}: {}", out.render());
    }
    let out = server(&format!("location /x {{ if ($scheme = http) {{ return 204; }} proxy_pass http://app; }} {PASS}"));
    assert_eq!((status(&out, &get("/x")), status(&out, &get("/"))), (204, 200), "{}", out.render());
    let out = server(&format!("location /x {{ if ($uri ~ \\.php$) {{ return 403; }} proxy_pass http://app; }} {PASS}"));
    assert_eq!((status(&out, &get("/x/a.php")), status(&out, &get("/a.php"))), (403, 200), "{}", out.render());
    // a host below a wildcard of a server
    let out = converted(&format!(
        "upstream app {{ server 127.0.0.1:9001; }} server {{ listen 8080; return 204; }}
         server {{ listen 8080; server_name *.c.example; if ($host = bad.c.example) {{ return 403; }} {PASS} }}"
    ));
    for (host, wanted) in [("bad.c.example", 403), ("a.c.example", 200), ("x", 204)] {
        assert_eq!(status(&out, &Request { host, ..PLAIN }), wanted, "{host}: {}", out.render());
    }
}

#[test]
fn conditions_with_one_answer_are_a_route_each() {
    let ifs: String = (0..40).map(|n| format!("if ($http_x{n} = a) {{ return 403; }} ")).collect();
    let out = server(&format!("{ifs} {PASS}"));
    assert_eq!(errors(&out), 0);
    let Some(Value::List(routes)) = out.listeners[0].get(&["route"]) else { panic!() };
    assert!(routes.len() <= 41, "{}", routes.len());
    let fields: &[(&str, &str)] = &[("x7", "a"), ("x39", "a")];
    assert_eq!((status(&out, &Request { fields, ..PLAIN }), status(&out, &PLAIN)), (403, 200));
    // with an answer each, all of them together are too many: nobody comes in
    let ifs: String = (0..40).map(|n| format!("if ($http_x{n} = a) {{ return {}; }} ", 400 + n)).collect();
    let out = server(&format!("{ifs} {PASS}"));
    let Some(Value::List(routes)) = out.listeners[0].get(&["route"]) else { panic!() };
    assert!(errors(&out) == 1 && routes.len() <= MOST && status(&out, &PLAIN) == 403);
}

#[test]
fn who_does_not_have_each_of_several_fields_is_refused() {
    let out = server(
        "location / { if ($http_a != 1) { return 403; } if ($http_b != 2) { return 403; } if ($http_c = 3) { return 404; } proxy_pass http://app; }",
    );
    for (fields, wanted) in [
        (&[("a", "1"), ("b", "2")][..], 200),
        (&[("a", "1")], 403),
        (&[("b", "2")], 403),
        (&[], 403),
        (&[("a", "1"), ("b", "2"), ("c", "3")], 404),
        (&[("b", "2"), ("c", "3")], 403),
    ] {
        assert_eq!(status(&out, &Request { fields, ..PLAIN }), wanted, "{fields:?}: {}", out.render());
    }
}

#[test]
fn the_strictest_version_of_tls_holds_for_all_hosts_of_an_address() {
    let host = |name: &str, protocols: &str| {
        format!(
            "server {{ listen 8443 ssl; server_name {name}; ssl_certificate a; ssl_certificate_key b; {protocols} {PASS} }}"
        )
    };
    let both = [host("a", "ssl_protocols TLSv1.2 TLSv1.3;"), host("b", "ssl_protocols TLSv1.3;")].concat();
    let out = converted(&format!("upstream app {{ server 127.0.0.1:9001; }} {both}"));
    assert_eq!(out.listeners[0].text(&["tls", "min_version"]), Some("1.3"));
    assert_eq!(out.findings.of(Severity::Warning).len(), 1);
}

#[test]
fn what_would_leave_less_of_a_guard_is_an_error() {
    for lines in [
        "auth_ldap Forbidden;",
        "auth_pam x;",
        "ssl_ocsp on;",
        "rewrite_by_lua_block x;",
        "proxy_cookie_flags ~ secure httponly;",
        "ssl_reject_foo off;",
        "my_waf on;",
        "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; deny 10.0.0.0/8;",
        "auth_basic x; auth_basic_user_file users; auth_jwt y; auth_jwt_key_file keys;",
        "location /dl { client_max_body_size 100m; proxy_pass http://app; }",
    ] {
        assert!(errors(&server(&format!("{lines} {PASS}"))) > 0, "{lines}");
    }
    for lines in ["secure_link off;", "auth_basic off;", "proxy_cache off;", "client_max_body_size 1m;"] {
        assert_eq!(errors(&server(&format!("{lines} {PASS}"))), 0, "{lines}");
    }
}

#[test]
fn a_rewrite_does_not_lead_around_what_another_location_asks() {
    let admin = "location /admin { deny all; proxy_pass http://app; }";
    for (rewrite, path) in [
        ("rewrite (?i)^/admin(.*)$ /admin$1 last;", "/ADMIN/x"),
        ("rewrite ^/index\\.php/admin(.*)$ /admin$1 last;", "/index.php/admin/x"),
        ("rewrite ^/old/(.*)$ /admin/$1 break;", "/old/x"),
        ("location /old/ { rewrite ^/old/(.*)/y$ /admin/$1 last; proxy_pass http://app; }", "/old/x"),
    ] {
        let out = server(&format!("{rewrite} {PASS} {admin}"));
        assert_eq!((status(&out, &get(path)), errors(&out)), (403, 1), "{rewrite}: {}", out.render());
        assert_eq!(status(&out, &get("/a")), 200, "{rewrite}: {}", out.render());
    }
    // what leads elsewhere is a warning, as before
    let out =
        server(&format!("rewrite ^/old/(.*)$ /new/$1 last; rewrite ^/blog /index.php?q=$uri last; {PASS} {admin}"));
    assert_eq!(errors(&out), 0, "{}", out.render());
}

#[test]
fn an_if_that_rewrites_to_a_refusal_refuses() {
    let lines = "if ($http_x_secret != \"tok\") { rewrite ^(.*)$ /denied break; }";
    for denied in ["location /denied { return 403; }", "location = /denied { deny all; }"] {
        let out = server(&format!("{lines} {PASS} {denied}"));
        assert_eq!((status(&out, &get("/a")), errors(&out)), (403, 0), "{}", out.render());
        let with = Request { fields: &[("x-secret", "tok")], ..PLAIN };
        assert_eq!(status(&out, &with), 200, "{}", out.render());
    }
    let out = server(&format!(
        "if ($http_user_agent ~* bot) {{ rewrite ^ /no last; }} {PASS} location /no {{ return 403; }}"
    ));
    assert_eq!(errors(&out), 1, "{}", out.render());
}

#[test]
fn no_client_sends_a_field_that_the_original_makes_of_who_it_is() {
    let asked = "location = /auth { internal; proxy_pass http://app; }";
    let of = |lines: &str| server(&format!("{asked} location / {{ {lines} proxy_pass http://app; }}"));
    let removed = |out: &Output| out.render().contains("remove = [");
    let asks =
        "auth_request /auth; auth_request_set $user $upstream_http_x_user; auth_request_set $c $upstream_cookie_c;";
    for line in [
        "proxy_set_header X-Grp g-$user;",
        "proxy_set_header Authorization \"Bearer $user\";",
        "proxy_set_header X-C $c;",
    ] {
        let out = of(&format!("{asks} {line}"));
        assert_eq!((removed(&out), errors(&out)), (true, 1), "{line}: {}", out.render());
    }
    let out = of(&format!("{asks} auth_request off; proxy_set_header X-User $user;"));
    assert_eq!((removed(&out), errors(&out)), (true, 1), "{}", out.render());
    let out = of(&format!("{asks} proxy_set_header X-User $user; proxy_set_header X-Name ${{user}};"));
    assert!(removed(&out) && out.render().contains("response_headers = [\"x-user\"]"), "{}", out.render());
    let basic = "auth_basic a; auth_basic_user_file users;";
    let out = of(&format!("{basic} proxy_set_header X-User $remote_user; proxy_set_header X-Who u-$remote_user;"));
    assert!(removed(&out) && errors(&out) == 1, "{}", out.render());
    let out = of("proxy_pass_request_headers off;");
    assert_eq!((status(&out, &PLAIN), errors(&out)), (403, 1), "{}", out.render());
    assert_eq!(errors(&of("proxy_pass_request_body off;")), 1);
    let out = server(
        "location = /auth { proxy_pass http://app; proxy_pass_request_body off; } location / { auth_request /auth; proxy_pass http://app; }",
    );
    assert_eq!(errors(&out), 0, "{}", out.render());
}

#[test]
fn paths_are_written_as_routes_compare_them() {
    let out = server(&format!(
        "location \"/a b\" {{ deny all; proxy_pass http://app; }} location /pct%41 {{ return 410; }} {PASS}"
    ));
    for (path, wanted) in [("/a%20b", 403), ("/pctA", 200), ("/pct%2541", 410)] {
        assert_eq!(status(&out, &get(path)), wanted, "{path}: {}", out.render());
    }
    let out = server(&format!("merge_slashes off; location ~ ^/a//b {{ deny all; proxy_pass http://app; }} {PASS}"));
    assert_eq!((status(&out, &get("/a/b")), errors(&out)), (403, 1), "{}", out.render());
    let out = server(&format!(
        "location /a {{ deny all; proxy_pass http://app; }} location /a//b {{ proxy_pass http://app; }} {PASS}"
    ));
    assert_eq!(status(&out, &get("/a/b")), 403, "{}", out.render());
}

#[test]
fn what_only_denies_answers_403() {
    let out = server(&format!(
        "location ~ \\.ht {{ deny all; }} location ~ \\.php$ {{ deny all; fastcgi_pass a:9; }} {PASS}"
    ));
    let of = |path| status(&out, &get(path));
    assert_eq!((of("/.ht"), of("/a.php"), of("/a")), (403, 403, 200), "{}", out.render());
    assert!(out.findings.of(Severity::Warning).is_empty(), "{}", out.render());
}
