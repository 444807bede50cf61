//! Conversions of small files: who is refused by the original is refused by the result, or an error says so.

use super::convert;
use crate::convert::original::Original;
use crate::convert::output::Finding;

/// The result of a frontend with these lines, and backends `b`, `c` and `blocked`, and what was found, one finding a line.
fn of(lines: &[&str]) -> (String, String) {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    of_file(&format!("frontend f\n  mode http\n  bind :80\n{lines}"))
}

fn of_file(text: &str) -> (String, String) {
    let backends = "backend b\n  mode http\n  server s 127.0.0.1:1\nbackend c\n  mode http\n  server s 127.0.0.1:2\n\
        backend blocked\n  mode http\n  http-request deny\nbackend guarded\n  mode http\n  http-request deny if { path_beg /admin }\n  server s 127.0.0.1:3\n";
    let text = format!("{text}{backends}");
    let files = |_: &str| Err("no such file".to_owned());
    let out = convert(&Original { file: "h", text: &text, files: &files });
    // not every test needs all of the backends
    let lines =
        out.findings.all().into_iter().map(Finding::line).filter(|line| !line.ends_with("no route leads there"));
    let found = lines.collect::<Vec<_>>().join("\n");
    let result = out.render();
    (result[result.find("\n\n").unwrap_or_default()..].to_owned(), found)
}

/// The routes of a result.
fn routes(result: &str) -> Vec<&str> {
    let listener = result.split("\n[service").next().unwrap_or_default();
    listener.split("[[listener.route]]").skip(1).collect()
}

const CLOSED: &str = "deny = [\"0.0.0.0/0\", \"::/0\"]";

#[test]
fn who_is_let_in_by_one_group_of_rules_is_looked_at_by_the_next() {
    for accept in ["tcp-request content accept if HTTP", "tcp-request connection accept if { src 127.0.0.0/8 }"] {
        let (result, found) = of(&[accept, "http-request deny if { path_beg /admin }", "default_backend b"]);
        assert!(routes(&result).iter().any(|route| route.contains("/admin") && route.contains("403")), "{result}");
        assert_eq!(found, "", "{result}");
    }
    // within a group it is let in
    let (result, _) =
        of(&["http-request allow if { src 10.0.0.0/8 }", "http-request deny if { path_beg /a }", "default_backend b"]);
    assert!(
        routes(&result).iter().any(|route| route.contains("/a\"") && route.contains("allow = [\"10.0.0.0/8\"]")),
        "{result}"
    );
}

#[test]
fn who_is_let_in_by_a_frontend_is_looked_at_by_the_backend() {
    let (result, found) = of(&["http-request allow if { src 127.0.0.0/8 }", "default_backend guarded"]);
    assert!(routes(&result).iter().any(|route| route.contains("/admin") && route.contains("403")), "{result}");
    assert_eq!(found, "", "{result}");
    // and what a group denies stays denied, whoever is let in later
    let lines = [
        "http-request deny unless { src 10.0.0.0/8 }",
        "http-request allow if { src 192.168.0.0/16 }",
        "default_backend b",
    ];
    assert!(of(&lines).0.contains("allow = [\"10.0.0.0/8\"]"), "{}", of(&lines).0);
}

#[test]
fn a_path_behind_one_that_is_replaced_is_what_became_of_it() {
    let (result, found) = of(&[
        "http-request replace-path /v1(/.*) \\1",
        "http-request deny if { path_beg /admin }",
        "default_backend b",
    ]);
    assert!(result.contains("path_prefix = \"/v1/admin\"\nrespond = { status = 403 }"), "{result}");
    assert_eq!(found, "", "{result}");
    let (result, _) = of(&[
        "http-request set-path /admin%[path] if { path_beg /x }",
        "http-request deny if { path_beg /admin }",
        "default_backend b",
    ]);
    assert!(result.contains("path_prefix = \"/x\"\nrespond = { status = 403 }"), "{result}");
    let (result, found) = of(&[
        "http-request set-path /admin%[path]",
        "http-request deny if { path_reg ^/admin/x }",
        "default_backend b",
    ]);
    assert!(found.starts_with("error: h:5") && routes(&result)[0].contains(CLOSED), "{result}\n{found}");
    // where what became of it is not known
    for change in ["set-path /x/%[hdr(a)]", "set-uri %[url,lower]", "replace-pathq (.*) \\1?x"] {
        let change = format!("http-request {change}");
        let (result, found) = of(&[&change, "http-request deny if { path_beg /admin }", "default_backend b"]);
        assert!(found.contains("error: h:5") && result.contains(CLOSED), "{result}\n{found}");
    }
}

