//! What lines of the access log say where their fields are chosen, or where they are filled into a template; and which lines there are.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::certs::{Authority, Identity};
use crate::support::{Client, LOG, Origin, PATIENCE, Proxy, Scratch, config, wait_until};

/// All lines, once there are this many.
fn lines(proxy: &Proxy, count: usize) -> Vec<Value> {
    wait_until("the lines are written", || proxy.log().len() >= count);
    proxy.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_say_what_is_chosen_in_that_order() {
    let origin =
        Origin::answering("HTTP/1.1 201 Made\r\nETag: \"e\"\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nok");
    let route = "[[listener.route]]\npath_prefix = \"/up\"\nservice = \"api\"\nresponse_headers = { set = { etag = \"ours\" } }\n";
    let fields = "access_fields = [\"status\", \"request_header:X-Tenant\", \"response_header:etag\", \"response_header:x-a\", \"bytes_in\", \
                  \"bytes\", \"route\", \"worker\", \"tls_version\", \"tls_sni\", \"request_id\", \"trace_id\", \"end\"]\n";
    let proxy = Proxy::start(&(config(route, "", &[&origin]) + LOG + fields + "[server]\nworkers = 1\n"));
    let mut client = proxy.client();
    client.send("POST /up HTTP/1.1\r\nHost: a\r\nX-Tenant: \"t\"\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 201);
    client.send(
        "POST /upper HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    );
    assert_eq!(client.response().status, 201);
    let _ = client.try_send("GET /bad HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n");
    assert_eq!(client.broken_response().0.status, 400);
    wait_until("the lines are written", || proxy.log().len() == 3);
    let log = proxy.log();
    let line = |status: u16, rest: &str| {
        format!(
            "{{\"status\":{status},{rest},\"worker\":0,\"tls_version\":null,\"tls_sni\":null,\"request_id\":null,\
             \"trace_id\":null,\"end\":null}}"
        )
    };
    let passed = |tenant: &str, bytes: u16| {
        format!(
            "\"request_header:x-tenant\":{tenant},\"response_header:etag\":\"ours\",\"response_header:x-a\":\"1, 2\",\
             \"bytes_in\":{bytes},\"bytes\":2,\"route\":\"path_prefix /up\""
        )
    };
    let refused = "\"request_header:x-tenant\":null,\"response_header:etag\":null,\"response_header:x-a\":null,\"bytes_in\":0,\
                   \"bytes\":16,\"route\":null";
    assert_eq!(log, [line(201, &passed("\"\\\"t\\\"\"", 5)), line(201, &passed("null", 7)), line(400, refused)]);
}

#[test]
fn times_are_parts_of_the_whole() {
    let (origin, cue) = Origin::answering_on_cue();
    let fields = "access_fields = [\"target\", \"queue_ms\", \"connect_ms\", \"first_byte_ms\", \"duration_ms\"]\n";
    let toml = config("", "", &[&origin]) + "max_connections = 1\n" + LOG + fields;
    let proxy = Proxy::start(&toml);
    let mut first: Client = proxy.client();
    first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the backend has it", || origin.requests().len() == 1);
    let mut second = proxy.client();
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    proxy.wait_for_metrics("evenkeel_requests_waiting{service=\"api\"} 1");
    cue.give();
    assert_eq!(first.response().status, 200);
    cue.give();
    assert_eq!(second.response().status, 200);
    let lines = lines(&proxy, 2);
    for line in &lines {
        let time = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(time("queue_ms") + time("connect_ms") <= time("first_byte_ms") + 0.002, "{line}");
        assert!(time("first_byte_ms") <= time("duration_ms") + 0.002, "{line}");
    }
    assert!(lines[1]["queue_ms"].as_f64() > lines[0]["queue_ms"].as_f64(), "{lines:?}");
}

#[test]
fn a_line_knows_of_the_client_s_tls() {
    let (dir, authority) = (Scratch::new(), Authority::shared());
    let identity: Identity = authority.sign(&dir, &["a.example"]);
    let listener =
        format!("[listener.tls]\ncertificates = [{{ cert = {:?}, key = {:?} }}]\n", identity.cert, identity.key);
    let fields = "access_fields = [\"tls_version\", \"tls_sni\", \"protocol\"]\n";
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config(&listener, "", &[&origin]) + LOG + fields));
    let mut client = Client::connect_tls(proxy.address(), &authority.client(&[], None), "a.example").unwrap();
    client.send("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let line = proxy.logged();
    assert_eq!(line, json!({ "tls_version": "TLSv1.3", "tls_sni": "a.example", "protocol": "HTTP/1.1" }));
}

#[test]
fn a_template_is_filled_in_and_nobody_breaks_out_of_it() {
    let log = "access_format = \"template\"\n\
               access_template = '${client} \"${method} ${target}\" ${status} \"${request_header:x-a}\" $${x} ${failure}'\n";
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG + log));
    let mut client = proxy.client();
    client.send(b"GET /x?a=b HTTP/1.1\r\nHost: a\r\nX-A: \" 200 \\\t\xc3\xa9\r\n\r\n");
    assert_eq!(client.response().status, 200);
    wait_until("the line is written", || !proxy.log().is_empty());
    assert_eq!(proxy.log(), [r#"127.0.0.1 "GET /x?a=b" 200 "\" 200 \\\x09\xc3\xa9" ${x} -"#]);
}

#[test]
fn of_good_exchanges_a_share_is_written_and_of_others_all() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let status = if request.target() == "/bad" { "404 Not" } else { "200 OK" };
            conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    // a machine that is busy makes requests slow, and slow ones are written
    let sample = "access_sample = 0.0\naccess_slow = \"1h\"\n";
    let toml = |sample: &str| config("", "", &[&origin]) + LOG + sample;
    let proxy = Proxy::start(&toml(sample));
    let mut client = proxy.client();
    for _ in 0..50 {
        assert_eq!(client.get("/good").status, 200);
        assert_eq!(client.get("/bad").status, 404);
    }
    let all = lines(&proxy, 50);
    assert!(all.iter().all(|line| line["status"] == 404 && line.get("sample").is_none()), "{all:?}");
    assert_eq!(all.len(), 50);
    // slow, whatever it is
    assert_eq!(proxy.reload(&toml("access_sample = 0.0\naccess_slow = \"0s\"\n")).status, 200);
    assert_eq!(client.get("/good").status, 200);
    assert_eq!(lines(&proxy, 51)[50]["status"], 200);
    assert_eq!(proxy.reload(&toml("access_sample = 0.999999999\naccess_slow = \"1h\"\n")).status, 200);
    assert_eq!(client.get("/good").status, 200);
    assert_eq!(lines(&proxy, 52)[51]["sample"], 0.999_999_999);
}

#[test]
fn a_reload_changes_what_lines_say_and_where_they_go() {
    let (origin, cue) = Origin::answering_on_cue();
    let toml = |log: &str| config("", "", &[&origin]) + "\n[log]\n" + log;
    let proxy =
        Proxy::start(&toml("access = \"{dir}/access.log\"\naccess_fields = [\"target\", \"request_header:x-a\"]\n"));
    let mut client = proxy.client();
    client.send("GET /one HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n");
    wait_until("the backend has it", || origin.requests().len() == 1);
    let template = "access = \"{dir}/access.log\"\naccess_format = \"template\"\naccess_template = \"${target} ${request_header:x-b} ${status}\"\n";
    assert_eq!(proxy.reload(&toml(template)).status, 200);
    cue.give();
    assert_eq!(client.response().status, 200);
    client.send("GET /two HTTP/1.1\r\nHost: a\r\nX-B: 2\r\n\r\n");
    cue.give();
    assert_eq!(client.response().status, 200);
    wait_until("the lines are written", || proxy.log().len() == 2);
    assert_eq!(proxy.log(), ["{\"target\":\"/one\",\"request_header:x-a\":\"1\"}", "/two 2 200"]);
}

#[test]
fn lines_of_sessions_can_be_chosen_too() {
    let origin = Origin::script(|conn| conn.echo());
    let fields = "access_fields = [\"protocol\", \"bytes\", \"bytes_received\", \"end\", \"method\", \"connect_ms\"]\n";
    let proxy = Proxy::start(&(config("protocol = \"tcp\"\n", "", &[&origin]) + LOG + fields));
    let mut client = proxy.client();
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    client.finish();
    assert!(client.ends());
    drop(client);
    let mut line = proxy.logged();
    let connected = line.as_object_mut().unwrap().remove("connect_ms").unwrap();
    assert!(Duration::from_secs_f64(connected.as_f64().unwrap() / 1e3) < PATIENCE);
    let want = json!({ "protocol": "TCP", "bytes": 5, "bytes_received": 5, "end": "closed", "method": null });
    assert_eq!(line, want);
}
