//! Pages of the configuration: errors by status, in the form that a client asks for, and files that a route responds with.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::h2::{self, get};
use crate::support::{Client, Origin, Port, Proxy, Response, Scratch, backend, config, wait_until};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The answer to a request with this method, target and `Accept`.
fn ask(client: &mut Client, method: &str, target: &str, accept: &str) -> Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\nAccept: {accept}\r\n\r\n"));
    client.response_to(method)
}

/// A proxy whose only backend is not there.
fn without_backend(listener: &str, service: &str, rest: &str) -> (Proxy, Port) {
    let nobody = Port::reserve();
    let toml = config(listener, &format!("retry.attempts = 1\n{service}"), &[]) + &backend(nobody.address()) + rest;
    (Proxy::start(&toml), nobody)
}

/// The line of a configuration that names these pages.
fn pages(files: &Scratch, pages: &[(&str, &str, &str)]) -> String {
    let page = |(status, name, text): &(&str, &str, &str)| format!("\"{status}\" = {:?}", files.file(name, text));
    format!("error_pages = {{ {} }}\n", pages.iter().map(page).collect::<Vec<_>>().join(", "))
}

#[test]
fn what_a_client_has_sent_is_no_program_in_a_page() {
    let files = Scratch::new();
    let text = "<title>${status}</title><script>let asked = \"${path}\";</script><a href=\"${path}\">${path}</a>";
    let (proxy, _nobody) = without_backend("", &pages(&files, &[("5xx", "script.html", text)]), "");
    let answer = ask(&mut proxy.client(), "GET", "//evil.example/'-alert(1)-'", BROWSER);
    assert_eq!(
        answer.text(),
        r#"<title>503</title><script>let asked = "\u002f\u002fevil\u002eexample\u002f\u0027\u002dalert\u00281\u0029\u002d\u0027";</script>"#.to_owned()
            + r#"<a href="/evil.example/&#39;-alert(1)-&#39;">//evil.example/&#39;-alert(1)-&#39;</a>"#
    );
}

#[test]
fn an_error_is_told_by_the_page_of_the_nearest_section() {
    let files = Scratch::new();
    let all = pages(&files, &[("5xx", "all.html", "all ${status}"), ("4xx", "all4.html", "all ${status} ${reason}")]);
    let listener = pages(&files, &[("503", "listener.html", "listener"), ("404", "nothing.html", "nothing here")]);
    let service = pages(&files, &[("503", "service.html", "service ${service}")]);
    let route = pages(&files, &[("503", "route.html", "route")]);
    let listener = format!(
        "{listener}[[listener.route]]\npath = \"/own\"\nservice = \"api\"\n{route}\
         [[listener.route]]\npath = \"/guarded\"\nservice = \"api\"\ndeny = [\"127.0.0.0/8\"]\n\
         [[listener.route]]\nhost = \"b.example\"\nrespond = {{ status = 500 }}\n\
         [[listener.route]]\nhost = \"c.example\"\nrespond = {{ status = 404, body = \"own\" }}\n"
    );
    let (proxy, _nobody) = without_backend(&listener, &service, &format!("[server]\n{all}"));
    let mut client = proxy.client();
    for (target, status, text) in
        [("/own", 503, "route"), ("/x", 503, "service api"), ("/guarded", 403, "all 403 Forbidden")]
    {
        let answer = ask(&mut client, "GET", target, BROWSER);
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{target}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert!(answer.field("proxy-status").is_some_and(|said| said.starts_with("evenkeel; error=")), "{target}");
        let head = ask(&mut client, "HEAD", target, BROWSER);
        assert_eq!((head.status, head.text().len()), (status, 0));
        assert_eq!(head.field("content-length"), Some(&*text.len().to_string()));
    }
    // what a route says is an error without a text looks like all others
    client.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    let bare = client.response();
    assert_eq!((bare.status, bare.text().as_str(), bare.field("cache-control")), (500, "all 500", Some("no-store")));
    client.send("GET / HTTP/1.1\r\nHost: c.example\r\n\r\n");
    assert_eq!(client.response().text(), "own");
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let answer = client.call(get("http://a.example/own"), "").await;
        assert_eq!((answer.status, &answer.body[..]), (503, &b"route"[..]));
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    });
}

