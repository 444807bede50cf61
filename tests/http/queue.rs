//! Who waits for a backend that has as much as it takes: in which order they are served, and who is not executed at all.

use std::time::Duration;

use crate::support::{Client, Conn, Cue, Origin, Proxy, backend, config, h2, wait_until};

/// A backend that takes one exchange at a time and answers each on cue, behind one worker.
fn one_at_a_time(service: &str) -> (Origin, Cue, Proxy) {
    let (origin, cue) = Origin::answering_on_cue();
    let service = format!("timeout = {{ queue = \"60s\" }}\n{service}");
    let toml = config("", &service, &[&origin]) + "max_connections = 1\n[server]\nworkers = 1\n";
    (origin, cue, Proxy::start(&toml))
}

fn wait_for_waiting(proxy: &Proxy, count: u64) {
    wait_until("so many wait", || proxy.status()["services"]["api"]["waiting"] == count);
}

/// A client whose request is under way, or waits, when this is done.
fn ask(proxy: &Proxy, target: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client
}

/// Clients that ask one after the other, once somebody holds the only place.
fn line(origin: &Origin, proxy: &Proxy, targets: &[&str]) -> Vec<Client> {
    let mut clients = vec![ask(proxy, "/holder")];
    wait_until("it is under way", || origin.requests().len() == 1);
    for (before, target) in targets.iter().enumerate() {
        clients.push(ask(proxy, target));
        wait_for_waiting(proxy, before as u64 + 1);
    }
    clients
}

