//! What of a Caddyfile becomes what, and what of it is told.

use crate::convert::Original;

/// The result for a Caddyfile, and what was found, a line each.
fn of(text: &str) -> (String, Vec<String>) {
    let files = |_: &str| Err("there is no such file".to_owned());
    let out = super::convert(&Original { file: "Caddyfile", text, files: &files });
    let found = out.findings.all().iter().map(|finding| finding.line()).collect();
    (out.render(), found)
}

/// The same for directives of one site in clear.
fn site(body: &str) -> (String, Vec<String>) {
    of(&format!(":80 {{\n{body}\n}}\n"))
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\n{text}");
}

fn is_closed(text: &str) -> bool {
    text.contains("deny = [\"0.0.0.0/0\", \"::/0\"]")
}

const USER: &str = "basic_auth {\n ann $2a$05$4eK3UOM7h85TO7.B69xr8OGhgN7SMEDhBxDrIyoqUZ.XjnzwMNp4q\n}\n";

#[test]
fn what_protects_and_cannot_be_carried_over_closes_the_route_and_is_an_error() {
    for body in [
        "basic_auth {\n ann JDJhJDE0JGFiYw==\n}\nreverse_proxy 127.0.0.1:1",
        "@x expression `true`\nrespond @x 403\nreverse_proxy 127.0.0.1:1",
        "@x {\n path /a/*\n not {\n  path /b\n  remote_ip 10.0.0.0/8\n }\n}\nabort @x\nreverse_proxy 127.0.0.1:1",
        "forward_auth {http.request.header.X} {\n uri /a\n}\nreverse_proxy 127.0.0.1:1",
        "invoke nothing\nreverse_proxy 127.0.0.1:1",
    ] {
        let (text, found) = site(body);
        assert!(is_closed(&text), "{body}\n{text}");
        assert!(found.iter().any(|line| line.starts_with("error: ")), "{body}: {found:?}");
    }
}

#[test]
fn directives_that_are_not_known_are_errors() {
    for body in ["rate_limit {\n}\nreverse_proxy 127.0.0.1:1", "authorize with policy\nreverse_proxy 127.0.0.1:1"] {
        let (_, found) = site(body);
        assert!(found.iter().any(|line| line.starts_with("error: Caddyfile:2: ")), "{body}: {found:?}");
    }
}

#[test]
fn a_matcher_that_cannot_be_said_leaves_a_demand_for_all() {
    let (text, found) = site(&format!(
        "@x header_regexp A b\n{}reverse_proxy 127.0.0.1:1",
        USER.replace("basic_auth", "basic_auth @x")
    ));
    has(&text, "auth = { basic");
    assert!(found.iter().any(|line| line.starts_with("error: ") && line.contains("holds for all")), "{found:?}");
}

#[test]
fn addresses_become_lists() {
    let (text, _) =
        site("@in remote_ip 10.0.0.0/8\nhandle @in {\n reverse_proxy 127.0.0.1:1\n}\nhandle {\n respond 403\n}");
    has(&text, "allow = [\"10.0.0.0/8\"]");
    let (text, _) = site("@out not client_ip private_ranges\nrespond @out 403\nreverse_proxy 127.0.0.1:1");
    has(&text, "allow = [\"192.168.0.0/16\"");
    let (text, _) = site("@bad remote_ip 192.0.2.7 198.51.100.0/24\nabort @bad\nreverse_proxy 127.0.0.1:1");
    has(&text, "deny = [\"192.0.2.7\", \"198.51.100.0/24\"]");
    // who is elsewhere would get another answer than 403, of which Evenkeel's routes know nothing
    let (text, found) = site(
        "@in remote_ip 10.0.0.0/8\nhandle @in {\n reverse_proxy 127.0.0.1:1\n}\nhandle {\n reverse_proxy 127.0.0.1:2\n}",
    );
    has(&text, "allow = [\"10.0.0.0/8\"]");
    assert!(found.iter().any(|line| line.starts_with("warning: ") && line.contains("403")), "{found:?}");
}

#[test]
fn a_demand_for_some_clients_holds_for_all() {
    let (text, found) = site(&format!(
        "@out not remote_ip 10.0.0.0/8\n{}reverse_proxy 127.0.0.1:1",
        USER.replace("basic_auth", "basic_auth @out")
    ));
    has(&text, "auth = { basic");
    assert!(found.iter().any(|line| line.starts_with("warning: ")), "{found:?}");
}

#[test]
fn a_demand_for_a_path_holds_there_and_in_what_lies_below() {
    let (text, _) = site(&format!(
        "{}reverse_proxy /api/* 127.0.0.1:1\nreverse_proxy 127.0.0.1:2",
        USER.replace("basic_auth", "basic_auth /api/admin/*")
    ));
    let routes: Vec<&str> = text.split("[[listener.route]]").skip(1).collect();
    assert!(
        routes.iter().any(|route| route.contains("path_prefix = \"/api/admin/\"") && route.contains("auth = ")),
        "{text}"
    );
    assert!(
        routes.iter().any(|route| route.contains("path_prefix = \"/api/\"") && !route.contains("auth = ")),
        "{text}"
    );
}