#[test]
fn what_no_route_takes_and_what_is_no_request_get_the_listeners_pages() {
    let files = Scratch::new();
    let pages = pages(&files, &[("4xx", "4xx.html", "page ${status} [${host}]"), ("404", "404.html", "nothing")]);
    let listener = format!(
        "{pages}[[listener.route]]\npath = \"/a\"\nservice = \"api\"\n[listener.limits]\nmax_header_bytes = \"1KiB\"\nmax_body = \"1KiB\"\n"
    );
    let origin = Origin::ok();
    let toml = config(&listener, "", &[&origin]).replacen("service = \"api\"\n", "", 1);
    let proxy = Proxy::start(&toml);
    assert_eq!(proxy.client().get("/x").text(), "nothing");
    for (request, text) in [
        (format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1100)), "page 431 []"),
        ("GET /a HTTP/1.1\r\n\r\n".to_owned(), "page 400 []"),
        ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n".to_owned(), "page 413 []"),
    ] {
        let mut client = proxy.client();
        client.send(&request);
        assert_eq!(client.response().text(), text, "{request}");
    }
    let mut client = proxy.client();
    client.send("GET /a HTTP/1.1\r\nAccept: application/json\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.field("content-type")), (400, Some("application/problem+json")));
}

#[test]
fn who_prefers_json_gets_problem_details_and_all_others_text() {
    let (proxy, _nobody) = without_backend("request_id = \"uuidv7\"", "", "");
    let mut client = proxy.client();
    for accept in ["*/*", BROWSER, "text/plain"] {
        let answer = ask(&mut client, "GET", "/", accept);
        assert_eq!(
            (answer.text().as_str(), answer.field("content-type")),
            ("503 Service Unavailable\n", Some("text/plain; charset=utf-8"))
        );
    }
    assert_eq!(client.get("/").text(), "503 Service Unavailable\n");
    for accept in ["application/json", "application/json, text/plain, */*", "application/problem+json"] {
        let answer = ask(&mut client, "GET", "/", accept);
        assert_eq!((answer.status, answer.field("content-type")), (503, Some("application/problem+json")), "{accept}");
        let problem: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(
            (&problem["type"], &problem["title"]),
            (&Value::from("about:blank"), &Value::from("Service Unavailable"))
        );
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["request_id"].as_str(), answer.field("x-request-id"));
    }
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut request = get("http://a.example/");
        request.headers_mut().insert("accept", http::HeaderValue::from_static("application/json"));
        assert_eq!(client.call(request, "").await.headers["content-type"], "application/problem+json");
    });
}

#[test]
fn what_a_client_accepts_is_what_it_has_sent_whatever_backends_are_told() {
    let (proxy, _nobody) = without_backend("request_headers.set = { accept = \"application/json\" }", "", "");
    let mut client = proxy.client();
    assert_eq!(ask(&mut client, "GET", "/", BROWSER).text(), "503 Service Unavailable\n");
    assert!(ask(&mut client, "GET", "/", "application/problem+json").text().starts_with('{'));
}

#[test]
fn of_several_pages_a_client_gets_the_one_that_it_prefers_with_what_it_sent_made_harmless() {
    let files = Scratch::new();
    let html = files.file("404.html", "<p>${path}${query}</p><script>`${x}` $${status}</script>");
    let json = files.file("404.json", "{\"path\":\"${path}${query}\",\"status\":${status}}");
    let listener = format!(
        "error_pages = {{ 404 = [{html:?}, {json:?}] }}\n[[listener.route]]\npath = \"/a\"\nservice = \"api\"\n"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener, "", &[&origin]).replacen("service = \"api\"\n", "", 1));
    let mut client = proxy.client();
    let page = ask(&mut client, "GET", "/x'y&z?q='%3C'", BROWSER);
    assert_eq!(page.text(), "<p>/x&#39;y&amp;z?q=&#39;%3C&#39;</p><script>`${x}` ${status}</script>");
    let json = ask(&mut client, "GET", "/x?'", "application/json");
    assert_eq!(json.field("content-type"), Some("application/json"));
    let said: Value = serde_json::from_str(&json.text()).unwrap();
    assert_eq!(said, serde_json::json!({ "path": "/x?'", "status": 404 }));
}

