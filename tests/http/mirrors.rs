//! Mirroring: what a second service gets of a route's requests, and that nothing of it is ever felt by clients.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use crate::support::certs::Authority;
use crate::support::{Client, Cue, LOG, OK, Origin, Port, Proxy, Scratch, h2, wait_until};

const MANY: &str = "max_in_flight = 65535";

/// A route for everything to the service `api`, with copies to the service `next`. `mirror` and `next` are further keys of those.
fn toml(mirror: &str, api: &Origin, next: &str, copies_to: &str) -> String {
    let mirror = if mirror.is_empty() { String::new() } else { format!(", {mirror}") };
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\n[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
         mirror = {{ service = \"next\"{mirror} }}\n[[service.api.backend]]\naddress = \"{}\"\n\
         [service.next]\n{next}\n[[service.next.backend]]\naddress = \"{copies_to}\"\n[server]\nworkers = 1\n",
        api.address()
    )
}

fn mirrored(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_mirrored_total{{listener=\"web\",service=\"next\",outcome=\"{outcome}\"}}"))
}

fn in_flight(proxy: &Proxy) -> u64 {
    proxy.metric("evenkeel_mirrored_in_flight{listener=\"web\",service=\"next\"}")
}

fn wait_for(proxy: &Proxy, outcome: &str, count: u64) {
    wait_until(&format!("{count} copies: {outcome}"), || mirrored(proxy, outcome) == count);
}

/// So many requests on one connection, each of which is answered by the service that is asked.
fn ask(client: &mut Client, requests: usize) {
    for _ in 0..requests {
        let answer = client.get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}

#[test]
fn a_copy_has_the_method_the_target_the_fields_and_the_body_of_its_original() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /a%20b?c=d HTTP/1.1\r\nHost: site.example\r\nX-A: 1\r\nX-A: 2\r\nCookie: s=1\r\nContent-Length: 5\r\n\r\nhello");
    client.response();
    client.send("POST /chunks HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: te\r\n\r\n");
    client.send("3\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 5\r\n\r\n");
    client.response();
    client.send("HEAD /head HTTP/1.1\r\nHost: site.example\r\n\r\n");
    // the backend's answer to a HEAD has a body as well, so it is the last on its connection
    client.response_to("HEAD");
    wait_until("the copies are there", || next.requests().len() == 3);
    let mut copies = next.requests();
    copies.sort_by_key(|copy| ["PUT", "POST", "HEAD"].iter().position(|method| *method == copy.method()));
    for (original, copy) in api.requests().iter().zip(copies) {
        assert_eq!(copy.head.start, original.head.start);
        assert_eq!((&copy.body, &copy.trailers, copy.chunked), (&original.body, &original.trailers, original.chunked));
        let is_mark = |(name, _): &(String, String)| name.eq_ignore_ascii_case("x-evenkeel-mirror");
        let (marks, mut fields): (Vec<_>, Vec<_>) = copy.head.fields.into_iter().partition(is_mark);
        assert_eq!(marks.len(), 1);
        assert_eq!(marks[0].1, "1");
        fields.sort();
        let mut of_original = original.head.fields.clone();
        of_original.sort();
        assert_eq!(fields, of_original);
    }
}

#[test]
fn what_the_second_service_changes_holds_for_copies_and_what_the_first_changes_does_not() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let toml = toml("", &api, "request_headers.set = { x-for = \"${service}\", x-next = \"1\" }", next.address())
        .replace("[[service.api.backend]]", "[service.api]\nrequest_headers.set = { x-for = \"${service}\", x-key = \"secret\" }\n[[service.api.backend]]")
        .replace("path_prefix = \"/\"", "path_prefix = \"/v1/\"\nrewrite = { prefix = \"/\" }\nrequest_headers.set = { x-route = \"r\" }");
    let proxy = Proxy::start(&toml);
    proxy.client().get("/v1/a");
    wait_until("the copy is there", || !next.requests().is_empty());
    let (original, copy) = (api.request(), next.request());
    assert_eq!((original.target(), copy.target()), ("/a", "/a"));
    let of = |name| (original.field(name).map(str::to_owned), copy.field(name).map(str::to_owned));
    let both = |one: Option<&str>, other: Option<&str>| (one.map(str::to_owned), other.map(str::to_owned));
    assert_eq!(of("x-for"), both(Some("api"), Some("next")));
    assert_eq!(of("x-key"), both(Some("secret"), None));
    assert_eq!(of("x-next"), both(None, Some("1")));
    assert_eq!(of("x-route"), both(Some("r"), Some("r")));
    assert_eq!(of("host"), both(Some("a"), Some("a")));
    assert_eq!(of("x-forwarded-for"), both(Some("127.0.0.1"), Some("127.0.0.1")));
}

#[test]
fn no_client_can_pass_a_request_off_as_a_copy() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&toml("share = \"0.01%\"", &api, "", next.address()));
    let mut client = proxy.client();
    for name in ["X-Evenkeel-Mirror", "x_evenkeel_mirror", "X-EVENKEEL_MIRROR"] {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{name}: 1\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    for request in api.requests() {
        assert!(
            request.head.fields.iter().all(|(name, _)| !name.to_lowercase().contains("mirror")),
            "{:?}",
            request.head
        );
    }
}

