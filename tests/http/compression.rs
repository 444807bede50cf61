//! Answers that are compressed and decompressed on their way.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::support::h2::{self, get};
use crate::support::{Client, Cue, Origin, Proxy, Response, Scratch, config, wait_until};

const ON: &str = "compress = true";

/// A page of about so many bytes.
fn page(bytes: usize) -> String {
    let mut page = String::with_capacity(bytes + 100);
    for number in 0.. {
        page.push_str(&format!(
            "<tr class=\"row\"><td>{number}</td><td>the value of {}</td></tr>\n",
            number * 7919 % 1013
        ));
        if page.len() >= bytes {
            break;
        }
    }
    page
}

/// An answer with these fields and this body, whose length is said.
fn answer(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn html(body: &str) -> String {
    answer("Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nContent-Digest: sha-256=:eA==:\r\n", body)
}

fn ask(client: &mut Client, fields: &str) -> Response {
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.response()
}

fn gunzip(coded: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(coded).read_to_end(&mut text).unwrap();
    text
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    flate2::read::GzEncoder::new(text, flate2::Compression::new(6)).read_to_end(&mut coded).unwrap();
    coded
}

/// What a body says in this coding.
fn decoded(coding: Option<&str>, body: &[u8], length: usize) -> Vec<u8> {
    match coding {
        None => body.to_vec(),
        Some("gzip") => gunzip(body),
        Some("br") => {
            let mut text = Vec::new();
            brotli::BrotliDecompress(&mut &body[..], &mut text).unwrap();
            text
        }
        Some("zstd") => {
            let mut text = Vec::with_capacity(length);
            zstd_safe::decompress(&mut text, body).unwrap();
            text
        }
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn answers_are_compressed_by_what_their_client_likes_best() {
    for bytes in [2_000, 20_000, 700_000] {
        let page = page(bytes);
        let origin = Origin::answering(html(&page));
        let proxy = Proxy::start(&config(ON, "", &[&origin]));
        let mut client = proxy.client();
        for (accepted, coding) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0.5, gzip", Some("gzip")),
            ("identity;q=0, br;q=0.1", Some("br")),
            ("*", Some("zstd")),
            ("gzip;q=0", None),
            ("deflate", None),
            ("", None),
        ] {
            let answer = ask(&mut client, &format!("Accept-Encoding: {accepted}\r\n"));
            assert_eq!((answer.status, answer.field("content-encoding")), (200, coding), "{accepted}");
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{accepted}");
            assert!(decoded(coding, &answer.body, page.len()) == page.as_bytes(), "{accepted}");
            let said = ["etag", "accept-ranges", "content-digest"].map(|name| answer.field(name));
            match coding {
                Some(_) => assert_eq!(said, [Some("W/\"a\""), None, None]),
                None => assert_eq!(said, [Some("\"a\""), Some("bytes"), Some("sha-256=:eA==:")]),
            }
            assert!(coding.is_none() || answer.body.len() * 2 < page.len());
            // what was held is compressed at once, so that its length is known
            assert_eq!(answer.chunked, coding.is_some() && bytes > 16 << 10, "{accepted} {bytes}");
        }
    }
}

#[test]
fn the_answer_to_head_says_what_that_to_get_would_say() {
    let page = page(50_000);
    let head = html(&page).replace(&page, "");
    let body = page.clone();
    let origin = Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            conn.send(&head);
            if request.method() == "GET" {
                conn.send(&body);
            }
        }
    });
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let mut client = proxy.client();
    let got = ask(&mut client, "Accept-Encoding: gzip\r\n");
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = client.response_to("HEAD");
    for name in ["content-encoding", "etag", "vary", "content-length", "content-type", "content-digest"] {
        assert_eq!(head.field(name), got.field(name), "{name}");
    }
    assert!(head.body.is_empty());
}