#[test]
fn what_else_an_answer_tells_stays_beside_its_page() {
    let files = Scratch::new();
    let users = files.file("users", format!("ann:{}\n", bcrypt::hash("secret", 4).unwrap()));
    let page = pages(&files, &[("4xx", "4xx.html", "page")]);
    let listener = format!(
        "{page}[[listener.route]]\npath = \"/secret\"\nservice = \"api\"\nauth.basic = {{ file = {users:?} }}\n\
         [[listener.route]]\npath = \"/limited\"\nservice = \"api\"\ncors = {{ origins = [\"https://b.example\"] }}\n\
         rate_limit = [{{ name = \"r\", rate = \"1/h\" }}]\n"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    let secret = client.get("/secret");
    assert_eq!((secret.status, secret.text().as_str()), (401, "page"));
    assert!(secret.field("www-authenticate").is_some_and(|said| said.starts_with("Basic ")));
    let mut limited = || {
        client.send("GET /limited HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\r\n");
        client.response()
    };
    let mut answer = limited();
    while answer.status == 200 {
        answer = limited();
    }
    assert_eq!((answer.status, answer.text().as_str()), (429, "page"));
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://b.example"));
    assert!(answer.field("retry-after").is_some() && answer.field("ratelimit").is_some(), "{answer:?}");
}

/// An answer of a backend with this status and method's body, and fields that speak of it.
fn failing(status: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: 7\r\nContent-Type: text/x\r\nETag: \"x\"\r\nContent-Encoding: br\r\n\
         Cache-Control: public\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\n\r\nprivate"
    )
}

#[test]
fn backends_answers_are_replaced_only_where_that_is_wanted() {
    let files = Scratch::new();
    let listener = pages(&files, &[("5xx", "5xx.html", "page ${status}"), ("404", "404.html", "none")]);
    for (backends, status, replaced) in [
        ("", "500 Oops", false),
        ("true", "500 Oops", true),
        ("true", "404 None", false),
        ("\"404\"", "404 None", true),
        ("\"404\"", "500 Oops", false),
        ("false", "503 No", false),
    ] {
        let origin = Origin::answering(failing(status));
        let switch = if backends.is_empty() { String::new() } else { format!(", backends = {backends} }}") };
        let listener = if switch.is_empty() { listener.clone() } else { listener.replace(" }", &switch) };
        let proxy = Proxy::start(&config(&listener, "", &[&origin]));
        let mut client = proxy.client();
        for _ in 0..3 {
            let answer = client.get("/");
            assert_eq!(answer.status.to_string(), status[..3], "{backends}");
            assert_eq!((answer.field("set-cookie"), answer.field("retry-after")), (Some("a=b"), Some("7")));
            let of_body = ["etag", "content-encoding"].map(|name| answer.field(name).is_some());
            if replaced {
                let text = if status.starts_with('4') { "none" } else { "page 500" };
                assert_eq!((answer.text().as_str(), of_body), (text, [false, false]), "{backends} {status}");
                assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
                assert_eq!(answer.field("cache-control"), Some("no-store"));
            } else {
                assert_eq!((answer.text().as_str(), of_body), ("private", [true, true]), "{backends} {status}");
                assert_eq!(answer.field("cache-control"), Some("public"));
            }
        }
        assert_eq!(origin.connections(), 1, "what is not passed on is read, and its connection used again");
    }
}

#[test]
fn a_route_may_leave_backends_answers_alone_and_grpc_always_is() {
    let files = Scratch::new();
    let all = pages(&files, &[("5xx", "5xx.html", "page")]).replace(" }", ", backends = true }");
    let listener = "[[listener.route]]\npath = \"/own\"\nservice = \"api\"\nerror_pages = { backends = false }\n";
    let origin = Origin::answering(failing("500 Oops"));
    let toml = config(listener, "", &[&origin]) + &format!("[server]\n{all}");
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    assert_eq!(client.get("/own").text(), "private");
    assert_eq!(client.get("/x").text(), "page");
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.response_to("HEAD");
    assert_eq!((head.status, head.field("content-length")), (500, Some("4")));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "private");
}

#[test]
fn a_fallback_goes_before_pages_unless_it_says_nothing() {
    let files = Scratch::new();
    let listener = pages(&files, &[("5xx", "5xx.html", "page ${status}")]);
    for (fallback, text) in [("body = \"own\"", "own"), ("retry_after = \"9s\"", "page 503")] {
        let origin = Origin::silent();
        let service = format!("fallback = {{ status = 503, {fallback} }}\n");
        let proxy = Proxy::start(&(config(&listener, &service, &[&origin]) + "weight = 0\n"));
        let answer = proxy.client().get("/");
        assert_eq!((answer.status, answer.text().as_str()), (503, text));
    }
}

