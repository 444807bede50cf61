//! How requests count: which are good, failed, slow or excluded, and which are not accounted at all.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::sla;
use crate::support::h2::{self, get, post};
use crate::support::{Client, Conn, LOG, OK, Origin, Port, Proxy, backend, config, wait_until};

/// A service of which something is promised, with a drain that is soon over.
const PROMISED: &str = "[service.api.sla]\n";
const BRIEF: &str = "\n[server]\nworkers = 1\ndrain_timeout = \"100ms\"\n";

/// The lines of the access log, once there are so many.
fn lines(proxy: &Proxy, count: usize) -> Vec<Value> {
    wait_until("the lines are written", || proxy.log().len() >= count);
    let lines = proxy.log();
    assert_eq!(lines.len(), count, "{lines:?}");
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many requests of a service have ended so, by the metrics.
fn counted(proxy: &Proxy, service: &str, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_sla_requests_total{{service=\"{service}\",outcome=\"{outcome}\"}}"))
}

/// A backend that sends the head of an answer and some of its body, and then nothing more; or becomes a tunnel.
fn half(conn: &mut Conn) {
    let Ok(request) = conn.request() else { return };
    match request.field("upgrade") {
        Some(_) => conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"),
        None => conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf"),
    };
    conn.is_closed();
}

/// The same over HTTP/2.
fn half_over_h2() -> h2::Origin {
    h2::Origin::script(|_, mut respond| async move {
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        h2::send(&mut stream, "half".into(), false).await.unwrap();
        std::future::pending::<()>().await;
    })
}

#[test]
fn an_answer_that_our_drain_cuts_off_has_failed_and_a_tunnel_counts_by_its_opening() {
    let (h1, over_h2) = (Origin::script(half), half_over_h2());
    let route = "[[listener.route]]\npath_prefix = \"/h2/\"\nservice = \"other\"\n";
    let other = format!(
        "[service.other]\nprotocol = \"h2\"\nsla = {{}}\n[[service.other.backend]]\naddress = \"{}\"\n",
        over_h2.address()
    );
    let mut proxy = Proxy::start(&(config(route, "", &[&h1]) + PROMISED + &other + LOG + BRIEF));
    let mut tunnel = proxy.client();
    tunnel.send("GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(tunnel.response_head().status, 101);
    let mut clients: Vec<Client> = ["/h1/x", "/h2/x"].map(|target| half_answered(&proxy, target)).into();
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut answers = Vec::new();
        for target in ["http://a/h1/y", "http://a/h2/y"] {
            let (answer, _) = client.open(get(target), true).await;
            let mut body = answer.await.unwrap().into_body();
            assert_eq!(body.data().await.unwrap().unwrap(), "half");
            answers.push(body);
        }
        proxy.signal("TERM");
        for mut body in answers {
            assert!(body.data().await.is_none_or(|rest| rest.is_err()));
        }
    });
    assert!(clients.iter_mut().all(Client::ends));
    proxy.wait();
    for line in lines(&proxy, 5) {
        assert_eq!(line["end"], "cut", "{line}");
        match line["target"].as_str() {
            Some("/tunnel") => assert_eq!((&line["sla"], &line["failure"]), (&json!("good"), &Value::Null)),
            _ => {
                assert_eq!((&line["status"], &line["sla"]), (&json!(200), &json!("failed")), "{line}");
                assert_eq!(line["failure"], "cut off: the time to drain was over");
                assert_eq!(line.get("aborted"), None, "nobody has left");
            }
        }
    }
}

/// A client whose answer has begun.
fn half_answered(proxy: &Proxy, target: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.response_head().status, 200);
    client
}