#[test]
fn what_must_not_or_need_not_be_compressed_is_not() {
    let page = page(3_000);
    let cases = [
        answer("Content-Type: image/png\r\n", &page),
        answer("Content-Type: text/event-stream\r\n", &page),
        answer("Content-Type: application/grpc\r\n", &page),
        answer("", &page),
        answer("Content-Type: text/html\r\n", &page[..900]),
        answer("Content-Type: text/html\r\nContent-Encoding: br\r\n", &page),
        answer("Content-Type: text/html\r\nCache-Control: private, no-transform\r\n", &page),
        answer("Content-Type: text/html\r\n", &page).replace("200 OK", "206 Partial Content"),
        // its length is not said, and it ends below min_size
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n"
            .to_owned(),
    ];
    for case in cases {
        let origin = Origin::answering(&case);
        let proxy = Proxy::start(&config(ON, "", &[&origin]));
        let origin = Origin::answering(&case);
        let direct = Proxy::start(&config("", "", &[&origin]));
        let mut answers = [proxy, direct].map(|proxy| ask(&mut proxy.client(), "Accept-Encoding: gzip, br, zstd\r\n"));
        if case.contains("chunked") {
            assert!(!answers[0].chunked, "all of it was there, so its length is known");
            answers[0].head = answers[1].head.clone();
        }
        // the time may be another one by then
        answers.iter_mut().for_each(|answer| answer.head.fields.retain(|(name, _)| name != "date"));
        assert!(answers[0].head == answers[1].head, "{:?}{:?}", answers[0].head, answers[1].head);
        assert!(answers[0].body == answers[1].body);
    }
}

#[test]
fn old_clients_and_those_that_forbid_it_get_content_as_it_is() {
    let page = page(30_000);
    let origin = Origin::answering(html(&page));
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.field("content-encoding"), answer.body == page.as_bytes()), (None, true));
    let answer = ask(&mut proxy.client(), "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n");
    assert_eq!(answer.field("content-encoding"), None);
}

#[test]
fn a_weak_tag_that_we_have_made_is_still_good() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let tags = request.field("if-none-match").unwrap_or_default().to_owned();
            match tags.split(", ").any(|tag| tag == "\"a\"") {
                true => conn.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"),
                false => conn.send(html(&page(20_000))),
            };
        }
    });
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let mut client = proxy.client();
    let first = ask(&mut client, "Accept-Encoding: gzip\r\n");
    let tag = first.field("etag").unwrap();
    let second = ask(&mut client, &format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
    assert_eq!((second.status, second.field("etag"), second.field("vary")), (304, Some(tag), Some("Accept-Encoding")));
    assert_eq!(origin.requests()[1].field("if-none-match"), Some("W/\"a\", \"a\""));
    let strong = ask(&mut client, "Accept-Encoding: gzip\r\nIf-None-Match: \"a\"\r\n");
    assert_eq!((strong.status, strong.field("etag")), (304, Some("\"a\"")));
}

#[test]
fn what_the_backend_has_sent_is_passed_on_while_it_pauses() {
    let cue = Cue::default();
    let waits = cue.clone();
    let origin = Origin::script(move |conn| {
        while conn.request().is_ok() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst,\r\n");
            if waits.wait() {
                conn.send("6\r\nsecond\r\n0\r\nContent-Digest: x\r\nX-After: y\r\n\r\n");
            }
        }
    });
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    for coding in ["gzip", "br", "zstd"] {
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let head = client.response_head();
        assert_eq!(head.field("content-encoding"), Some(coding));
        let mut coded = chunk(&mut client);
        if coding == "gzip" {
            let mut text = Vec::with_capacity(100);
            let mut inflate = flate2::Decompress::new_gzip(15);
            inflate.decompress_vec(&coded, &mut text, flate2::FlushDecompress::Sync).unwrap();
            assert_eq!(text, b"first,");
        }
        cue.give();
        coded.extend(chunks(&mut client));
        assert_eq!(decoded(Some(coding), &coded, 100), b"first,second");
        assert_eq!(String::from_utf8(client.bytes(14)).unwrap().to_ascii_lowercase(), "x-after: y\r\n\r\n");
    }
}

/// The data of the next chunk; empty for the last one, whose trailers follow.
fn chunk(client: &mut Client) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.bytes(1));
    }
    let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
    if length == 0 {
        return Vec::new();
    }
    let mut data = client.bytes(length + 2);
    data.truncate(length);
    data
}

/// The data of all chunks from the next one to the last, whose trailers follow.
fn chunks(client: &mut Client) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let next = chunk(client);
        if next.is_empty() {
            return data;
        }
        data.extend_from_slice(&next);
    }
}