#[test]
fn a_file_is_sent_as_it_is_and_only_to_those_who_have_it_not() {
    let files = Scratch::new();
    let script = files.file("app.js", "const x = `${status}`;\n");
    let large = files.file("large.bin", vec![b'x'; 1 << 20]);
    let listener = format!(
        "[[listener.route]]\npath = \"/app.js\"\nrespond = {{ status = 200, file = {script:?} }}\n\
         [[listener.route]]\npath = \"/large\"\nrespond = {{ status = 200, file = {large:?}, content_type = \"x/y\" }}\n\
         [[listener.route]]\npath = \"/gone\"\nrespond = {{ status = 410, file = {script:?} }}\n"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    let answer = client.get("/app.js");
    assert_eq!((answer.status, answer.text().as_str()), (200, "const x = `${status}`;\n"));
    assert_eq!(answer.field("content-type"), Some("text/javascript; charset=utf-8"));
    let (tag, modified) = (answer.field("etag").unwrap(), answer.field("last-modified").unwrap());
    for (line, status) in [
        (format!("If-None-Match: {tag}"), 304),
        (format!("If-None-Match: \"x\", W/{tag}"), 304),
        ("If-None-Match: \"x\"".to_owned(), 200),
        (format!("If-Modified-Since: {modified}"), 304),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT".to_owned(), 200),
    ] {
        for method in ["GET", "HEAD"] {
            client.send(format!("{method} /app.js HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"));
            let again = client.response_to(method);
            assert_eq!((again.status, again.field("etag")), (status, Some(tag)), "{method} {line}");
            assert_eq!(again.text().is_empty(), status == 304 || method == "HEAD");
        }
    }
    let large = client.get("/large");
    assert_eq!((large.body.len(), large.field("content-type")), (1 << 20, Some("x/y")));
    let gone = client.get("/gone");
    assert_eq!((gone.status, gone.field("etag"), gone.body.len()), (410, None, answer.body.len()));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let large = client.call(get("http://a.example/large"), "").await;
        assert_eq!((large.status, large.body.len()), (200, 1 << 20));
        let mut request = get("http://a.example/app.js");
        request.headers_mut().insert("if-none-match", tag.parse().unwrap());
        assert_eq!(client.call(request, "").await.status, 304);
    });
}

#[test]
fn files_are_shown_as_they_are_now_and_as_they_were_while_they_cannot_be_read() {
    let files = Scratch::new();
    let listener = pages(&files, &[("503", "502.html", "one")]);
    let file = files.file("a.txt", "one");
    let route =
        format!("{listener}[[listener.route]]\npath = \"/file\"\nrespond = {{ status = 200, file = {file:?} }}\n");
    let (proxy, _nobody) = without_backend(&route, "", "");
    let mut client = proxy.client();
    assert_eq!((client.get("/").text(), client.get("/file").text()), ("one".to_owned(), "one".to_owned()));
    files.file("a.txt", "two");
    wait_until("the other file is sent", || proxy.client().get("/file").text() == "two");
    // a page that begins to tell what was asked for, which was not kept before
    files.file("502.html", "${path}");
    wait_until("the other page is shown", || proxy.client().get("/x").text() == "/x");
    std::fs::remove_file(&file).unwrap();
    let has_event = |kind: &str| proxy.admin("/api/v1/events?limit=1000").unwrap().text().contains(kind);
    wait_until("it is told that it is gone", || has_event("page_file_refused"));
    assert!(has_event("page_file_loaded"));
    assert_eq!(proxy.client().get("/file").text(), "two");
    // a configuration that names what is not there is refused, and what runs stays
    let refused = proxy.admin_call("POST", "/api/v1/reload", "").unwrap();
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("a.txt"), "{}", refused.text());
    assert_eq!(proxy.client().get("/file").text(), "two");
    files.file("a.txt", "three");
    assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 200);
    assert_eq!(proxy.client().get("/file").text(), "three");
}