#[test]
fn other_parts_that_were_changed_are_not_compared_as_they_were_sent() {
    for (change, condition) in [
        ("set-src hdr(x-forwarded-for)", "src 10.0.0.0/8"),
        ("set-query a=1", "urlp(a) 1"),
        ("set-method GET", "method POST"),
        ("set-header X-A %[src]", "hdr(x-a) 10.0.0.1"),
        ("del-header X-A", "hdr(x-a) 1"),
        ("set-header Host a.example", "hdr(host) a.example"),
        ("set-header X-Forwarded-For %[src]", "hdr(x-forwarded-for) 10.0.0.1"),
    ] {
        let (change, condition) = (format!("http-request {change}"), format!("http-request deny if {{ {condition} }}"));
        let (result, found) = of(&[&change, &condition, "default_backend b"]);
        assert!(found.contains("error: h:5") && result.contains(CLOSED), "{result}\n{found}");
    }
    assert!(of(&["http-request set-src hdr(x-forwarded-for)", "default_backend b"]).1.starts_with("error: h:4"));
}

#[test]
fn a_name_that_is_refused_does_not_go_to_the_default_backend() {
    let tcp = "frontend t\n  mode tcp\n  bind :443\n  tcp-request inspect-delay 5s\n";
    let (result, found) = of_file(&format!(
        "{tcp}  tcp-request content reject if {{ req.ssl_sni -i bad.example }}\n  use_backend c if {{ req.ssl_sni -i good.example }}\n  default_backend b\n"
    ));
    assert!(routes(&result).iter().any(|route| route.contains("bad.example") && route.contains(CLOSED)), "{result}");
    assert_eq!(found, "");
    let (result, found) = of_file(
        "frontend t\n  mode tcp\n  bind :443 ssl crt a.pem\n  tcp-request content reject if { ssl_fc_sni bad.example }\n  default_backend b\n",
    );
    assert!(found.starts_with("error: h:4") && result.matches(CLOSED).count() == 1, "{result}\n{found}");
}

#[test]
fn what_refuses_connections_is_done_or_is_an_error() {
    for mode in ["http", "tcp"] {
        for kind in ["connection", "content", "session"] {
            let (result, found) = of_file(&format!(
                "frontend f\n  mode {mode}\n  bind :80\n  tcp-request {kind} silent-drop if {{ src 127.0.0.0/8 }}\n  default_backend b\n"
            ));
            assert!(result.contains("deny = [\"127.0.0.0/8\"]"), "{result}");
            assert_eq!(found, "");
        }
    }
    for verb in ["lua.guard", "expect-proxy layer4", "do-resolve(txn.x,dns)", "use-service lua.x"] {
        let line = format!("tcp-request content {verb}");
        assert!(of(&[&line, "default_backend b"]).1.starts_with("error: h:4"), "{line}");
    }
    assert_eq!(of(&["tcp-request content track-sc0 src", "default_backend b"]).1, "");
}

