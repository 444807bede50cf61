//! Variables in header values, redirects and answers.

use crate::support::certs::Authority;
use crate::support::h2::{self, get};
use crate::support::{Client, Origin, Proxy, Scratch, config};

/// A route for everything, with these keys.
fn route(keys: &str) -> String {
    format!("[[listener.route]]\npath_prefix = \"/\"\n{keys}\n")
}

#[test]
fn a_backend_is_told_what_is_known_of_client_and_request() {
    let origin = Origin::ok();
    let keys = "service = \"api\"\nrewrite = { prefix = \"/inner/\", host = \"inner.example\" }\n\
        request_headers.set = { x-client = \"${client_ip}:${client_port}\", x-asked = \"${method} ${scheme}://${host}${path}${query}\", \
        x-where = \"${listener}/${service}: ${route}\", x-id = \"${request_id}\", x-none = \"${tls.version}${tls.sni}${tls.cipher}\", \
        x-literal = \"$${host}\", x-time = \"${time}\" }";
    let listener = format!("request_id = \"uuidv7\"\n{}", route(keys));
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /a/b?c=d HTTP/1.1\r\nHost: a.example:81\r\nX-None: mine\r\nX_Client: 6.6.6.6\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = origin.request();
    let said = |name: &str| request.field(name).unwrap_or_default().to_owned();
    assert_eq!(said("x-client"), client.own_address().to_string());
    assert_eq!(said("x-asked"), "GET http://a.example/a/b?c=d", "as the client has asked");
    assert_eq!((request.target(), request.field("host")), ("/inner/a/b?c=d", Some("inner.example")));
    assert_eq!(said("x-where"), "web/api: path_prefix /");
    assert_eq!(said("x-id"), said("x-request-id"));
    assert_eq!(said("x-literal"), "${host}");
    assert_eq!(request.field("x-none"), None, "a value that comes out empty takes the client's own out");
    assert_eq!(request.field("x_client"), None, "nor is another spelling of a name passed on");
    let time = said("x-time");
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
}

#[test]
fn behind_a_trusted_proxy_the_client_is_whom_it_names() {
    let origin = Origin::ok();
    let keys = "service = \"api\"\nrequest_headers.set = { x-client = \"${client_ip}|${client_port}\" }";
    let listener = format!("trusted_proxies = [\"127.0.0.0/8\"]\n{}", route(keys));
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\r\n");
    client.response();
    assert_eq!(origin.request().field("x-client"), Some("192.0.2.7|"));
}

#[test]
fn a_client_is_told_who_has_answered() {
    let origin = Origin::ok();
    let keys = "service = \"api\"\nresponse_headers.set = { x-by = \"${service}/${backend} for ${host}\" }";
    let toml = config(&route(keys), "", &[&origin]) + "id = \"one\"\n";
    let proxy = Proxy::start(&toml);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().field("x-by"), Some("api/one for a.example"));
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let answer = client.call(get("http://b.example/"), "").await;
        assert_eq!(answer.headers["x-by"], "api/one for b.example");
    });
}

#[test]
fn what_tls_has_settled_is_known() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["site.example"]);
    let origin = Origin::ok();
    let keys =
        "service = \"api\"\nrequest_headers.set = { x-tls = \"${tls.version} ${tls.cipher} ${tls.sni} ${scheme}\" }";
    let listener = format!("{}[listener.tls]\ncertificates = [{}]\n", route(keys), site.toml());
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = Client::connect_tls(proxy.address(), &ca.client(&["http/1.1"], None), "site.example").unwrap();
    client.send("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(origin.request().field("x-tls"), Some("TLSv1.3 TLS_AES_128_GCM_SHA256 site.example https"));
}

#[test]
fn redirects_and_answers_are_filled_in() {
    let origin = Origin::ok();
    let listener = "request_id = \"uuidv7\"\n\
        [[listener.route]]\npath = \"/old\"\nredirect = { to = \"https://${host}/new?from=${client_ip}&was=${path}\", status = 302 }\n\
        [[listener.route]]\npath_prefix = \"/plain\"\nrespond = { status = 200, body = \"${method} ${path}${query} $${x}\" }\n\
        [[listener.route]]\npath_prefix = \"/html\"\nrespond = { status = 404, body = \"<p>${path}${query}</p>\", content_type = \"text/html\" }\n";
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /old HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().field("location"), Some("https://a.example/new?from=127.0.0.1&was=/old"));
    assert_eq!(client.get("/plain/x?y='z'").text(), "GET /plain/x?y='z' ${x}");
    assert_eq!(client.get("/html/a'b&c?d='e'").text(), "<p>/html/a&#39;b&amp;c?d=&#39;e&#39;</p>");
    client.send("HEAD /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.response_to("HEAD");
    assert_eq!((answer.field("content-length"), answer.text().len()), (Some("16"), 0), "HEAD /plain ${{x}}");
}