#[test]
fn sites_have_listeners_by_their_ports() {
    let (text, found) = of(
        "a.example {\n reverse_proxy 127.0.0.1:1\n}\nhttp://b.example {\n reverse_proxy 127.0.0.1:2\n}\nc.example:8443 {\n reverse_proxy 127.0.0.1:3\n}\n",
    );
    for bind in ["0.0.0.0:443", "0.0.0.0:80", "0.0.0.0:8443"] {
        has(&text, &format!("bind = \"{bind}\""));
    }
    has(&text, "redirect = { to = \"https://${host}${path}${query}\", status = 308 }");
    has(&text, "redirect = { to = \"https://${host}:8443${path}${query}\", status = 308 }");
    has(&text, "{ folder = \"/etc/letsencrypt/live\" }");
    assert!(found.iter().any(|line| line.starts_with("warning: Caddyfile:1: `automatic HTTPS`")), "{found:?}");
}

#[test]
fn automatic_https_can_be_off() {
    let (text, _) = of("{\n auto_https off\n}\na.example {\n reverse_proxy 127.0.0.1:1\n}\n");
    assert!(text.contains("0.0.0.0:80") && !text.contains("443") && !text.contains("redirect"), "{text}");
}

#[test]
fn client_certificates_are_asked_for_or_nobody_comes_in() {
    let site = |auth: &str| {
        format!(
            "a.example {{\n tls a.pem a.key {{\n  client_auth {{\n{auth}\n  }}\n }}\n reverse_proxy 127.0.0.1:1\n}}\n"
        )
    };
    let (text, _) = of(&site("mode require_and_verify\ntrust_pool file ca.pem"));
    has(&text, "client_auth = \"required\"");
    let (text, found) = of(&site("mode require_and_verify\ntrusted_leaf_cert_file leaf.pem"));
    assert!(is_closed(&text) && found.iter().any(|line| line.starts_with("error: ")), "{text}");
    let other = "b.example {\n tls b.pem b.key\n reverse_proxy 127.0.0.1:1\n}\n";
    let (text, found) = of(&(site("trust_pool file ca.pem") + other));
    assert!(is_closed(&text) && found.iter().any(|line| line.starts_with("error: ")), "{text}");
}

#[test]
fn the_smallest_limit_of_a_body_holds_for_all() {
    let (text, found) = site(
        "request_body {\n max_size 1MiB\n}\nhandle /up/* {\n request_body {\n  max_size 1GiB\n }\n reverse_proxy 127.0.0.1:1\n}\nreverse_proxy 127.0.0.1:1",
    );
    has(&text, "max_body = \"1MiB\"");
    assert!(found.iter().any(|line| line.starts_with("warning: ")), "{found:?}");
}

#[test]
fn variables_of_the_environment_stay_variables() {
    let (text, _) = of("http://{$DOMAIN} {\n reverse_proxy {$BACKEND}\n header X-A \"{$B:c} {env.D}\"\n}\n");
    has(&text, "host = \"${DOMAIN}\"");
    has(&text, "address = \"${BACKEND}");
    has(&text, "x-a = \"c ${D}\"");
}

#[test]
fn what_is_served_from_files_is_answered_with_501() {
    let (text, found) = site("root * /srv\nfile_server");
    has(&text, "respond = { status = 501");
    assert!(found.iter().any(|line| line.starts_with("warning: Caddyfile:3: `file_server`")), "{found:?}");
}

#[test]
fn broken_and_hostile_files_are_told_of() {
    let deep = "a.com {\n".to_owned() + &"handle {\n".repeat(50_000);
    let bomb = "(a) {\n import b\n import b\n}\n(b) {\n import a\n import a\n}\n:80 {\n import a\n}\n".to_owned();
    let grow = (0..40).fold("(s0) {\n header A b\n}\n".to_owned(), |text, index| {
        format!("{text}(s{}) {{\n import s{index}\n import s{index}\n}}\n", index + 1)
    }) + ":80 {\n import s40\n}\n";
    let many = format!(
        ":80 {{\n{}}}\n",
        (0..60)
            .map(|index| format!("@m{index} {{\n not path /a{index}/*\n method GET\n}}\nheader @m{index} X{index} y\n"))
            .collect::<String>()
    );
    for text in [
        "",
        "}",
        "{",
        "a.com {",
        "\"",
        "<<X\n",
        ":80 {\n reverse_proxy\n redir\n respond\n header\n uri\n rewrite\n basic_auth\n forward_auth\n handle_path\n}\n",
        "\u{0}",
        &deep,
        &bomb,
        &grow,
        &many,
        "@a {\n}\n",
        "import x\n",
        ":99999999 {\n respond 7\n}\n",
    ] {
        let files = |_: &str| Err("none".to_owned());
        let out = super::convert(&Original { file: "Caddyfile", text, files: &files });
        let _ = out.render();
    }
}
