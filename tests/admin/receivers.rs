//! `[[notify]]`: receivers with TLS, dead ones, slow ones, those that fall behind, and the one in the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::configured;
use crate::notifications::{OK, body, kinds, sent, to};
use crate::support::certs::Authority;
use crate::support::{Cue, Origin, Port, Proxy, Scratch, backend, config, wait_until};

/// A configuration with a webhook at this URL.
fn to_url(url: &str, keys: &str) -> String {
    format!("{}\n[[notify]]\nname = \"oncall\"\nwebhook = \"{url}\"\n{keys}\n", configured(""))
}

fn takes(conn: &mut crate::support::Conn) {
    if conn.request().is_ok() {
        conn.send(OK);
    }
}

#[test]
fn a_receiver_with_tls_is_verified_against_an_authority_of_ones_own() {
    let (dir, authority) = (Scratch::new(), Authority::new());
    let identity = authority.sign(&dir, &["localhost"]);
    let webhook = Origin::script_tls(&identity.server(&["http/1.1"]), takes);
    let url = format!("https://localhost:{}/hook", webhook.address().rsplit_once(':').unwrap().1);
    let on = "on = [\"operator\"]";
    let proxy = Proxy::start(&to_url(&url, &format!("{on}\nca = {:?}", authority.file(&dir))));
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("it to be taken", || sent(&proxy, "sent") == 1);
    assert_eq!(kinds(&webhook), ["operator"]);

    // another authority's word counts for nothing
    let other = Scratch::new();
    let toml = to_url(&url, &format!("{on}\nca = {:?}", Authority::new().file(&other)));
    assert_eq!(proxy.reload(&toml).status, 200);
    assert_eq!(proxy.command("enable", "a"), 200);
    wait_until("it to fail", || sent(&proxy, "failed") > 0);
    assert!(proxy.stderr().contains("a webhook did not take events: TLS with localhost"), "{}", proxy.stderr());
    assert_eq!(kinds(&webhook), ["operator"]);
}

#[test]
fn a_receiver_that_is_dead_gets_everything_once_it_is_there_and_the_log_tells_of_it_twice() {
    let port = Port::reserve();
    let proxy = Proxy::start(&to_url(&format!("http://{}/", port.address()), "on = [\"operator\"]"));
    assert_eq!((proxy.command("drain", "a"), proxy.command("enable", "a")), (200, 200));
    wait_until("it to fail more than once", || sent(&proxy, "failed") > 1);
    let webhook = Origin::script_at(port.address(), takes);
    wait_until("both to be taken", || sent(&proxy, "sent") == 2);
    let commands: Vec<_> =
        webhook.requests().iter().flat_map(|request| body(request)["events"].as_array().unwrap().clone()).collect();
    assert_eq!(
        commands.iter().map(|event| event["cause"]["command"].as_str().unwrap()).collect::<Vec<_>>(),
        ["drain", "enable"]
    );
    let log = proxy.stderr();
    assert_eq!(log.matches("a webhook did not take events").count(), 1, "{log}");
    assert!(log.contains("can't be connected to: Connection refused"), "{log}");
    assert_eq!(log.matches("a webhook takes events again").count(), 1, "{log}");
}