#[test]
fn what_a_client_accepts_may_stand_in_several_lines() {
    let files = Scratch::new();
    // one that is the same for all, and one for which more of a request is kept
    for text in ["page", "page of ${path}"] {
        let listener = pages(&files, &[("503", "503.html", text)]);
        let (proxy, _nobody) = without_backend(&listener, "", "");
        let mut client = proxy.client();
        for (lines, content_type) in [
            ("Accept: application/json;q=0.5\r\nAccept: text/html;q=0.9\r\n", "text/html; charset=utf-8"),
            ("Accept: text/html;q=0.5\r\nAccept: application/json;q=0.9\r\n", "application/problem+json"),
            ("Accept: */*;q=0.1\r\nAccept: text/plain\r\n", "text/plain; charset=utf-8"),
            ("", "text/html; charset=utf-8"),
        ] {
            client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
            assert_eq!(client.response().field("content-type"), Some(content_type), "{text}: {lines}");
        }
    }
}

#[test]
fn a_page_that_becomes_something_else_stays_what_it_was() {
    let files = Scratch::new();
    let listener = pages(&files, &[("503", "503.html", "one")]);
    let path = files.path().join("503.html");
    let (proxy, _nobody) = without_backend(&listener, "", "");
    let mut client = proxy.client();
    let told = |kind: &str| proxy.admin("/api/v1/events?limit=1000").unwrap().text().matches(kind).count();
    let make_pipe = || {
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
    };
    let changes: [(&str, &dyn Fn()); 4] = [
        ("a folder", &|| {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }),
        ("gone", &|| std::fs::remove_dir(&path).unwrap()),
        ("a pipe", &|| make_pipe()),
        ("too large", &|| {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        }),
    ];
    for (what, change) in changes {
        let before = told("page_file_refused");
        change();
        wait_until(what, || told("page_file_refused") > before);
        assert_eq!(client.get("/").text(), "one", "{what}");
    }
    files.file("503.html", "two");
    wait_until("it is a page again", || client.get("/").text() == "two");
}

#[test]
fn a_page_that_is_replaced_under_load_is_shown_whole() {
    let files = Scratch::new();
    let texts: Vec<String> = (0..8).map(|at| format!("{at}").repeat(1 + at * 9_000)).collect();
    let listener = pages(&files, &[("503", "503.html", &texts[0])]);
    let (proxy, _nobody) = without_backend(&listener, "", "");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = proxy.client();
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get("/");
                    assert!(answer.status == 503 && texts.contains(&answer.text()), "{} bytes", answer.body.len());
                }
            });
        }
        for text in &texts[1..] {
            // as editors do
            std::fs::rename(files.file("next", text), files.path().join("503.html")).unwrap();
            wait_until("it is shown", || proxy.client().get("/").text() == *text);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_client_whose_request_was_not_read_gets_its_page_whole() {
    let files = Scratch::new();
    let text = "page ".repeat(10_000);
    let listener = pages(&files, &[("503", "503.html", &text)]);
    let (proxy, _nobody) = without_backend(&listener, "", "");
    for (length, sent) in [(10, 10), (10, 0), (300_000, 300_000), (300_000, 100)] {
        let mut client = proxy.client();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", "y".repeat(sent)));
        let answer = client.response();
        assert_eq!((answer.status, answer.text() == text), (503, true), "{sent} of {length}");
        // what follows on the connection is never taken for a request while some of the last one is missing
        if answer.field("connection") != Some("close") {
            assert_eq!(sent, length);
            assert_eq!(client.get("/").status, 503);
        }
    }
}

#[test]
fn a_response_without_a_text_is_told_in_json_to_those_who_prefer_it() {
    let route =
        |path: &str, status: u16| format!("[[listener.route]]\npath = \"{path}\"\nrespond = {{ status = {status} }}\n");
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&(route("/gone", 410) + &route("/made", 201)), "", &[&origin]));
    let mut client = proxy.client();
    let told = ask(&mut client, "GET", "/gone", "application/json");
    assert_eq!((told.status, told.field("content-type")), (410, Some("application/problem+json")));
    assert_eq!(serde_json::from_str::<Value>(&told.text()).unwrap()["status"], 410);
    assert_eq!(ask(&mut client, "HEAD", "/gone", "application/json").field("content-type"), told.field("content-type"));
    for accept in ["*/*", BROWSER, "text/plain", "application/json;q=0.1, text/plain"] {
        let bare = ask(&mut client, "GET", "/gone", accept);
        assert_eq!((bare.status, bare.text().as_str(), bare.field("content-type")), (410, "", None), "{accept}");
    }
    let made = ask(&mut client, "GET", "/made", "application/json");
    assert_eq!((made.status, made.text().as_str()), (201, ""), "it tells of no error");
}