#[test]
fn expressions_that_cannot_be_joined_are_kept_in_their_order() {
    let (result, found) =
        of(&["http-request deny if { path_beg /admin }", "use_backend c if { path_reg ^/a.*x$ }", "default_backend b"]);
    let (denied, regex) = (result.find("path_regex = \"^/admin\""), result.find("path_regex = \"^/a.*x$\""));
    assert!(denied.is_some() && denied < regex, "{result}");
    assert_eq!(found, "");
    // and a condition that needs both refuses more, and says so
    let (result, found) = of(&["http-request deny if { path_reg a$ } { path_reg b }", "default_backend b"]);
    assert!(
        result.contains("path_regex = \"a$\"\nrespond = { status = 403 }") && found.starts_with("error"),
        "{result}\n{found}"
    );
}

#[test]
fn lines_that_are_left_out_are_errors_where_they_may_keep_somebody_out() {
    for (line, closed) in [
        ("use_backend blocked if { hdr_sub(user-agent) bad }", false),
        ("use_backend guarded unless { hdr_sub(user-agent) good }", true),
        ("http-request redirect location /login unless { req.cook(session) -m found }", true),
        ("http-request redirect location /login if { req.cook_cnt(session) eq 0 }", false),
        ("redirect prefix https://%[hdr(x)].example unless { hdr(x-auth) yes }", false),
        ("http-request return status 401 unless { req.cook(session) -m found }", true),
        ("http-request deny if { url_param(debug) -i true }", false),
        ("http-request deny if { method -m reg ^P }", false),
        ("http-request deny if { hdr(content-length) gt 100 }", false),
        ("http-request deny if { url_beg /y?a }", false),
        ("http-request deny if { src -m found }", false),
        ("http-request deny if { path -M -f x }", false),
        ("http-request deny unless { hdr(x-key) \"${KEY}\" }", true),
        ("http-request what-comes-next if { path /a }", false),
        ("http-request add-acl(x) %[src]", false),
        ("http-response return status 403 if { status 200 }", false),
        ("tcp-response content reject if { res.len gt 1 }", false),
    ] {
        let (result, found) = of(&[line, "default_backend b"]);
        assert!(found.starts_with("error: h:4"), "{line}: {found}");
        assert_eq!(result.contains(CLOSED), closed, "{line}: {result}");
    }
    for harmless in ["use_backend c if { hdr_sub(user-agent) bad }", "http-request set-log-level silent if { path /a }"]
    {
        assert!(!of(&[harmless, "default_backend b"]).1.contains("error"), "{harmless}");
    }
}

#[test]
fn a_field_that_is_changed_in_a_way_that_is_not_known_is_taken_out() {
    for line in [
        "http-request replace-header X-Role .* none",
        "http-request del-header X-Role if !{ src 127.0.0.2 }",
        "http-request set-header X-Role guest unless { req.cook(a) -m found }",
    ] {
        let (result, found) = of(&[line, "default_backend b"]);
        assert!(result.contains("request_headers = { remove = [\"x-role\"] }"), "{line}: {result}");
        assert!(found.contains("the field is taken out"), "{found}");
    }
    let (result, _) = of(&["http-request set-header X-Role a", "http-request del-header X-Role", "default_backend b"]);
    assert!(!result.contains("set ="), "{result}");
}

#[test]
fn hosts_are_compared_without_ports_and_each_once() {
    for condition in [
        "hdr(host) -i a.example a.example:8080",
        "req.hdr(host),field(1,:) -i a.example",
        "hdr(host),lower,field(1,:) a.example",
    ] {
        let (result, found) = of(&[&format!("use_backend c if {{ {condition} }}"), "default_backend b"]);
        assert_eq!(routes(&result).len(), 1, "{result}");
        assert!(result.contains("host = \"a.example\"") && found.is_empty(), "{result}\n{found}");
    }
}

#[test]
fn ports_are_compared_as_numbers() {
    for (condition, holds) in
        [("80", true), ("70:90", true), ("gt 80", false), ("ge 80", true), ("81", false), ("81:", false)]
    {
        let (result, _) = of(&[&format!("http-request deny if {{ dst_port {condition} }}"), "default_backend b"]);
        assert_eq!(result.contains("status = 403"), holds, "{condition}: {result}");
    }
}