#[test]
fn a_second_service_that_hangs_delays_nobody_and_gets_no_more_than_so_many_copies() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&(toml("max_in_flight = 7", &api, "", next.address()) + LOG));
    // none of these is answered before the process ends
    ask(&mut proxy.client(), 30);
    assert_eq!((in_flight(&proxy), mirrored(&proxy, "too_many")), (7, 23));
    wait_until("they were sent", || next.requests().len() == 7);
    let status = proxy.status();
    assert_eq!(status["services"]["next"]["mirrored"]["in_flight"], 7, "{status}");
    assert_eq!(status["services"]["next"]["mirrored"]["too_many"], 23, "{status}");
    assert!(status["services"]["api"]["mirrored"].is_null());
    assert_eq!(status["services"]["next"]["backends"][0]["in_flight"], 7, "{status}");
    let routes = proxy.admin("/api/v1/routes").unwrap().text();
    assert!(routes.contains("api, 100% mirrored to next"), "{routes}");
    wait_until("all lines are written", || proxy.log().len() == 30);
    assert!(proxy.log().iter().all(|line| !line.contains("next")), "copies are not in the access log");
}

#[test]
fn whatever_the_second_service_does_clients_get_the_first_one_s_answers() {
    let unused = Port::reserve();
    let dead = unused.address().to_string();
    let failing = Origin::answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
    let huge = "x".repeat(5_000_000);
    let huge = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{huge}", huge.len()));
    let malformed = Origin::answering_once("SSH-2.0-OpenSSH_9.9\r\n\r\n");
    let cut = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\nhalf");
    let upgrading =
        Origin::answering_once("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let cookie = Origin::answering("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n");
    for (next, keys, outcome) in [
        (dead.as_str(), "", "failed"),
        (failing.address(), "", "error"),
        (huge.address(), "", "answered"),
        (malformed.address(), "", "failed"),
        (cut.address(), "", "failed"),
        (upgrading.address(), "", "failed"),
        (cookie.address(), "affinity = {}", "answered"),
    ] {
        // nobody is taken out, so that each request is copied
        let keys = format!("outlier = {{ max_ejected = 0.0 }}\n{keys}");
        let api = Origin::ok();
        let proxy = Proxy::start(&toml(MANY, &api, &keys, next));
        let mut client = proxy.client();
        for _ in 0..20 {
            let answer = client.get("/x");
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.field("set-cookie")),
                (200, "ok", None),
                "{outcome}"
            );
        }
        wait_for(&proxy, outcome, 20);
        assert_eq!(in_flight(&proxy), 0);
        // what is asked of it has nothing to do with copies
        let metrics = proxy.metrics();
        let count = |series: &str| -> u64 {
            let lines = metrics.lines().filter(|line| line.starts_with(series));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
        };
        assert_eq!(count("evenkeel_requests_total{listener=\"web\",service=\"next\""), 0, "{outcome}");
        assert_eq!(count("evenkeel_retries_total{service=\"next\""), 0, "{outcome}");
        assert_eq!(count("evenkeel_request_duration_seconds_count{service=\"next\""), 0, "{outcome}");
        // but what copies have shown of its backends is
        let failed = if outcome == "answered" { 0 } else { 20 };
        assert_eq!(count("evenkeel_backend_attempts_total{service=\"next\""), 20, "{outcome}");
        assert_eq!(count("evenkeel_backend_failures_total{service=\"next\""), failed, "{outcome}");
        assert_eq!(api.requests().len(), 20);
    }
}

