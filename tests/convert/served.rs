//! What comes of a conversion, as it is served: the answers of a running Evenkeel.

use std::path::Path;

use super::evenkeel;
use super::support::{Client, Origin, Port, Proxy, Response, Scratch};

/// Converts a text, which listens at 127.0.0.1:8080, and runs what comes of it. Files that belong beside the result stay in `scratch`.
fn served(scratch: &Scratch, from: &str, text: &str) -> Proxy {
    let name = if from == "traefik" { "traefik.yml" } else { "original" };
    scratch.file(name, text);
    let result = scratch.path().join("proxy.toml");
    let _ = std::fs::remove_file(&result);
    let done = evenkeel(scratch, &["convert", "--from", from, name, "--out", "proxy.toml"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    assert!(!said.contains("defect"), "{said}");
    let beside = |path: &Path| format!("\"{}/error-", path.display());
    let result = std::fs::read_to_string(result).unwrap();
    let result =
        result.replace("\"127.0.0.1:8080\"", "\"127.0.0.1:{port}\"").replace("\"error-", &beside(scratch.path()));
    Proxy::start(&result)
}

/// The answer to a request with a body of so many bytes.
fn post(client: &mut Client, target: &str, length: usize) -> u16 {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n"));
    // the answer may be there before all of the body is
    let _ = client.try_send(vec![b'x'; length]);
    client.response().status
}

/// The same in chunks, so that the length is known only at the end.
fn post_in_chunks(client: &mut Client, target: &str, length: usize) -> u16 {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let body = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
    let _ = client.try_send(body);
    client.response().status
}

fn get(proxy: &Proxy, target: &str) -> Response {
    let mut client = proxy.client();
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n"
    ));
    client.response()
}

#[test]
fn the_page_of_nginx_for_502_is_shown_where_no_backend_can_be_reached() {
    let scratch = Scratch::new();
    scratch.file("down.html", "<h1>we are down</h1>");
    let (root, nobody) = (scratch.path().display(), Port::reserve());
    for statuses in ["502", "500 502 503 504"] {
        let proxy = served(
            &scratch,
            "nginx",
            &format!(
                "server {{ listen 127.0.0.1:8080; root {root}; error_page {statuses} /down.html;
                   location / {{ proxy_pass http://{}; }} }}",
                nobody.address()
            ),
        );
        let answer = get(&proxy, "/x");
        assert_eq!((answer.status, answer.text().as_str()), (503, "<h1>we are down</h1>"), "{statuses}");
    }
}

#[test]
fn the_page_of_haproxy_for_503_is_shown_without_its_head() {
    let scratch = Scratch::new();
    scratch.file("503.http", "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<h1>we are down</h1>");
    let nobody = Port::reserve();
    let proxy = served(
        &scratch,
        "haproxy",
        &format!(
            "frontend f\n mode http\n bind 127.0.0.1:8080\n errorfile 503 503.http\n default_backend b\nbackend b\n mode http\n server s {}\n",
            nobody.address()
        ),
    );
    let answer = get(&proxy, "/x");
    assert_eq!((answer.status, answer.text().as_str()), (503, "<h1>we are down</h1>"));
}

#[test]
fn bodies_of_requests_are_as_large_as_nginx_lets_them_be() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let server = |of_server: &str, of_location: &str| {
        format!(
            "server {{ listen 127.0.0.1:8080; {of_server} location / {{ {of_location} proxy_pass http://{}; }} }}",
            origin.address()
        )
    };
    for (of_server, of_location, most) in [
        ("", "", Some(1 << 20)),
        ("client_max_body_size 2k;", "", Some(2 << 10)),
        ("", "client_max_body_size 3k;", Some(3 << 10)),
        ("client_max_body_size 5m;", "client_max_body_size 4k;", Some(4 << 10)),
        ("client_max_body_size 0;", "", None),
        ("client_max_body_size 1k;", "client_max_body_size 0;", None),
    ] {
        let proxy = served(&scratch, "nginx", &server(of_server, of_location));
        let what = format!("{of_server} {of_location}");
        let Some(most) = most else {
            assert_eq!(post(&mut proxy.client(), "/", (1 << 20) + 1), 200, "{what}");
            continue;
        };
        assert_eq!(post(&mut proxy.client(), "/", most), 200, "{what}");
        assert_eq!(post(&mut proxy.client(), "/", most + 1), 413, "{what}");
        assert_eq!(post_in_chunks(&mut proxy.client(), "/", most + 1), 413, "{what}");
    }
}

#[test]
fn a_protected_location_of_nginx_is_not_reached_by_another_spelling_of_its_path() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "nginx",
        &format!(
            "server {{ listen 127.0.0.1:8080;
               location / {{ proxy_pass http://{0}; }}
               location /@admin {{ deny all; proxy_pass http://{0}; }}
               location /gone/ {{ return 403; }} }}",
            origin.address()
        ),
    );
    for target in [
        "/@admin",
        "/%40admin/x",
        "/%40%61dmin",
        "//%40admin",
        "/x/..//@admin",
        "/x/%2e%2e/%40admin",
        "/gone/x",
        "/%67one/x",
    ] {
        assert_eq!(get(&proxy, target).status, 403, "{target}");
    }
    for target in ["/%2fgone/x", "/gone%2Fx", "/%2540admin"] {
        assert_eq!(get(&proxy, target).status, 400, "{target}");
    }
    assert_eq!(get(&proxy, "/other").status, 200);
    assert_eq!(origin.targets(), ["/other"]);
}

#[test]
fn what_nginx_answers_itself_is_not_reached_by_an_encoded_slash_either() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "nginx",
        &format!(
            "server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://{}; }} location /gone/ {{ return 410; }} }}",
            origin.address()
        ),
    );
    assert_eq!(get(&proxy, "/gone%2Fx").status, 400);
    assert_eq!(get(&proxy, "/x").status, 200);
}