/// A route that asks a service at this address who may come in, and one that leads to one of two services.
fn guarded(guard: &str, origin: &Origin) -> String {
    let auth = "[listener.route.auth.forward]\nservice = \"guard\"\npath = \"/check\"\n";
    let routes = format!(
        "[[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\n{auth}\
         [[listener.route]]\npath_prefix = \"/split/\"\nsplit = [{{ service = \"api\", weight = 1 }}, {{ service = \"none\", weight = 0 }}]\n{auth}\
         [[listener.route]]\npath_prefix = \"/own/\"\nrespond = {{ status = 200 }}\n{auth}"
    );
    let backend = |name: &str, address: &str| {
        format!("[service.{name}]\nsla = {{}}\n[[service.{name}.backend]]\naddress = \"{address}\"\n")
    };
    let fallback = "fallback = { status = 200, body = \"sorry\" }";
    config(&routes, fallback, &[origin])
        + PROMISED
        + &backend("guard", guard)
        + &backend("none", origin.address())
        + LOG
}

#[test]
fn a_request_fails_where_nobody_can_say_whether_its_client_may_come_in() {
    let (dead, origin) = (Port::reserve(), Origin::ok());
    let proxy = Proxy::start(&guarded(&dead.address().to_string(), &origin));
    let mut client = proxy.client();
    for target in ["/in/a", "/split/b", "/own/c"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text().contains("sorry")), (503, false), "{target}");
    }
    let logged = lines(&proxy, 3);
    for line in &logged[..2] {
        assert_eq!((&line["service"], &line["sla"]), (&json!("api"), &json!("failed")), "{line}");
        assert_eq!((&line["attempts"], &line["backend"]), (&json!(0), &Value::Null));
    }
    assert_eq!((&logged[2]["service"], logged[2].get("sla")), (&Value::Null, None), "the route answers itself");
    assert_eq!(counted(&proxy, "api", "failed"), 2, "what the log says");
    assert_eq!(counted(&proxy, "none", "failed"), 0);
    assert_eq!(counted(&proxy, "guard", "failed"), 3, "each question is a request to the service that is asked");
    assert!(origin.requests().is_empty());
}

#[test]
fn a_client_that_is_refused_at_the_door_is_not_accounted() {
    let guard = Origin::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let origin = Origin::ok();
    let toml = guarded(guard.address(), &origin).replacen(
        "[[listener.route]]",
        "[[listener.rate_limit]]\nname = \"few\"\nrate = \"1/h\"\nby = \"path\"\n[listener.limits]\nmax_body = 10\n\
         [[listener.route]]\npath_prefix = \"/far/\"\nservice = \"api\"\ndeny = [\"127.0.0.1\"]\n[[listener.route]]",
        1,
    );
    let proxy = Proxy::start(&toml);
    for (target, status) in [("/in/a", 403), ("/in/a", 429), ("/far/b", 403)] {
        assert_eq!(proxy.client().get(target).status, status, "{target}");
    }
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    assert_eq!(client.response().status, 413);
    for line in lines(&proxy, 4) {
        assert_eq!((&line["service"], line.get("sla")), (&Value::Null, None), "{line}");
    }
    for outcome in ["good", "failed", "slow", "excluded"] {
        assert_eq!(counted(&proxy, "api", outcome), 0, "{outcome}");
    }
    assert_eq!(counted(&proxy, "guard", "good"), 1);
}