#[test]
fn connections_to_the_second_service_are_kept() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    for answered in 1..=20 {
        ask(&mut client, 1);
        wait_for(&proxy, "answered", answered);
    }
    assert_eq!(next.connections(), 1);
}

#[test]
fn a_backend_that_only_gets_copies_is_taken_out_when_it_fails() {
    let (api, good) = (Origin::ok(), Origin::ok());
    let bad = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let toml = toml(MANY, &api, "balance = \"round_robin\"", bad.address())
        .replace("[server]", &format!("[[service.next.backend]]\naddress = \"{}\"\n[server]", good.address()));
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    wait_until("it is ejected", || {
        ask(&mut client, 5);
        proxy.status()["services"]["next"]["backends"][0]["ejected"] == true
    });
    assert!(mirrored(&proxy, "error") > 0);
}

#[test]
fn where_no_backend_takes_work_there_is_no_copy_and_where_one_is_full_none_waits() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&(toml("", &api, "", "127.0.0.1:9").replace("[server]", "weight = 0\n[server]")));
    ask(&mut proxy.client(), 5);
    wait_for(&proxy, "no_place", 5);
    assert_eq!(in_flight(&proxy), 0);
    let full = toml("", &api, "", next.address()).replace("[server]", "max_connections = 2\n[server]");
    let proxy = Proxy::start(&full);
    ask(&mut proxy.client(), 5);
    wait_for(&proxy, "no_place", 3);
    assert_eq!(in_flight(&proxy), 2);
    assert_eq!(proxy.status()["services"]["next"]["waiting"], 0);
}

#[test]
fn a_copy_takes_no_longer_than_it_may() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let proxy = Proxy::start(&toml("timeout = \"300ms\"", &api, "", next.address()));
    ask(&mut proxy.client(), 3);
    wait_for(&proxy, "timed_out", 3);
    let failures = format!("evenkeel_backend_failures_total{{service=\"next\",backend=\"{}\"}}", next.address());
    assert_eq!(proxy.metric(&failures), 3, "it has not answered in time");
    // the time-outs of its service hold as well
    let proxy = Proxy::start(&toml("", &api, "timeout = { response = \"200ms\" }", next.address()));
    ask(&mut proxy.client(), 3);
    wait_for(&proxy, "timed_out", 3);
}

#[test]
fn the_share_is_kept_over_a_thousand_requests() {
    let (api, next) = (Origin::ok(), Origin::ok());
    for (share, due) in [("100%", 1000.0), ("10%", 100.0), ("0.5%", 5.0)] {
        let before = next.requests().len();
        let proxy = Proxy::start(&toml(&format!("share = \"{share}\", {MANY}"), &api, "", next.address()));
        let mut client = proxy.client();
        for _ in 0..20 {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
            (0..50).for_each(|_| assert_eq!(client.response().status, 200));
        }
        wait_until("all copies have ended", || in_flight(&proxy) == 0);
        let copied = mirrored(&proxy, "answered") as f64;
        // six standard deviations of a thousand draws
        let most = 6.0 * (due * (1.0 - due / 1000.0_f64)).sqrt();
        assert!((copied - due).abs() <= most, "{copied} of 1,000 at {share}");
        assert_eq!(next.requests().len() - before, copied as usize);
    }
}

