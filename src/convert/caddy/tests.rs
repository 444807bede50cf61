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
        routes.iter().any(|route| route.contains("path_regex = \"(?i)^/api/admin/\"") && route.contains("auth = ")),
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

#[test]
fn what_protects_a_path_protects_it_in_any_case() {
    let auth = |matcher: &str| USER.replace("basic_auth", &format!("basic_auth {matcher}"));
    let (text, found) = site(&format!(
        "handle /admin/* {{\n{USER}reverse_proxy 127.0.0.1:1\n}}\nhandle {{\nreverse_proxy 127.0.0.1:2\n}}"
    ));
    has(&text, "path_regex = \"(?i)^/admin/\"");
    assert!(found.iter().all(|line| !line.starts_with("error: ")), "{found:?}");
    let (text, _) = site("respond /secret* 404\nreverse_proxy 127.0.0.1:1");
    has(&text, "path_regex = \"(?i)^/secret\"");
    // a path that is changed on its way can't be chosen by an expression: its other spellings are refused before
    let (text, _) = site(&format!("handle_path /api* {{\n{}reverse_proxy 127.0.0.1:1\n}}", auth("/admin/*")));
    has(&text, "path_regex = \"^/(?:A(?i:");
    has(&text, "path_prefix = \"/api/admin/\"");
    assert!(is_closed(&text), "{text}");
    // what is served and lies within what is protected stays served
    let (text, _) = site(&format!(
        "handle /a/open* {{\nreverse_proxy 127.0.0.1:1\n}}\nhandle /a/* {{\n{USER}reverse_proxy 127.0.0.1:2\n}}"
    ));
    has(&text, "path_prefix = \"/a/open\"");
    has(&text, "path_prefix = \"/a/\"");
    has(&text, "path_regex = \"^/A(?i:/)\"");
    // nothing is refused: paths stay as they are
    let (text, _) = site("handle /a/* {\nreverse_proxy 127.0.0.1:1\n}\nhandle {\nreverse_proxy 127.0.0.1:2\n}");
    assert!(!text.contains("path_regex"), "{text}");
    // what is not one of these paths is refused in the case in which they are
    let (text, _) =
        site("@rest not path /admin/*\nhandle @rest {\nreverse_proxy 127.0.0.1:1\n}\nhandle {\nrespond 403\n}");
    has(&text, "path_regex = \"(?i)^/admin/\"");
}

#[test]
fn parameters_have_to_be_there_together_and_their_values_are_alternatives() {
    let (text, _) =
        site("@ok query token=abc scope=admin\nhandle @ok {\nreverse_proxy 127.0.0.1:1\n}\nhandle {\nrespond 403\n}");
    has(&text, "query = { scope = \"admin\", token = \"abc\" }");
    let (text, _) =
        site("@x {\nheader X-A 1\nheader x-a 2\nheader X-B 3\n}\nrespond @x 403\nreverse_proxy 127.0.0.1:1");
    has(&text, "headers = { x-a = \"1\", x-b = \"3\" }");
    has(&text, "headers = { x-a = \"2\", x-b = \"3\" }");
    let (text, _) = site("@x {\nquery a=1\nquery a=2\n}\nrespond @x 403\nreverse_proxy 127.0.0.1:1");
    has(&text, "query = { a = \"1\" }");
    has(&text, "query = { a = \"2\" }");
}

#[test]
fn lists_of_peers_behind_trusted_proxies_are_errors_and_close() {
    let servers = |more: &str| format!("{{\nservers {{\ntrusted_proxies static 127.0.0.0/8\n{more}\n}}\n}}\n:80 {{\n");
    for kind in ["not remote_ip", "remote_ip"] {
        let body = format!(
            "@x {kind} 203.0.113.0/24\nhandle @x {{\nrespond 403\n}}\nhandle {{\nreverse_proxy 127.0.0.1:1\n}}\n}}\n"
        );
        let (text, found) = of(&(servers("") + &body));
        assert!(is_closed(&text) && found[0].starts_with("error: "), "{found:?}\n{text}");
        let (text, found) = of(&(servers("") + &body.replace("remote_ip", "client_ip")));
        assert!(!is_closed(&text) && found.iter().all(|line| !line.starts_with("error: ")), "{found:?}\n{text}");
        let (text, found) = of(&(servers("client_ip_headers X-Real-IP") + &body.replace("remote_ip", "client_ip")));
        assert!(is_closed(&text) && found[0].starts_with("error: "), "{found:?}\n{text}");
    }
}

#[test]
fn a_block_that_refuses_and_of_which_it_cannot_be_said_for_whom_closes_what_comes_after_it() {
    let (text, found) = site(
        "@x header_regexp A b\nhandle /a/* {\nreverse_proxy 127.0.0.1:1\n}\nhandle @x {\nrespond 403\n}\nhandle {\nreverse_proxy 127.0.0.1:2\n}",
    );
    assert!(is_closed(&text) && found[0].contains("what comes after it is closed"), "{found:?}\n{text}");
    let (text, _) = site("@x header_regexp A b\nhandle @x {\nreverse_proxy 127.0.0.1:1\n}\nhandle {\nrespond 403\n}");
    assert!(!is_closed(&text), "{text}");
}

#[test]
fn what_a_client_says_in_a_field_that_is_set_never_reaches_the_backend() {
    let proxy =
        "reverse_proxy 127.0.0.1:1 {\nheader_up X-User {http.auth.user.id}\nheader_up X-Name {http.vars.name}\n}";
    let (text, _) = site(&format!("{USER}{proxy}"));
    has(&text, "user_header = \"x-user\"");
    has(&text, "remove = [\"x-name\"]");
    let (text, _) = site(proxy);
    has(&text, "remove = [\"x-user\", \"x-name\"]");
    let (_, found) = site("request_header X-Role admin none\nreverse_proxy 127.0.0.1:1");
    assert!(found[0].starts_with("error: "), "{found:?}");
}

#[test]
fn long_files_are_read_in_time_that_grows_with_them() {
    let (_, found) = site(&"a b c d\n".repeat(20_000));
    assert_eq!(found.iter().filter(|line| line.starts_with("error: ")).count(), 20_000);
}
