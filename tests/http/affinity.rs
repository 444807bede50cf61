//! Sessions that stay with their backend, and move once when they have to.

use crate::balance::fleet;
use crate::support::{Client, GET, Origin, Proxy, Response, backend, config, wait_until};

fn cookie_of(answer: &Response) -> Option<String> {
    answer.field("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned)
}

#[test]
fn a_signed_cookie_keeps_a_client_with_its_backend() {
    let (_origins, proxy) = fleet("affinity = {}", &["", "", ""]);
    let mut client = proxy.client();
    let first = client.get("/x");
    let cookie = first.field("set-cookie").unwrap().to_owned();
    assert!(
        ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=3600"].iter().all(|part| cookie.contains(part)),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = cookie_of(&first).unwrap();
    assert!(cookie.starts_with("evenkeel="));
    for _ in 0..6 {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: other=1; {cookie}\r\n\r\n"));
        let answer = client.response();
        assert_eq!(answer.text(), first.text());
        assert!(answer.field("set-cookie").is_none(), "it has one already");
    }
    // one that was tampered with is no cookie at all
    let mut forged = cookie.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {forged}\r\n\r\n"));
    assert!(client.response().field("set-cookie").is_some());
}

#[test]
fn a_drained_backend_keeps_its_sessions_and_a_disabled_one_s_move_once() {
    for affinity in ["affinity = {}", "affinity = { by = \"header:x-user\" }"] {
        let (_origins, proxy) = fleet(affinity, &["", "", ""]);
        let mut client = proxy.client();
        let mut cookie = "none=1".to_owned();
        let mut ask = |client: &mut Client| {
            client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: 7\r\nCookie: {cookie}\r\n\r\n"));
            let answer = client.response();
            cookie = cookie_of(&answer).unwrap_or_else(|| cookie.clone());
            answer.text()
        };
        let first = ask(&mut client);
        let command = |what: &str| assert_eq!(proxy.command(what, &first), 200);
        command("drain");
        wait_until("new sessions go elsewhere", || (0..3).all(|_| proxy.client().get("/x").text() != first));
        assert_eq!(ask(&mut client), first, "{affinity}");
        command("disable");
        wait_until("the session moves", || ask(&mut client) != first);
        let second = ask(&mut client);
        command("enable");
        wait_until("new sessions come back", || (0..3).any(|_| proxy.client().get("/x").text() == first));
        for _ in 0..3 {
            assert_eq!(ask(&mut client), second, "it stays where it moved, {affinity}");
        }
    }
}

/// Sessions in the test below; `EVENKEEL_SESSIONS` makes it more, for a longer look.
fn sessions() -> usize {
    std::env::var("EVENKEEL_SESSIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000)
}

/// One request of each of these, in batches that are sent at once; the bodies, and the cookies set.
fn ask_all(proxy: &Proxy, requests: &[String]) -> Vec<(String, Option<String>)> {
    let mut client = proxy.client();
    let mut answers = Vec::with_capacity(requests.len());
    for batch in requests.chunks(50) {
        client.send(batch.concat());
        for _ in batch {
            let answer = client.response();
            answers.push((answer.text(), cookie_of(&answer)));
        }
    }
    answers
}

fn with_cookie(cookie: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")
}

#[test]
fn no_session_is_lost_when_a_backend_is_added_or_the_proxy_is_killed() {
    let origins: Vec<Origin> = ["a", "b", "c", "d"].map(Origin::saying).into();
    let toml = |count: usize| {
        let backends = origins[..count]
            .iter()
            .zip('a'..)
            .map(|(origin, id)| backend(origin.address()) + &format!("id = \"{id}\"\n"));
        config("", "affinity = {}", &[]) + &backends.collect::<String>()
    };
    let mut proxy = Proxy::start(&toml(3));
    let first = ask_all(&proxy, &vec![GET.to_owned(); sessions()]);
    let again: Vec<String> = first.iter().map(|(_, cookie)| with_cookie(cookie.as_deref().unwrap())).collect();
    let stayed = |proxy: &Proxy| {
        ask_all(proxy, &again).iter().zip(&first).filter(|((now, _), (before, _))| now == before).count()
    };
    assert_eq!(stayed(&proxy), sessions());
    assert_eq!(proxy.reload(&toml(4)).status, 200);
    assert_eq!(stayed(&proxy), sessions(), "with another backend");
    proxy.kill_and_start();
    assert_eq!(stayed(&proxy), sessions(), "after SIGKILL and a new start");
}

#[test]
fn the_ring_is_the_same_after_a_kill() {
    let (_origins, mut proxy) =
        fleet("balance = \"consistent_hash\"\nhash.on = \"query:user\"", &["", "weight = 3", ""]);
    let requests: Vec<String> =
        (0..500).map(|user| format!("GET /x?user={user} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let before = ask_all(&proxy, &requests);
    proxy.kill_and_start();
    assert_eq!(ask_all(&proxy, &requests), before);
    let heavy = before.iter().filter(|(name, _)| name == "b").count();
    assert!((200..400).contains(&heavy), "{heavy} of 500, where 300 are its share");
}