#[test]
fn an_answer_that_breaks_off_is_broken_for_its_client_too() {
    let page = page(60_000);
    let short = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n{page}");
    let origin = Origin::answering_once(short);
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    for coding in ["gzip", "br", "zstd"] {
        let mut client = proxy.client();
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let (answer, broken) = client.broken_response();
        assert_eq!(answer.field("content-encoding"), Some(coding));
        assert!(broken.is_some());
    }
}

#[test]
fn answers_of_our_own_are_compressed_where_they_are_long() {
    let page = page(40_000);
    let text = page.replace('"', "'").replace('\n', " ");
    let route = format!(
        "compress = true\n[[listener.route]]\npath = \"/x\"\nrespond = {{ status = 200, body = \"{text}\", content_type = \"text/html\" }}"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&route, "", &[&origin]));
    let answer = ask(&mut proxy.client(), "Accept-Encoding: br\r\n");
    assert_eq!((answer.field("content-encoding"), answer.field("vary")), (Some("br"), Some("Accept-Encoding")));
    assert!(decoded(Some("br"), &answer.body, 0) == text.as_bytes());
}

#[test]
fn a_route_may_switch_it_off_or_have_its_own() {
    let page = page(5_000);
    let listener = "compress = true\n\
        [[listener.route]]\npath = \"/off\"\nservice = \"api\"\ncompress = false\n\
        [[listener.route]]\npath = \"/own\"\nservice = \"api\"\ncompress = { algorithms = [\"gzip\"], min_size = \"4KiB\", level = { gzip = 9 } }\n";
    let origin = Origin::answering(html(&page));
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut client = proxy.client();
    for (path, coding) in [("/", Some("zstd")), ("/off", None), ("/own", Some("gzip"))] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, zstd\r\n\r\n"));
        assert_eq!(client.response().field("content-encoding"), coding, "{path}");
    }
}

#[test]
fn what_a_client_can_t_read_is_decompressed_for_it() {
    let page = page(300_000);
    let coded = gzip(page.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"a\"\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        coded.len()
    )
    .into_bytes();
    answer.extend_from_slice(&coded);
    let origin = Origin::answering(&answer);
    let proxy = Proxy::start(&config("decompress = true", "", &[&origin]));
    let mut client = proxy.client();
    for fields in ["", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip;q=0\r\n"] {
        let answer = ask(&mut client, fields);
        assert_eq!((answer.field("content-encoding"), answer.field("etag")), (None, Some("W/\"a\"")), "{fields}");
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        assert!(answer.body == page.as_bytes());
    }
    let answer = ask(&mut client, "Accept-Encoding: gzip\r\n");
    assert_eq!((answer.field("content-encoding"), answer.field("etag")), (Some("gzip"), Some("\"a\"")));
    assert!(answer.body == coded);
}

#[test]
fn content_that_can_t_be_decompressed_is_broken_off() {
    let page = page(100_000);
    let coded = gzip(page.as_bytes());
    let cut = &coded[..coded.len() - 20];
    let garbage = vec![b'x'; 5_000];
    for content in [cut, &garbage] {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", content.len())
                .into_bytes();
        answer.extend_from_slice(content);
        let origin = Origin::answering(&answer);
        let proxy = Proxy::start(&config("decompress = true", "", &[&origin]));
        let mut client = proxy.client();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let (_, broken) = client.broken_response();
        assert!(broken.is_some(), "{} bytes", content.len());
        let told = "evenkeel_decompression_failed_total{listener=\"web\",reason=\"malformed\"} 1";
        wait_until("it is counted", || proxy.metrics().contains(told));
    }
}

#[test]
fn what_is_compressed_and_what_is_not_is_counted() {
    let page = page(100_000);
    let origin = Origin::answering(html(&page));
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let mut client = proxy.client();
    let answer = ask(&mut client, "Accept-Encoding: gzip\r\n");
    ask(&mut client, "");
    for line in [
        "evenkeel_compressed_total{listener=\"web\",algorithm=\"gzip\"} 1".to_owned(),
        format!(
            "evenkeel_compressed_bytes_total{{listener=\"web\",algorithm=\"gzip\",direction=\"in\"}} {}",
            page.len()
        ),
        format!(
            "evenkeel_compressed_bytes_total{{listener=\"web\",algorithm=\"gzip\",direction=\"out\"}} {}",
            answer.body.len()
        ),
        "evenkeel_compression_skipped_total{listener=\"web\",reason=\"not_accepted\"} 1".to_owned(),
    ] {
        wait_until(&line, || proxy.metrics().lines().any(|told| told == line));
    }
}