#[test]
fn a_receiver_that_does_not_answer_is_asked_again_after_ten_seconds() {
    let asked = AtomicUsize::new(0);
    let webhook = Origin::script(move |conn| {
        if conn.request().is_ok() && asked.fetch_add(1, Ordering::SeqCst) > 0 {
            conn.send(OK);
        }
        conn.is_closed();
    });
    let proxy = Proxy::start(&to(&webhook, "on = [\"operator\"]"));
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("it to be taken", || sent(&proxy, "sent") == 1);
    assert_eq!(sent(&proxy, "failed"), 1);
    let ids: Vec<_> = webhook.requests().iter().map(|request| body(request)["events"][0]["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "the same event");
    assert!(proxy.stderr().contains("no answer within 10 s"), "{}", proxy.stderr());
}

#[test]
fn refusals_are_logged_once_in_a_minute_and_their_end_is_told() {
    let asked = AtomicUsize::new(0);
    let webhook = Origin::script(move |conn| {
        if conn.request().is_ok() {
            let refuses = asked.fetch_add(1, Ordering::SeqCst) < 5;
            conn.send(if refuses { "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n" } else { OK });
        }
    });
    let proxy = Proxy::start(&to(&webhook, "on = [\"operator\"]"));
    for said in 1..=6 {
        assert_eq!(proxy.command(if said % 2 == 1 { "drain" } else { "enable" }, "a"), 200);
        wait_until("it to be refused or taken", || sent(&proxy, "dropped") + sent(&proxy, "sent") == said);
    }
    let log = proxy.stderr();
    assert_eq!(log.matches("a webhook refused events: it answered 410").count(), 1, "{log}");
    assert!(log.contains("a webhook takes events again notify=\"oncall\" failures=5"), "{log}");
}

#[test]
fn the_last_events_are_sent_before_the_process_ends_and_a_receiver_that_hangs_does_not_keep_it() {
    for hangs in [false, true] {
        let webhook = if hangs { Origin::silent() } else { Origin::script(takes) };
        let mut proxy = Proxy::start(&to(&webhook, "on = [\"process_stopping\"]"));
        proxy.signal("TERM");
        assert_eq!(proxy.wait().code(), Some(0));
        assert_eq!(kinds(&webhook), ["process_stopping"]);
        let told = proxy.stderr().contains("events that wait for their webhooks are not sent any more");
        assert_eq!(told, hangs, "{}", proxy.stderr());
    }
}

/// So many backends that a few changes of all of them are more events than are kept.
const MANY: usize = 2600;
/// Events that are kept, as docs/events.md has it.
const KEPT: u64 = 10_000;

#[test]
fn a_receiver_that_falls_behind_loses_the_oldest_events_and_is_told_how_many() {
    let (cue, awaited) = (Cue::default(), Cue::default());
    let (given, asked) = (cue.clone(), awaited.clone());
    let webhook = Origin::script(move |conn| {
        if conn.request().is_ok() {
            if conn.number == 0 {
                asked.give();
                given.wait();
            }
            conn.send(OK);
        }
    });
    let toml = |drain: bool| {
        let mut toml = to(&webhook, "on = [\"backend_draining\", \"backend_up\"]").replace(&configured(""), "");
        toml.push_str(&config("", "", &[]));
        for at in 0..MANY {
            let _ = write!(toml, "{}id = \"b{at}\"\ndrain = {drain}\n", backend(format!("127.0.0.1:{}", at + 1)));
        }
        toml
    };
    let proxy = Proxy::start(&toml(false));
    for drain in [true, false, true, false] {
        assert_eq!(proxy.reload(&toml(drain)).status, 200);
    }
    assert!(awaited.wait(), "the receiver was asked");
    let all: u64 = ["draining", "up"]
        .iter()
        .map(|state| proxy.metric(&format!("evenkeel_events_total{{kind=\"backend_{state}\"}}")))
        .sum();
    assert_eq!(all, 4 * MANY as u64);
    cue.give();
    wait_until("everything else to be taken", || {
        let (taken, lost) = (sent(&proxy, "sent"), sent(&proxy, "dropped"));
        lost > 0 && taken + lost >= all
    });
    let messages: Vec<_> = webhook.requests().iter().map(body).collect();
    // one that was not answered in time has come again
    let events: BTreeMap<u64, _> = messages
        .iter()
        .flat_map(|message| message["events"].as_array().unwrap())
        .map(|event| (event["id"].as_u64().unwrap(), event["kind"].clone()))
        .collect();
    let missed: u64 = messages.iter().map(|message| message["missed"].as_u64().unwrap()).sum();
    assert_eq!(missed, sent(&proxy, "dropped"));
    assert_eq!(events.len() as u64, sent(&proxy, "sent"));
    assert!(
        events.len() as u64 <= KEPT + 200,
        "what is kept, and the one message that was on its way: {}",
        events.len()
    );
}

/// A process that a test has started; killed when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_receiver_in_the_documentation_takes_what_is_signed_and_nothing_else() {
    if Command::new("python3").arg("--version").output().is_err() {
        return eprintln!("not tested: there is no python3 here");
    }
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let (_, rest) = document.split_once("```python\n").unwrap();
    let port = Port::reserve();
    let program = rest.split("```").next().unwrap().replace("9099", &port.address().port().to_string());
    assert!(program.contains(&format!("(\"127.0.0.1\", {})", port.address().port())), "{program}");
    let dir = Scratch::new();
    dir.file("notify.key", "a secret of the test\n");
    dir.file("wrong.key", "another secret\n");
    let mut python = Command::new("python3");
    python.args(["-u", "-c", &program]).current_dir(dir.path());
    let mut receiver = Running(python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    wait_until("the receiver to listen", || TcpStream::connect(port.address()).is_ok());

    let with_key = |file: &str| {
        let keys = format!("on = [\"operator\"]\nsecret_file = {:?}", dir.path().join(file));
        to_url(&format!("http://{}/", port.address()), &keys)
    };
    let proxy = Proxy::start(&with_key("notify.key"));
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("it to be taken", || sent(&proxy, "sent") == 1);
    let mut line = String::new();
    BufReader::new(receiver.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[info] api/a: 127.0.0.1 said drain\n");

    assert_eq!(proxy.reload(&with_key("wrong.key")).status, 200);
    assert_eq!(proxy.command("enable", "a"), 200);
    wait_until("it to be refused", || sent(&proxy, "dropped") == 1);
    assert!(proxy.stderr().contains("a webhook refused events: it answered 401"), "{}", proxy.stderr());
}
