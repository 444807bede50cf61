//! What a copy is: the same request, marked, on whatever way its service has.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use super::{ask, toml, wait_for};
use crate::support::certs::Authority;
use crate::support::{OK, Origin, Proxy, Scratch, h2, wait_until};

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