#[test]
fn it_is_the_same_over_http_2() {
    let page = page(400_000);
    let origin = Origin::answering(html(&page));
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        for coding in ["zstd", "br", "gzip"] {
            let mut request = get("http://a/x");
            request.headers_mut().insert("accept-encoding", coding.parse().unwrap());
            let answer = client.call(request, "").await;
            assert_eq!(answer.headers["content-encoding"], coding);
            assert!(!answer.headers.contains_key("content-length"));
            assert!(decoded(Some(coding), &answer.body, page.len()) == page.as_bytes());
        }
    });
}

#[test]
fn long_answers_leave_the_worker_to_others() {
    let page = page(8 << 20);
    let origin = Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            conn.send(if request.target() == "/x" { html(&page) } else { answer("", "ok") });
        }
    });
    let proxy = Proxy::start(&(config(ON, "", &[&origin]) + "\n[server]\nworkers = 1\n"));
    let mut clients: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    }
    let heads: Vec<_> = clients.iter_mut().map(Client::response_head).collect();
    assert!(heads.iter().all(|head| head.field("content-encoding") == Some("gzip")));
    // nobody has read more than the heads: what is compressed waits for its clients, and others are answered
    let mut other = proxy.client();
    for _ in 0..20 {
        assert_eq!(other.get("/other").text(), "ok");
    }
    for mut client in clients {
        assert!(gunzip(&chunks(&mut client)).len() >= 8 << 20);
    }
}

#[test]
fn a_pause_after_which_nothing_is_held_back_is_no_end() {
    // at its lowest levels brotli holds nothing back, and may have nothing to add when what it has is asked for
    const PART: usize = 16 << 10;
    let page = page(40 * PART);
    let (cue, parts) = (Cue::default(), page.clone());
    let waits = cue.clone();
    let origin = Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            let at: usize = request.target()[1..].parse().unwrap();
            let said = &parts[at * PART..(at + 1) * PART];
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n");
            conn.send(format!("{PART:x}\r\n{said}\r\n"));
            if waits.wait() {
                conn.send("4\r\nmore\r\n0\r\n\r\n");
            }
        }
    });
    let proxy = Proxy::start(&config("compress = { algorithms = [\"br\"], level = { br = 0 } }", "", &[&origin]));
    let mut client = proxy.client();
    for at in 0..40 {
        client.send(format!("GET /{at} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n"));
        assert_eq!(client.response_head().field("content-encoding"), Some("br"));
        let mut coded = chunk(&mut client);
        cue.give();
        coded.extend(chunks(&mut client));
        client.bytes(2);
        let text = decoded(Some("br"), &coded, 0);
        assert!(text == [&page.as_bytes()[at * PART..(at + 1) * PART], b"more"].concat(), "{at}: {}", text.len());
    }
}

#[test]
fn answers_of_our_own_to_head_say_what_those_to_get_say() {
    let files = Scratch::new();
    let (short, long) = (files.file("404.html", "short ${status}"), files.file("503.html", page(3_000)));
    let file = files.file("file.txt", page(100_000));
    let listener = format!(
        "compress = true\nerror_pages = {{ 404 = {short:?}, 503 = {long:?} }}\n\
         [[listener.route]]\npath = \"/none\"\nrespond = {{ status = 404 }}\n\
         [[listener.route]]\npath = \"/closed\"\nrespond = {{ status = 503 }}\n\
         [[listener.route]]\npath = \"/file\"\nrespond = {{ status = 200, file = {file:?} }}\n"
    );
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    for (target, coding) in [("/none", None), ("/closed", Some("gzip")), ("/file", Some("gzip"))] {
        let mut ask = |method: &str| {
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"));
            client.response_to(method)
        };
        let (got, head) = (ask("GET"), ask("HEAD"));
        assert_eq!(got.field("content-encoding"), coding, "{target}");
        assert!(coding.is_none() || got.body.len() < gunzip(&got.body).len());
        for name in ["content-encoding", "content-length", "vary", "etag", "content-type"] {
            assert_eq!(head.field(name), got.field(name), "{target} {name}");
        }
        assert!(head.body.is_empty());
    }
}