#[test]
fn servers_that_differ_in_tls_are_an_error_and_none_is_less_verified() {
    let of = |servers: &str| {
        of_file(&format!("frontend f\n  mode http\n  bind :80\n  default_backend x\nbackend x\n  mode http\n{servers}"))
    };
    let verified = "  server a 10.0.0.1:443 ssl verify required ca-file ca.pem\n";
    for other in ["ssl verify none", "", "ssl verify required ca-file other.pem"] {
        let other = format!("  server b 10.0.0.2:443 {other}\n");
        for (result, found) in [of(&format!("{verified}{other}")), of(&format!("{other}{verified}"))] {
            assert!(result.contains("verify = true") && found.starts_with("error"), "{result}\n{found}");
        }
    }
    let (result, found) = of(&format!("{verified}  server b 10.0.0.2:443 ssl verify required ca-file ca.pem check\n"));
    assert!(result.contains("verify = true") && found.is_empty(), "{result}\n{found}");
}

#[test]
fn the_least_version_of_tls_is_the_addresses_own_or_that_of_all() {
    for (global, bind, is_new) in [
        ("ssl-min-ver TLSv1.3", "", true),
        ("no-sslv3 no-tlsv10 no-tlsv11 no-tlsv12", "", true),
        ("ssl-min-ver TLSv1.3", "ssl-min-ver TLSv1.2", false),
        ("ssl-min-ver TLSv1.2", "no-tlsv12", true),
        ("ssl-min-ver TLSv1.2", "", false),
    ] {
        let (result, _) = of_file(&format!(
            "global\n  ssl-default-bind-options {global}\nfrontend f\n  mode http\n  bind :443 ssl crt a.pem {bind}\n  default_backend b\n"
        ));
        assert_eq!(result.contains("min_version = \"1.3\""), is_new, "{global} {bind}: {result}");
    }
}

#[test]
fn variables_of_the_environment_stay_variables_where_they_can() {
    let (result, found) = of_file(
        "frontend f\n  mode http\n  bind \"${IP}:80\"\n  http-request set-header X-A \"a-${A}-$B\"\n  default_backend x\nbackend x\n  mode http\n  server s \"$HOST:80\"\n",
    );
    assert!(result.contains("bind = \"${IP}:80\"") && result.contains("x-a = \"a-${A}-${B}\""), "{result}");
    assert!(result.contains("address = \"${HOST}:80\"") && found.is_empty(), "{result}\n{found}");
    assert!(of(&["maxconn \"$N\"", "default_backend b"]).1.starts_with("error: h:4"));
}

#[test]
fn too_many_alternatives_are_told_at_once_and_nothing_is_cut_off() {
    let begun = std::time::Instant::now();
    let mut lines: Vec<String> =
        (0..12).map(|number| format!("acl x{number} hdr(h{number}) a b c d e f g h")).collect();
    lines.push(format!("http-request deny if {}", (0..12).map(|number| format!("x{number} ")).collect::<String>()));
    lines.push("default_backend b".to_owned());
    let (result, found) = of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(found.contains("more than 2000 routes") && !result.contains("\nservice = "), "{found}");
    let paths: String = (0..20_000).map(|number| format!("/p/{number} ")).collect();
    let (result, found) = of(&[&format!("acl p path {paths}"), "http-request deny if p", "default_backend b"]);
    assert!(found.contains("more than 2000 routes") && !result.contains("\nservice = "), "{found}");
    let pairs = (0..9).map(|number| format!("a{number} b{number}")).collect::<Vec<_>>().join(" or ");
    let mut lines: Vec<String> = (0..9)
        .flat_map(|number| [format!("acl a{number} hdr(x) {number}"), format!("acl b{number} hdr(y) {number}")])
        .collect();
    lines.extend([format!("http-request deny unless {pairs}"), "default_backend b".to_owned()]);
    let (result, found) = of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(found.contains("more than 256 alternatives") && result.contains(CLOSED), "{result}\n{found}");
    assert!(begun.elapsed().as_secs() < 60);
}