#[test]
fn with_split_by_all_of_a_client_s_requests_are_copied_or_none() {
    let (api, next) = (Origin::ok(), Origin::ok());
    for by in ["header:x-user", "cookie"] {
        let before = next.requests().len();
        let toml = toml(&format!("share = \"50%\", {MANY}"), &api, "", next.address()).replace(
            "service = \"api\"\nmirror",
            &format!("split = [{{ service = \"api\", weight = 1 }}, {{ service = \"other\", weight = 1 }}]\nsplit_by = \"{by}\"\nmirror"),
        );
        let other = format!("[[service.other.backend]]\naddress = \"{}\"\n", api.address());
        let proxy = Proxy::start(&toml.replace("[server]", &format!("{other}[server]")));
        let mut client = proxy.client();
        let mut cookies = vec![String::new(); 100];
        for _ in 0..3 {
            // one after the other would take a wake-up of three processes for each
            let request = |(user, cookie): (usize, &String)| {
                format!("GET /{user} HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n{cookie}\r\n")
            };
            client.send(cookies.iter().enumerate().map(request).collect::<String>());
            for cookie in &mut cookies {
                let answer = client.response();
                if let Some(set) = answer.field("set-cookie") {
                    *cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
                }
            }
        }
        wait_until("all copies have ended", || in_flight(&proxy) == 0);
        let copied = next.targets().split_off(before);
        let of = |user: usize| copied.iter().filter(|target| **target == format!("/{user}")).count();
        let counts: Vec<usize> = (0..100).map(of).collect();
        assert!(counts.iter().all(|count| [0, 3].contains(count)), "{by}: {counts:?}");
        let clients = counts.iter().filter(|count| **count == 3).count();
        assert!((20..=80).contains(&clients), "{by}: {clients} of 100");
    }
}