#[test]
fn a_304_does_not_take_away_what_was_said_of_the_answer() {
    let origin = Origin::answering("HTTP/1.1 304 Not Modified\r\nVary: Origin\r\n\r\n");
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let since = "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT\r\nAccept-Encoding: gzip\r\n";
    let answer = ask(&mut proxy.client(), since);
    let vary: Vec<&str> = answer.head.fields.iter().filter(|(name, _)| name == "vary").map(|(_, of)| &**of).collect();
    assert_eq!((answer.status, vary), (304, vec!["Origin", "Accept-Encoding"]));
    // one that says nothing leaves what was said
    let origin = Origin::answering("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    let answer = ask(&mut proxy.client(), "If-None-Match: \"a\"\r\nAccept-Encoding: gzip\r\n");
    assert_eq!(
        (answer.status, answer.field("vary"), answer.field("etag")),
        (304, Some("Accept-Encoding"), Some("\"a\"")),
        "RFC 9110, section 15.4.5"
    );
}

#[test]
fn a_request_that_forbids_it_gets_coded_content_as_it_is() {
    let coded = gzip(page(30_000).as_bytes());
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n".to_vec();
    answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n", coded.len()).as_bytes());
    answer.extend_from_slice(&coded);
    let origin = Origin::answering(&answer);
    let proxy = Proxy::start(&config("decompress = true", "", &[&origin]));
    let answer = ask(&mut proxy.client(), "Cache-Control: no-transform\r\n");
    assert_eq!((answer.field("content-encoding"), answer.field("vary")), (Some("gzip"), Some("Accept-Encoding")));
    assert!(answer.body == coded);
    // an old client can be sent what is decompressed, and is told by a reset when it breaks off
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(client.response().body == page(30_000).as_bytes());
}

#[test]
fn one_that_breaks_off_is_a_reset_stream_over_http_2() {
    let page = page(60_000);
    let short = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n{page}");
    let origin = Origin::answering_once(short);
    let proxy = Proxy::start(&config(ON, "", &[&origin]));
    h2::run(async {
        for coding in ["zstd", "br", "gzip"] {
            let client = h2::Client::connect(proxy.address()).await;
            let mut request = get("http://a/x");
            request.headers_mut().insert("accept-encoding", coding.parse().unwrap());
            assert!(client.try_call(request, "").await.is_err(), "{coding}");
        }
    });
}

#[test]
fn a_worker_compresses_for_no_more_clients_than_it_has_memory_for() {
    const MOST: usize = (64 << 20) / (640 << 10);
    let (cue, part) = (Cue::default(), page(3_000));
    let waits = cue.clone();
    let origin = Origin::script(move |conn| {
        while conn.request().is_ok() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n");
            conn.send(format!("{:x}\r\n{part}\r\n", part.len()));
            if waits.wait() {
                conn.send("0\r\n\r\n");
            }
        }
    });
    let proxy = Proxy::start(&(config(ON, "", &[&origin]) + "\n[server]\nworkers = 1\n"));
    let ask = |client: &mut Client| {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
        client.response_head().field("content-encoding") == Some("gzip")
    };
    let mut clients: Vec<Client> = (0..MOST + 10).map(|_| proxy.client()).collect();
    let coded: Vec<bool> = clients.iter_mut().map(ask).collect();
    assert_eq!(coded.iter().filter(|coded| **coded).count(), MOST);
    assert!(coded[..MOST].iter().all(|coded| *coded), "who comes first has it");
    assert_eq!(proxy.metric("evenkeel_compression_skipped_total{listener=\"web\",reason=\"busy\"}"), 10);
    // it is given back when a client goes, and when an answer ends
    drop(clients.remove(0));
    clients.iter().for_each(|_| cue.give());
    cue.give();
    for (client, coded) in clients.iter_mut().zip(&coded[1..]) {
        let text = chunks(client);
        assert!(!coded || gunzip(&text).len() >= 3_000);
    }
    wait_until("others are compressed again", || {
        let is_coded = ask(&mut proxy.client());
        cue.give();
        is_coded
    });
}
