//! Routes: where a request goes, and what becomes of it on the way.

use crate::support::{Origin, Proxy, config};

/// A service of that name with one backend.
fn service(name: &str, origin: &Origin) -> String {
    format!("[service.{name}]\n[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address())
}

#[test]
fn routes_go_by_host_path_method_header_and_query() {
    let (a, b, c) = (Origin::saying("a"), Origin::saying("b"), Origin::saying("c"));
    let routes = "
        [[listener.route]]
        host = \"b.example\"
        service = \"b\"
        [[listener.route]]
        host = \"*.wild.example\"
        service = \"c\"
        [[listener.route]]
        path_prefix = \"/b/\"
        service = \"b\"
        [[listener.route]]
        path_prefix = \"/b/c/\"
        service = \"c\"
        [[listener.route]]
        path = \"/exact\"
        service = \"b\"
        [[listener.route]]
        path_regex = \"^/v[0-9]+/\"
        service = \"c\"
        [[listener.route]]
        path = \"/method\"
        methods = [\"POST\"]
        service = \"b\"
        [[listener.route]]
        path = \"/header\"
        headers = { \"x-env\" = \"canary\" }
        service = \"b\"
        [[listener.route]]
        path = \"/query\"
        query = { \"beta\" = \"1\" }
        service = \"b\"
    ";
    let proxy = Proxy::start(&(config(routes, "", &[&a]) + &service("b", &b) + &service("c", &c)));
    let mut client = proxy.client();
    let rows = [
        ("GET /x HTTP/1.1\r\nHost: a.example", "a"),
        ("GET /x HTTP/1.1\r\nHost: b.example", "b"),
        ("GET /x HTTP/1.1\r\nHost: B.EXAMPLE:8080", "b"),
        ("GET /x HTTP/1.1\r\nHost: one.wild.example", "c"),
        ("GET /x HTTP/1.1\r\nHost: wild.example", "a"),
        ("GET http://b.example/x HTTP/1.1\r\nHost: a.example", "b"),
        ("GET /b/x HTTP/1.1\r\nHost: a", "b"),
        ("GET /b/c/x HTTP/1.1\r\nHost: a", "c"),
        ("GET /bx HTTP/1.1\r\nHost: a", "a"),
        ("GET /exact HTTP/1.1\r\nHost: a", "b"),
        ("GET /exact?q HTTP/1.1\r\nHost: a", "b"),
        ("GET /exact/x HTTP/1.1\r\nHost: a", "a"),
        ("GET /v12/x HTTP/1.1\r\nHost: a", "c"),
        ("GET /vx/x HTTP/1.1\r\nHost: a", "a"),
        ("GET /method HTTP/1.1\r\nHost: a", "a"),
        ("POST /method HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "b"),
        ("GET /header HTTP/1.1\r\nHost: a\r\nX-Env: canary", "b"),
        ("GET /header HTTP/1.1\r\nHost: a\r\nX-Env: other", "a"),
        ("GET /query?a=b&beta=1 HTTP/1.1\r\nHost: a", "b"),
        ("GET /query?beta=2 HTTP/1.1\r\nHost: a", "a"),
    ];
    for (head, expected) in rows {
        client.send(format!("{head}\r\n\r\n"));
        assert_eq!(client.response().text(), expected, "{head}");
    }
}

#[test]
fn an_expression_takes_letters_of_either_case_and_what_is_encoded() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let routes = "
        [[listener.route]]
        path_regex = '(?i)^/(?:%C3%A9)t(?:%C3%A9)/.*\\.php$'
        service = \"b\"
    ";
    let proxy = Proxy::start(&(config(routes, "", &[&a]) + &service("b", &b)));
    let mut client = proxy.client();
    for (path, expected) in [
        ("/%C3%A9t%C3%A9/x.php", "b"),
        ("/%c3%a9T%c3%a9/X.PHP", "b"),
        ("/%C3%A9t%C3%A9/x.phtml", "a"),
        ("/%C3%89t%C3%89/x.php", "a"),
        ("/ete/x.php", "a"),
    ] {
        assert_eq!(client.get(path).text(), expected, "{path}");
    }
}

#[test]
fn without_a_route_there_is_a_404() {
    let toml = "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{port}\"\n\
        [[listener.route]]\nhost = \"a.example\"\nrespond = { status = 200, body = \"here\" }\n";
    let proxy = Proxy::start(toml);
    let mut client = proxy.client();
    let answer = client.get("/x");
    assert_eq!((answer.status, answer.field("proxy-status")), (404, Some("evenkeel; error=destination_not_found")));
    client.send("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().text(), "here");
}

#[test]
fn a_split_goes_to_all_that_have_weight() {
    let (a, b, c) = (Origin::saying("a"), Origin::saying("b"), Origin::saying("c"));
    let route = "[[listener.route]]\npath = \"/split\"\n\
        split = [{ service = \"b\", weight = 50 }, { service = \"c\", weight = 50 }, { service = \"api\", weight = 0 }]\n";
    let proxy = Proxy::start(&(config(route, "", &[&a]) + &service("b", &b) + &service("c", &c)));
    let mut client = proxy.client();
    let answers: Vec<String> = (0..200).map(|_| client.get("/split").text()).collect();
    let of = |name| answers.iter().filter(|answer| *answer == name).count();
    // 200 fair coins all on one side: 2^-199
    assert!(of("a") == 0 && of("b") > 0 && of("c") > 0, "{answers:?}");
}

#[test]
fn a_redirect_fills_in_its_template() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath_prefix = \"/old/\"\n\
        redirect = { to = \"https://${host}${path}${query}\", status = 308 }\n";
    let proxy = Proxy::start(&config(route, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /old/x?y=z HTTP/1.1\r\nHost: site.example\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.field("location")), (308, Some("https://site.example/old/x?y=z")));
    assert_eq!(client.get("/x").text(), "ok", "the connection stays");
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn a_response_of_ours_needs_no_backend() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath = \"/robots.txt\"\n\
        respond = { status = 403, body = \"keep out\", content_type = \"text/x-robots\" }\n";
    let proxy = Proxy::start(&config(route, "", &[&origin]));
    let mut client = proxy.client();
    let answer = client.get("/robots.txt");
    assert_eq!((answer.status, answer.text().as_str()), (403, "keep out"));
    assert_eq!(answer.field("content-type"), Some("text/x-robots"));
    client.send("HEAD /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_to("HEAD").field("content-length"), Some("8"));
    // a body that comes with it does not become a request
    client.send(
        "POST /robots.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(client.response().status, 403);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let origin = Origin::ok();
    let routes = "
        [[listener.route]]
        path_prefix = \"/v1/\"
        service = \"api\"
        rewrite = { prefix = \"/\", host = \"internal.example\" }
        [[listener.route]]
        path = \"/exact\"
        service = \"api\"
        rewrite = { prefix = \"/other\" }
    ";
    let proxy = Proxy::start(&config(routes, "", &[&origin]));
    let mut client = proxy.client();
    for (target, rewritten, host) in [
        ("/v1/users?id=1", "/users?id=1", "internal.example"),
        ("/v1/", "/", "internal.example"),
        ("/exact?q", "/other?q", "a"),
        ("/v2/users", "/v2/users", "a"),
    ] {
        assert_eq!(client.get(target).status, 200);
        let request = origin.requests().pop().unwrap();
        assert_eq!((request.target(), request.field("host")), (rewritten, Some(host)), "{target}");
    }
    let request = &origin.requests()[0];
    assert_eq!(request.field("x-forwarded-host"), Some("a"), "what the client asked for");
}

#[test]
fn fields_are_set_added_and_removed() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nX-Set: theirs\r\nX-Add: theirs\r\nContent-Length: 2\r\n\r\nok",
    );
    let route = "
        [[listener.route]]
        path_prefix = \"/\"
        service = \"api\"
        request_headers = { set = { \"x-set\" = \"1\" }, add = { \"x-add\" = \"2\" }, remove = [\"x-remove\"] }
        response_headers = { set = { \"x-set\" = \"3\" }, add = { \"x-add\" = \"4\" }, remove = [\"server\"] }
    ";
    let proxy = Proxy::start(&config(route, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Set: a\r\nX-Set: b\r\nX-Add: c\r\nX-Remove: d\r\nX-Keep: e\r\n\r\n");
    let answer = client.response();
    let request = origin.request();
    assert_eq!(request.head.all("x-set"), ["1"]);
    assert_eq!(request.head.all("x-add"), ["c", "2"]);
    assert_eq!(request.field("x-remove"), None);
    assert_eq!(request.field("x-keep"), Some("e"));
    assert_eq!(answer.head.all("x-set"), ["3"]);
    assert_eq!(answer.head.all("x-add"), ["theirs", "4"]);
    assert_eq!(answer.field("server"), None);
}