#[test]
fn the_page_of_a_listener_counts_as_what_clients_miss_unless_it_is_planned_for_the_service() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath = \"/own\"\nrespond = { status = 200 }\n";
    let proxy = Proxy::start(&(config(route, "", &[&origin]) + PROMISED + LOG));
    let call = |method: &str, of: &str, body: &str| {
        let answer = proxy.admin_call(method, &format!("/api/v1/{of}/maintenance"), body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    call("POST", "listeners/web", r#"{ "reason": "new disks" }"#);
    let mut client = proxy.client();
    assert_eq!(["/x", "/x", "/own"].map(|target| client.get(target).status), [503; 3]);
    wait_until("it counts", || sla(&proxy)["requests"]["failed"] == 2);
    let logged = lines(&proxy, 3);
    assert_eq!((&logged[0]["service"], &logged[0]["sla"]), (&json!("api"), &json!("failed")));
    assert_eq!((&logged[2]["service"], logged[2].get("sla")), (&Value::Null, None));
    call("POST", "services/api", r#"{ "minutes": 30, "reason": "new disks" }"#);
    wait_until("it is planned", || sla(&proxy)["state"] == "maintenance");
    assert_eq!(client.get("/x").status, 503);
    wait_until("it is planned time", || sla(&proxy)["requests"]["excluded"] == 1);
    assert_eq!((counted(&proxy, "api", "failed"), &sla(&proxy)["requests"]["failed"]), (3, &json!(2)));
}

/// An empty message of gRPC.
const MESSAGE: Bytes = Bytes::from_static(b"\0\0\0\0\0");

/// A latency that is promised, and more time than that.
const LATENCY: &str = "[service.api.sla]\nlatency = \"1s\"\n";
const LONGER: Duration = Duration::from_millis(1200);

/// Backends that answer when they have the whole request; at `/late` after a while, and at `/early` after a while from its head.
fn taking_bodies(conn: &mut Conn) {
    while let Ok(mut request) = conn.request_head() {
        if request.target() == "/early" {
            std::thread::sleep(LONGER);
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let _ = conn.finish_request(&mut request);
            conn.send("2\r\nok\r\n0\r\n\r\n");
            continue;
        }
        if conn.finish_request(&mut request).is_err() {
            return;
        }
        if request.target() == "/late" {
            std::thread::sleep(LONGER);
        }
        conn.send(OK);
    }
}

#[test]
fn the_time_that_a_client_takes_to_send_its_body_is_not_the_service_s() {
    let origin = Origin::script(taking_bodies);
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LATENCY + LOG));
    let slowly = |target: &str| {
        let mut client = proxy.client();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na"));
        client.trickle(b"bcdef", LONGER / 4);
        assert_eq!(client.response().text(), "ok");
    };
    slowly("/x");
    let took = &proxy.status()["services"]["api"]["backends"][0]["ewma_ms"];
    assert!(took.as_f64().unwrap() < 1000.0, "nor is it the backend's: {took}");
    slowly("/late");
    slowly("/early");
    let said = lines(&proxy, 3).into_iter().map(|line| line["sla"].as_str().unwrap().to_owned());
    assert_eq!(
        said.collect::<Vec<_>>(),
        ["good", "slow", "slow"],
        "of the last one the head came before its body's end"
    );
}

#[test]
fn a_client_that_streams_slowly_over_http_2_makes_no_call_slow() {
    let origin = h2::Origin::script(|request, mut respond| async move {
        let _ = h2::read(&mut request.into_body()).await;
        let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
        let _ = respond.send_response(answer.body(()).unwrap(), true);
    });
    let toml = config("", "protocol = \"h2\"", &[]) + &backend(origin.address()) + LATENCY + LOG;
    let proxy = Proxy::start(&toml);
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let mut call = post("http://a/pkg.Service/Stream");
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let (answer, mut stream) = client.open(call, false).await;
        for _ in 0..6 {
            h2::send(&mut stream, MESSAGE, false).await.unwrap();
            tokio::time::sleep(LONGER / 3).await;
        }
        h2::send(&mut stream, MESSAGE, true).await.unwrap();
        assert_eq!(answer.await.unwrap().headers()["grpc-status"], "0");
    });
    let line = &lines(&proxy, 1)[0];
    assert!(line["duration_ms"].as_f64().unwrap() > 1000.0, "{line}");
    assert_eq!(line["sla"], "good", "{line}");
}

#[test]
fn a_call_with_a_status_that_grpc_does_not_have_has_failed() {
    let origin = h2::Origin::script(|_, mut respond| async move {
        let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", "17");
        let _ = respond.send_response(answer.body(()).unwrap(), true);
    });
    let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend(origin.address()) + PROMISED + LOG));
    h2::run(async {
        let mut call = post("http://a/pkg.Service/Method");
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        h2::Client::connect(proxy.address()).await.call(call, MESSAGE).await;
    });
    let line = &lines(&proxy, 1)[0];
    assert_eq!((&line["grpc_status"], &line["sla"]), (&json!(17), &json!("failed")));
}