#[test]
fn an_internal_location_of_nginx_is_not_reached_without_its_slash() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "nginx",
        &format!(
            "server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://{0}; }}
               location = /one/ {{ internal; proxy_pass http://{0}; }}
               location /two/ {{ internal; proxy_pass http://{0}; }}
               location = /three/ {{ proxy_pass http://{0}; }} }}",
            origin.address()
        ),
    );
    let statuses = ["/one", "/one/", "/two", "/two/x", "/three", "/three/"].map(|target| get(&proxy, target).status);
    assert_eq!(statuses, [404, 404, 404, 404, 301, 200]);
}

#[test]
fn a_prefix_that_a_rewrite_of_nginx_takes_off_ends_at_its_slash() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "nginx",
        &format!(
            "server {{ listen 127.0.0.1:8080; location /api {{ rewrite ^/api/(.*)$ /$1 break; proxy_pass http://{}; }} }}",
            origin.address()
        ),
    );
    for target in ["/api/x?y=z", "/apix", "/api"] {
        assert_eq!(get(&proxy, target).status, 200, "{target}");
    }
    assert_eq!(origin.targets(), ["/x?y=z", "/apix", "/api"]);
}

#[test]
fn limit_except_holds_for_each_side_of_a_split() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "nginx",
        &format!(
            "split_clients $remote_addr $side {{ 50% {0}; * {0}; }}
             server {{ listen 127.0.0.1:8080; location / {{ limit_except GET {{ deny all; }} proxy_pass http://$side; }} }}",
            origin.address()
        ),
    );
    assert_eq!(get(&proxy, "/").status, 200);
    assert_eq!(post(&mut proxy.client(), "/", 1), 403);
}

#[test]
fn a_rate_of_a_frontend_of_haproxy_is_counted_over_all_of_its_routes() {
    let scratch = Scratch::new();
    let origin = Origin::ok();
    let proxy = served(
        &scratch,
        "haproxy",
        &format!(
            "frontend f\n mode http\n bind 127.0.0.1:8080\n stick-table type ip size 1m expire 1h store http_req_rate(1h)\n \
             http-request track-sc0 src\n http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 3 }}\n \
             use_backend a if {{ path_beg /a }}\n default_backend b\n\
             backend a\n mode http\n server s {0}\nbackend b\n mode http\n server s {0}\n",
            origin.address()
        ),
    );
    let statuses: Vec<_> = ["/a", "/b", "/a", "/b", "/a"].iter().map(|target| get(&proxy, target).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[test]
fn a_disabled_frontend_of_haproxy_stays_off() {
    let scratch = Scratch::new();
    let text = "frontend on\n mode http\n bind 127.0.0.1:8080\n default_backend b\n\
                frontend off\n mode http\n bind 127.0.0.1:8081\n disabled\n default_backend b\nbackend b\n mode http\n server s 127.0.0.1:1\n";
    scratch.file("a.cfg", text);
    let done = evenkeel(&scratch, &["convert", "a.cfg"]);
    let result = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(result.contains("127.0.0.1:8080") && !result.contains("127.0.0.1:8081"), "{result}");
}

#[test]
fn answers_are_compressed_where_the_original_does() {
    let scratch = Scratch::new();
    let page = "a".repeat(4096);
    let origin = Origin::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    ));
    let backend = origin.address();
    for (from, text) in [
        (
            "nginx",
            format!("gzip on; server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://{backend}; }} }}"),
        ),
        (
            "caddy",
            format!("http://127.0.0.1:8080 {{\n\tbind 127.0.0.1\n\tencode zstd gzip\n\treverse_proxy {backend}\n}}\n"),
        ),
        (
            "traefik",
            format!(
                "entryPoints: {{ web: {{ address: \"127.0.0.1:8080\" }} }}\nhttp:\n  routers:\n    r: {{ rule: PathPrefix(`/`), middlewares: [c], service: s }}\n  middlewares:\n    c: {{ compress: {{}} }}\n  services:\n    s: {{ loadBalancer: {{ servers: [{{ url: \"http://{backend}\" }}] }} }}\n"
            ),
        ),
    ] {
        let proxy = served(&scratch, from, &text);
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status, answer.field("content-encoding")), (200, Some("gzip")), "{from}");
    }
}

#[test]
fn what_is_not_known_at_all_is_an_error_at_its_line() {
    let scratch = Scratch::new();
    let nginx = |line: &str| {
        format!(
            "events {{}}\nhttp {{\nserver {{\nlisten 8080;\n{line}\nlocation / {{ proxy_pass http://127.0.0.1:1; }}\n}}\n}}\n"
        )
    };
    let frontend = |line: &str| {
        format!(
            "frontend f\n mode http\n bind :8080\n\n {line}\n default_backend b\nbackend b\n mode http\n server s 127.0.0.1:1\n"
        )
    };
    for (from, text) in [
        ("nginx", nginx("some_module_keeps_out on;")),
        ("nginx", nginx("if ($host = a.example) { some_module on; return 200; }")),
        ("nginx", nginx("some_block { inner on; }")),
        ("nginx", nginx("valid_referers none;")),
        ("nginx", nginx("secure_link $arg_md5;")),
        ("nginx", nginx("modsecurity on;")),
        ("nginx", nginx("server_name ~^admin[0-9]+$; deny all;")),
        ("haproxy", frontend("option http-restrict-req-hdr-names delete")),
        ("haproxy", frontend("some-line if { src 10.0.0.0/8 }")),
        ("haproxy", frontend("bind :8081 some-word")),
        ("haproxy", frontend("http-request some-verb")),
        ("haproxy", frontend("option checkcache")),
    ] {
        scratch.file("file", &text);
        let done = evenkeel(&scratch, &["convert", "--from", from, "file"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{text}{said}");
        assert!(said.lines().any(|line| line.starts_with("error: file:5: ")), "{text}{said}");
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{text}{said}");
    }
}

#[test]
fn a_file_that_is_not_on_this_machine_is_no_mistake_of_the_result() {
    let scratch = Scratch::new();
    scratch.file(
        "nginx.conf",
        "server { listen 127.0.0.1:8443 ssl; ssl_certificate /nowhere/a.crt; ssl_certificate_key /nowhere/a.key; location / { proxy_pass http://127.0.0.1:1; } }",
    );
    let done = evenkeel(&scratch, &["convert", "nginx.conf"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("not on this machine") && said.contains("/nowhere/a.crt"), "{said}");
    assert!(!said.contains("defect"), "{said}");
}