#[test]
fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let (origin, cue, proxy) = one_at_a_time("");
    let targets: Vec<String> = (0..20).map(|number| format!("/{number}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let mut clients = line(&origin, &proxy, &targets);
    assert!(proxy.metrics().contains("evenkeel_requests_waiting{service=\"api\"} 20"));
    for client in &mut clients {
        cue.give();
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(origin.targets()[1..], targets);
    wait_for_waiting(&proxy, 0);
}

#[test]
fn one_that_comes_as_a_place_is_left_does_not_pass_those_who_wait() {
    let (origin, cue, proxy) = one_at_a_time("");
    let mut clients = line(&origin, &proxy, &["/first", "/second"]);
    cue.give();
    // its place is left and handed over before this client's next request can be read
    assert_eq!(clients[0].response().status, 200);
    clients[0].send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    for order in [1, 2, 0] {
        cue.give();
        assert_eq!(clients[order].response().status, 200);
    }
    assert_eq!(origin.targets(), ["/holder", "/first", "/second", "/again"]);
}

#[test]
fn all_are_served_whichever_worker_they_wait_on() {
    let (origin, cue) = Origin::answering_on_cue();
    let service = "timeout = { queue = \"60s\" }";
    let toml = config("", service, &[&origin]) + "max_connections = 1\n[server]\nworkers = 4\n";
    let proxy = Proxy::start(&toml);
    let mut clients: Vec<_> = (0..40).map(|number| ask(&proxy, &format!("/{number}"))).collect();
    wait_until("all but one wait", || proxy.status()["services"]["api"]["waiting"] == 39);
    (0..40).for_each(|_| cue.give());
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
    assert_eq!(origin.requests().len(), 40);
}

#[test]
fn a_client_that_resets_while_it_waits_is_not_executed() {
    let (origin, cue, proxy) = one_at_a_time("abort_on_close = false");
    let mut clients = line(&origin, &proxy, &["/gone", "/stays"]);
    let mut stays = clients.pop().unwrap();
    clients.pop().unwrap().reset();
    wait_for_waiting(&proxy, 1);
    cue.give();
    cue.give();
    assert_eq!(clients[0].response().status, 200);
    assert_eq!(stays.response().status, 200);
    assert_eq!(origin.targets(), ["/holder", "/stays"]);
}

#[test]
fn a_client_that_resets_behind_its_body_is_not_executed() {
    let (origin, cue, proxy) = one_at_a_time("abort_on_close = false");
    let mut holder = ask(&proxy, "/holder");
    wait_until("it is under way", || origin.requests().len() == 1);
    let mut posting = proxy.client();
    posting.send("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    wait_for_waiting(&proxy, 1);
    posting.reset();
    wait_for_waiting(&proxy, 0);
    cue.give();
    assert_eq!(holder.response().status, 200);
    assert_eq!(origin.targets(), ["/holder"]);
}

#[test]
fn a_client_that_ends_its_side_while_it_waits_is_not_executed() {
    let (origin, cue, proxy) = one_at_a_time("");
    let mut clients = line(&origin, &proxy, &["/gone"]);
    clients[1].finish();
    wait_for_waiting(&proxy, 0);
    assert_eq!(clients[1].rest(), b"", "nobody is there to be told");
    cue.give();
    assert_eq!(clients[0].response().status, 200);
    assert_eq!(origin.targets(), ["/holder"]);
}

#[test]
fn a_client_that_only_ends_its_side_is_kept_where_the_service_says_so() {
    let (origin, cue, proxy) = one_at_a_time("abort_on_close = false");
    let mut clients = line(&origin, &proxy, &["/half", "/posted"]);
    clients[1].finish();
    let mut posting = proxy.client();
    posting.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    posting.finish();
    clients.push(posting);
    wait_for_waiting(&proxy, 3);
    for client in &mut clients {
        cue.give();
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(origin.targets(), ["/holder", "/half", "/posted", "/body"]);
    assert_eq!(origin.requests()[3].body, b"hello");
}

#[test]
fn a_client_that_ends_its_side_after_its_request_was_sent_gets_its_answer() {
    let (origin, cue, proxy) = one_at_a_time("");
    let mut clients = line(&origin, &proxy, &["/next"]);
    clients[0].finish();
    cue.give();
    assert_eq!(clients[0].response().status, 200);
    wait_until("the next is under way", || origin.requests().len() == 2);
    clients[1].finish();
    cue.give();
    assert_eq!(clients[1].response().status, 200);
}

#[test]
fn a_stream_that_is_cancelled_while_it_waits_is_not_executed() {
    let (origin, cue, proxy) = one_at_a_time("");
    let mut clients = line(&origin, &proxy, &[]);
    h2::run(async {
        let client = h2::Client::connect(proxy.address()).await;
        let (gone, _sending) = client.open(h2::get("http://a/gone"), true).await;
        h2::wait_until("it waits", || proxy.status()["services"]["api"]["waiting"] == 1).await;
        drop((gone, _sending));
        h2::wait_until("it has left", || proxy.status()["services"]["api"]["waiting"] == 0).await;
    });
    cue.give();
    assert_eq!(clients[0].response().status, 200);
    assert_eq!(origin.targets(), ["/holder"]);
}

#[test]
fn a_session_that_waits_for_its_backend_keeps_nobody_from_the_others() {
    let named = |name: &'static str| {
        Origin::script(move |conn: &mut Conn| {
            while conn.request().is_ok_and(|request| request.target() != "/hold" || conn.is_closed()) {
                conn.send(format!("HTTP/1.1 200 OK\r\nX-Name: {name}\r\nContent-Length: 2\r\n\r\nok"));
            }
        })
    };
    let (a, b) = (named("a"), named("b"));
    let service = "timeout = { queue = \"60s\" }\naffinity = { by = \"header:x-user\" }";
    let toml = config("", service, &[])
        + &backend(a.address())
        + "max_connections = 1\n"
        + &backend(b.address())
        + "max_connections = 1\n[server]\nworkers = 1\n";
    let proxy = Proxy::start(&toml);
    let ask_as = |user: &str, target: &str| {
        let mut client = proxy.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
        client
    };
    let own = ask_as("me", "/").response().field("x-name").unwrap().to_owned();
    let origin = if own == "a" { &a } else { &b };
    let holder = ask_as("me", "/hold");
    wait_until("it is under way", || origin.targets().contains(&"/hold".to_owned()));
    let mut waits = ask_as("me", "/");
    wait_for_waiting(&proxy, 1);
    for user in ["you", "they", "she"] {
        let answer = ask_as(user, "/").response();
        assert_eq!(answer.status, 200);
        assert_ne!(answer.field("x-name"), Some(&*own), "the other backend has room");
    }
    wait_for_waiting(&proxy, 1);
    holder.reset();
    assert_eq!(waits.response().field("x-name"), Some(&*own));
}

#[test]
fn those_who_wait_since_before_a_reload_keep_nobody_from_its_backends() {
    let (origin, cue, proxy) = one_at_a_time("");
    let mut clients = line(&origin, &proxy, &["/next"]);
    // those who wait know nothing of the other backend
    let other = Origin::ok();
    let service = "timeout = { queue = \"60s\" }";
    let toml = config("", service, &[&origin])
        + "max_connections = 1\n"
        + &backend(other.address())
        + "[server]\nworkers = 1\n";
    assert_eq!(proxy.reload(&toml).status, 200);
    assert_eq!(ask(&proxy, "/new").response().status, 200);
    cue.give();
    cue.give();
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
}

#[test]
fn an_answer_that_nobody_takes_does_not_hold_its_backends_place() {
    let origin = Origin::ok();
    let toml = config("", "timeout = { queue = \"60s\" }", &[&origin]) + "max_connections = 2\n[server]\nworkers = 1\n";
    let proxy = Proxy::start(&toml);
    h2::run(async {
        let (_requests, mut answers) = without_windows(&proxy, 2).await;
        for answer in &mut answers {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
        let client = h2::Client::connect(proxy.address()).await;
        assert_eq!(client.call(h2::get("http://a/other"), "").await.status, 200);
        let in_flight = |proxy: &Proxy| proxy.status()["services"]["api"]["backends"][0]["in_flight"] == 0;
        h2::wait_until("both places are free", || in_flight(&proxy)).await;
    });
}

/// Streams whose answers' bodies the client has no window for.
async fn without_windows(
    proxy: &Proxy,
    count: usize,
) -> (::h2::client::SendRequest<bytes::Bytes>, Vec<::h2::client::ResponseFuture>) {
    let tcp = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    let (requests, connection) =
        ::h2::client::Builder::new().initial_window_size(0).handshake::<_, bytes::Bytes>(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..count {
        let mut ready = requests.clone().ready().await.unwrap();
        answers.push(ready.send_request(h2::get("http://a/small"), true).unwrap().0);
    }
    (requests, answers)
}

#[test]
fn a_streamed_answer_gives_its_place_back_when_its_last_byte_has_come() {
    // above what is held, so it is streamed; the client reads its head, and the rest is in its socket
    let body = "x".repeat(100_000);
    let origin = Origin::saying(&body);
    let toml = config("", "timeout = { queue = \"60s\" }", &[&origin]) + "max_connections = 1\n[server]\nworkers = 1\n";
    let proxy = Proxy::start(&toml);
    let mut reader = ask(&proxy, "/large");
    assert_eq!(reader.response_head().status, 200);
    let mut other = ask(&proxy, "/other");
    assert_eq!(other.response().body.len(), body.len());
    assert_eq!(reader.bytes(body.len()).len(), body.len());
}

#[test]
fn a_waiting_request_is_a_503_when_its_time_is_over_and_the_next_goes_on_waiting() {
    let (origin, cue) = Origin::answering_on_cue();
    let route = "[[listener.route]]\npath = \"/short\"\nservice = \"api\"\ntimeout = { queue = \"50ms\" }\n";
    let toml =
        config(route, "timeout = { queue = \"60s\" }", &[&origin]) + "max_connections = 1\n[server]\nworkers = 1\n";
    let proxy = Proxy::start(&toml);
    let mut holder = ask(&proxy, "/holder");
    wait_until("it is under way", || origin.requests().len() == 1);
    let mut short = ask(&proxy, "/short");
    let mut long = ask(&proxy, "/long");
    assert_eq!(short.response().status, 503);
    assert!(!long.has_news(Duration::from_millis(1)));
    cue.give();
    cue.give();
    assert_eq!((holder.response().status, long.response().status), (200, 200));
    assert_eq!(origin.targets(), ["/holder", "/long"]);
}