#[test]
fn a_body_that_is_too_long_is_not_copied_and_passes_whole() {
    let (api, next) = (Origin::echoing(), Origin::ok());
    let proxy = Proxy::start(&toml("max_body = \"10KiB\"", &api, "", next.address()));
    let mut client = proxy.client();
    let body = |length: usize| (0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
    let mut put = |length: usize| {
        client.send(format!("PUT /{length} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(body(length));
        assert!(client.response().body == body(length));
    };
    put(10 * 1024 + 1);
    assert_eq!((mirrored(&proxy, "too_large"), next.connections()), (1, 0), "it is not even begun");
    put(10 * 1024);
    wait_for(&proxy, "answered", 1);
    assert!(next.request().body == body(10 * 1024));
    // what has no length is known to be too long when it is
    client.send("PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        client.send("1000\r\n".to_owned() + &"y".repeat(0x1000) + "\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().body, vec![b'y'; 3 * 0x1000]);
    wait_for(&proxy, "too_large", 2);
    wait_until("its connection is closed", || next.open() <= 1);
    assert_eq!(next.requests().len(), 1, "nothing is passed off as a whole body");
    let proxy = Proxy::start(&toml("max_body = 0", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "x");
    assert_eq!(mirrored(&proxy, "too_large"), 1);
    client.get("/get");
    wait_for(&proxy, "answered", 1);
}

#[test]
fn a_second_service_that_takes_bodies_slowly_slows_nobody_down() {
    let api = Origin::echoing();
    // it reads heads and no bodies
    let cue = Cue::default();
    let awaited = cue.clone();
    let next = Origin::script(move |conn| {
        let _ = conn.request_head();
        awaited.wait();
    });
    let proxy = Proxy::start(&toml("max_body = \"16MiB\"", &api, "", next.address()));
    let mut client = proxy.client();
    let body = vec![b'z'; 15 << 20];
    for _ in 0..4 {
        client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.send(&body);
        assert!(client.response().body == body);
    }
    // 16 MiB may wait on a worker; how much of each the kernel holds besides is up to that
    let given_up = mirrored(&proxy, "too_slow");
    assert!(given_up > 0);
    assert_eq!(given_up + in_flight(&proxy), 4);
    cue.give();
}

#[test]
fn a_request_that_is_broken_off_is_broken_off_in_copy() {
    let api = Origin::echoing();
    let next = Origin::script(|conn| {
        let Ok(mut head) = conn.request_head() else { return };
        assert!(conn.finish_request(&mut head).is_err(), "it is never whole");
    });
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    wait_until("the copy is on its way", || next.tape().contains("half"));
    client.reset();
    wait_for(&proxy, "cancelled", 1);
    wait_until("its connection is closed", || next.open() == 0);
    let failures = format!("evenkeel_backend_failures_total{{service=\"next\",backend=\"{}\"}}", next.address());
    assert_eq!(proxy.metric(&failures), 0, "that is not its doing");
}

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_first_service_alone() {
    let (api, next) = (Origin::echoing(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    wait_until("the first service is asked", || api.tape().contains("100-continue"));
    assert_eq!(next.connections(), 0);
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    wait_for(&proxy, "answered", 1);
    assert_eq!((next.request().field("expect"), next.request().body), (None, b"hello".to_vec()));
    // and one that is refused leaves nothing behind
    let refusing = Origin::script(|conn| {
        let _ = conn.request_head();
        conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let next = Origin::ok();
    let proxy = Proxy::start(&toml("", &refusing, "", next.address()));
    let mut client = proxy.client();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response_head().status, 413);
    drop(client);
    wait_for(&proxy, "cancelled", 1);
    assert_eq!(next.connections(), 0);
}

#[test]
fn an_upgrade_is_not_copied() {
    let api = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        conn.echo();
    });
    let next = Origin::ok();
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    assert_eq!((in_flight(&proxy), next.connections()), (0, 0));
}

/// The bodies of calls, with their trailers.
type Seen = Arc<Mutex<Vec<(Bytes, Option<HeaderMap>)>>>;

/// Answers a call as a gRPC server does, when all of it has come, and remembers what that was.
fn calls(seen: &Seen) -> h2::Origin {
    let seen = Arc::clone(seen);
    h2::Origin::script(move |request, mut respond| {
        let seen = Arc::clone(&seen);
        async move {
            let mut body = request.into_body();
            let Ok(whole) = h2::read(&mut body).await else { return };
            seen.lock().unwrap().push(whole);
            let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let Ok(mut sending) = respond.send_response(response, false) else { return };
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
            let _ = sending.send_trailers(trailers);
        }
    })
}

#[test]
fn calls_over_http_2_are_copied_with_their_messages_and_trailers() {
    let (seen, copied) = (Seen::default(), Seen::default());
    let (api, next) = (calls(&seen), calls(&copied));
    let h2_keys = "protocol = \"h2\"";
    let toml = toml("", &Origin::ok(), h2_keys, &next.address());
    let address = toml.split("address = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let toml = toml
        .replace(&address, &api.address())
        .replace("[[service.api.backend]]", "[service.api]\nprotocol = \"h2\"\n[[service.api.backend]]");
    let proxy = Proxy::start(&toml);
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        for message in ["one", "two"] {
            let mut request = h2::post("http://site.example/pkg.Service/Method");
            request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            let (answer, mut sending) = client.open(request, false).await;
            h2::send(&mut sending, Bytes::from(message), false).await.unwrap();
            let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("3"))]);
            sending.send_trailers(trailers).unwrap();
            let answer = h2::whole(answer.await.unwrap()).await.unwrap();
            assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
        }
    });
    wait_for(&proxy, "answered", 2);
    assert_eq!(*copied.lock().unwrap(), *seen.lock().unwrap());
    let heads = next.heads();
    assert_eq!(
        (heads[0].uri.path(), heads[0].uri.authority().unwrap().as_str()),
        ("/pkg.Service/Method", "site.example")
    );
    assert_eq!(
        (&heads[0].headers["te"], &heads[0].headers["x-evenkeel-mirror"]),
        (&HeaderValue::from_static("trailers"), &HeaderValue::from_static("1"))
    );
    assert!(!api.heads()[0].headers.contains_key("x-evenkeel-mirror"));
}

#[test]
fn copies_go_over_tls_where_their_service_has_it() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let identity = ca.sign(&dir, &["next.example"]);
    let api = Origin::ok();
    let next = Origin::script_tls(&identity.server(&[]), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let keys = format!("[service.next.tls]\nca = {:?}\nserver_name = \"next.example\"", ca.file(&dir));
    let proxy = Proxy::start(&toml("", &api, &keys, next.address()));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 200);
    wait_for(&proxy, "answered", 1);
    assert_eq!(next.request().body, b"hello");
}

#[test]
fn copies_tell_of_their_client_by_a_proxy_header_where_their_service_wants_one() {
    let api = Origin::ok();
    let next = Origin::script(|conn| {
        let header = conn.bytes("PROXY TCP4 127.0.0.1 127.0.0.1 ".len()).unwrap();
        assert_eq!(header, b"PROXY TCP4 127.0.0.1 127.0.0.1 ");
        while conn.bytes(1).is_some_and(|byte| byte != b"\n") {}
        while conn.request().is_ok() && conn.send(OK) {}
    });
    let proxy = Proxy::start(&toml("", &api, "send_proxy_protocol = \"v1\"", next.address()));
    ask(&mut proxy.client(), 2);
    wait_for(&proxy, "answered", 2);
    assert_eq!(next.connections(), 2, "no connection is shared by clients");
}