#[test]
fn a_value_is_neither_markup_nor_program_wherever_it_stands() {
    let page = "<p>${query}</p><a href='${path}'>x</a><p onclick='f(${query})' title=${query}>\
        <style>p { color: ${query} }</style><script>let q = `${query}`, n = ${query};</script>";
    let listener = format!(
        "[[listener.route]]\npath = \"/q.js\"\nrespond = {{ status = 200, body = \"q = '${{query}}'\", content_type = \"text/javascript\" }}\n\
         [[listener.route]]\npath = \"/q\"\nrespond = {{ status = 200, body = \"<${{query}}>\", content_type = \"html\" }}\n\
         [[listener.route]]\npath_prefix = \"/\"\nrespond = {{ status = 200, body = \"{page}\", content_type = \"text/html\" }}\n"
    );
    let proxy = Proxy::start(&config(&listener, "", &[&Origin::ok()]));
    let mut client = proxy.client();
    let script = r"\u003f\u0027\u003balert\u00281\u0029\u002f\u002f";
    let style = r"\00003f\000027\00003balert\0000281\000029\00002f\00002f";
    assert_eq!(
        client.get("//evil.example/x?';alert(1)//").text(),
        format!(
            "<p>?&#39;;alert(1)//</p><a href='/evil.example/x'>x</a>\
             <p onclick='f({script})' title=&#x3f;&#x27;&#x3b;alert&#x28;1&#x29;&#x2f;&#x2f;>\
             <style>p {{ color: {style} }}</style><script>let q = `{script}`, n = {script};</script>"
        )
    );
    assert_eq!(client.get("/q.js?';alert(1)//").text(), format!("q = '{script}'"));
    // browsers look for HTML in what has no type that they know; and nothing can stand in the name of a tag
    assert_eq!(client.get("/q?script").text(), "<>");
}

#[test]
fn a_fallback_names_the_request_that_it_stands_for() {
    let origin = Origin::silent();
    let service = "fallback = { status = 503, body = \"no ${service}: ${request_id}\" }\n";
    let toml = config("request_id = \"uuidv7\"", service, &[&origin]) + "weight = 0\n";
    let proxy = Proxy::start(&toml);
    let answer = proxy.client().get("/");
    assert_eq!((answer.status, answer.text()), (503, format!("no api: {}", answer.field("x-request-id").unwrap())));
}

#[test]
fn nothing_that_a_client_sends_ends_a_line_or_is_filled_in() {
    let origin = Origin::ok();
    let keys = "service = \"api\"\nrequest_headers.set = { x-path = \"${path}${query}\", x-host = \"<${host}>\" }\n\
        response_headers.add = { x-path = \"${path}${query}\" }";
    let listener = format!("limits.allow_encoded_controls = true\n{}", route(keys));
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let mut client = proxy.client();
    for (target, shown) in [
        ("/a%0d%0aSet-Cookie:%20x?%0d%0ax", "/a%0d%0aSet-Cookie:%20x?%0d%0ax"),
        ("/${client_ip}?${host}", "/${client_ip}?${host}"),
        ("/ü", "/%C3%BC"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let answer = client.response();
        // a target with bytes beyond ASCII may be refused as a whole
        if answer.status == 400 {
            client = proxy.client();
            continue;
        }
        assert_eq!((answer.field("x-path"), answer.field("set-cookie")), (Some(shown), None));
        let request = origin.requests().pop().unwrap();
        assert_eq!((request.field("x-path"), request.field("x-host")), (Some(shown), Some("<a.example>")));
    }
    assert!(origin.requests().len() >= 2);
}

#[test]
fn a_reload_changes_what_is_filled_in() {
    let origin = Origin::ok();
    let toml = |value: &str| {
        config(&route(&format!("service = \"api\"\nrequest_headers.set = {{ x-a = \"{value}\" }}")), "", &[&origin])
    };
    let proxy = Proxy::start(&toml("fixed"));
    let mut client = proxy.client();
    client.get("/one");
    assert_eq!(proxy.reload(&toml("${path}")).status, 200);
    client.get("/two");
    assert_eq!(proxy.reload(&toml("${pahts}")).status, 422, "a misspelt name is refused, and what ran goes on");
    client.get("/three");
    let said: Vec<_> = origin.requests().iter().map(|request| request.field("x-a").unwrap().to_owned()).collect();
    assert_eq!(said, ["fixed", "/two", "/three"]);
}