#[test]
fn a_copy_belongs_to_the_trace_of_its_original_and_is_not_recorded() {
    let (api, next) = (Origin::ok(), Origin::ok());
    let proxy = Proxy::start(&toml("", &api, "", next.address()));
    let mut client = proxy.client();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nTraceparent: {parent}-01\r\n\r\n"));
    client.response();
    wait_for(&proxy, "answered", 1);
    assert_eq!(api.request().field("traceparent").unwrap(), format!("{parent}-01"));
    assert_eq!(next.request().field("traceparent").unwrap(), format!("{parent}-00"));
}

#[test]
fn a_reload_begins_ends_and_moves_the_copies() {
    let (api, next, other) = (Origin::ok(), Origin::ok(), Origin::ok());
    let with = toml("", &api, "", next.address());
    let without = with.replace("mirror = { service = \"next\" }", "");
    let moved = with.replace(next.address(), other.address());
    let proxy = Proxy::start(&without);
    let mut client = proxy.client();
    ask(&mut client, 3);
    assert_eq!(proxy.reload(&with).status, 200);
    ask(&mut client, 3);
    wait_for(&proxy, "answered", 3);
    assert_eq!(proxy.reload(&moved).status, 200);
    ask(&mut client, 2);
    // the counts go on
    wait_for(&proxy, "answered", 5);
    assert_eq!(proxy.reload(&without).status, 200);
    ask(&mut client, 4);
    assert_eq!((api.requests().len(), next.requests().len(), other.requests().len()), (12, 3, 2));
}

#[test]
fn a_copy_that_is_under_way_outlives_a_reload() {
    let (api, (next, cue)) = (Origin::ok(), Origin::answering_on_cue());
    let with = toml("", &api, "", next.address());
    let proxy = Proxy::start(&with);
    let mut client = proxy.client();
    ask(&mut client, 1);
    wait_until("it is there", || next.requests().len() == 1);
    assert_eq!(proxy.reload(&with.replace("service = \"next\"", "service = \"next\", share = \"50%\"")).status, 200);
    cue.give();
    wait_for(&proxy, "answered", 1);
}

#[test]
fn no_end_of_the_process_waits_for_copies() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let mut proxy = Proxy::start(&toml("", &api, "timeout = { response = \"5m\" }", next.address()));
    ask(&mut proxy.client(), 5);
    wait_until("they were sent", || next.requests().len() == 5);
    let began = Instant::now();
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    // `drain_timeout` is 30 s, and a copy may take as long
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    wait_until("their connections are closed", || next.open() == 0);
}

#[test]
fn copies_are_no_requests_to_a_service_of_which_something_is_promised() {
    let api = Origin::ok();
    let next = Origin::answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let keys = "outlier = { max_ejected = 0.0 }\nretry = { on = [\"500\"] }\n[service.next.sla]\ntarget = 0.999\n";
    let proxy = Proxy::start(&toml("", &api, keys, next.address()));
    ask(&mut proxy.client(), 20);
    wait_for(&proxy, "error", 20);
    let metrics = proxy.metrics();
    let promised = metrics.lines().filter(|line| line.starts_with("evenkeel_sla_requests_total{service=\"next\""));
    assert!(promised.clone().count() > 0, "something is promised");
    assert!(promised.clone().all(|line| line.ends_with(" 0")), "{:?}", promised.collect::<Vec<_>>());
    assert_eq!(next.requests().len(), 20, "none was sent again");
    let stats = &proxy.status()["services"]["next"]["stats_5m"];
    assert_eq!(stats["total"], 0, "{stats}");
}

#[test]
fn within_an_adaptive_limit_copies_come_last() {
    let (api, next) = (Origin::ok(), Origin::silent());
    let keys = "[service.next.concurrency]\ninitial = 10\nmin = 10\nmax = 10\n";
    let proxy = Proxy::start(&toml("", &api, keys, next.address()));
    ask(&mut proxy.client(), 20);
    wait_until("all are decided", || in_flight(&proxy) + mirrored(&proxy, "no_place") == 20);
    let limit = &proxy.status()["services"]["next"]["concurrency"];
    assert!((1..10).contains(&in_flight(&proxy)), "the rest is for others: {limit}");
    assert_eq!(limit["in_flight"], in_flight(&proxy), "{limit}");
}
