//! Certificates that change in their files while clients connect: without a reload, and without a handshake that fails.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::ClientConfig;
use serde_json::Value;

use crate::support::certs::{Authority, Identity, blind};
use crate::support::{Client, Origin, Proxy, Scratch, config, wait_until};

/// What a client that asks for `name` is shown.
fn shown(proxy: &Proxy, authority: &Authority, name: &str) -> Option<Vec<u8>> {
    Some(Client::connect_tls(proxy.address(), &authority.client(&[], None), name).ok()?.certificate())
}

fn wait_until_shown(proxy: &Proxy, authority: &Authority, identity: &Identity, name: &str) {
    wait_until("the new certificate", || shown(proxy, authority, name).as_deref() == Some(identity.chain.as_ref()));
}

/// The kinds of the events of certificates so far, with what the last one says.
fn told(proxy: &Proxy) -> (Vec<String>, Value) {
    let all: Vec<Value> = serde_json::from_str(&proxy.admin("/api/v1/events").unwrap().text()).unwrap();
    let kind = |event: &Value| event["kind"].as_str().unwrap().strip_prefix("certificate_").map(str::to_owned);
    let all: Vec<(String, Value)> = all.into_iter().filter_map(|event| Some((kind(&event)?, event))).collect();
    let last = all.last().map(|(_, event)| event.clone()).unwrap_or_default();
    (all.into_iter().map(|(kind, _)| kind).collect(), last)
}

fn replace(from: &Path, to: &Path) {
    let draft = to.with_extension("draft");
    std::fs::copy(from, &draft).unwrap();
    std::fs::rename(draft, to).unwrap();
}

/// The pair that a listener is served from, in a folder whose layout is that of Kubernetes: links to links.
struct Pair {
    dir: Scratch,
    fresh: Scratch,
    made: usize,
}

impl Pair {
    fn new(authority: &Authority) -> (Self, Identity) {
        let mut pair = Self { dir: Scratch::new(), fresh: Scratch::new(), made: 0 };
        let first = authority.sign(&pair.fresh, &["a.example"]);
        pair.link(&first);
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), pair.dir.path().join(name)).unwrap();
        }
        (pair, first)
    }

    fn toml(&self) -> String {
        format!(
            "[listener.tls]\ncertificates = [{{ cert = {:?}, key = {:?} }}]\n",
            self.file("tls.crt"),
            self.file("tls.key")
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Swaps the link to the folder that holds both, as Kubernetes does.
    fn link(&mut self, identity: &Identity) {
        self.made += 1;
        let folder = format!("..{}", self.made);
        std::fs::create_dir(self.file(&folder)).unwrap();
        std::fs::copy(&identity.cert, self.file(&folder).join("tls.crt")).unwrap();
        std::fs::copy(&identity.key, self.file(&folder).join("tls.key")).unwrap();
        symlink(&folder, self.file("..data_tmp")).unwrap();
        std::fs::rename(self.file("..data_tmp"), self.file("..data")).unwrap();
        if self.made > 1 {
            // what an older link points to is removed by Kubernetes at once
            let _ = std::fs::remove_dir_all(self.file(&format!("..{}", self.made - 1)));
        }
    }
}

/// Renews the certificate so many times in every way, while clients connect; how many handshakes there were.
fn renew_under_load(swaps: usize) -> usize {
    let (authority, origin) = (Authority::shared(), Origin::ok());
    let (mut pair, _) = Pair::new(authority);
    let proxy = Proxy::start(&config(&pair.toml(), "", &[&origin]));
    let (is_over, handshakes) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    // each is verified: a key that does not fit its certificate fails here
                    while !is_over.load(Ordering::Relaxed) {
                        Client::connect_tls(proxy.address(), &authority.client(&[], None), "a.example").unwrap();
                        handshakes.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for swap in 0..swaps {
            let next = authority.sign(&pair.fresh, &["a.example"]);
            let (cert, key) = (pair.file("..data/tls.crt"), pair.file("..data/tls.key"));
            match swap % 5 {
                0 => {
                    replace(&next.cert, &cert);
                    replace(&next.key, &key);
                }
                1 => pair.link(&next),
                // the certificate a good while before its key
                2 => {
                    replace(&next.cert, &cert);
                    let handshakes_then = handshakes.load(Ordering::Relaxed);
                    wait_until("handshakes", || handshakes.load(Ordering::Relaxed) > handshakes_then + 20);
                    replace(&next.key, &key);
                }
                // what is no certificate at all, and then the key of another one
                3 => {
                    std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
                    std::fs::copy(&authority.sign(&Scratch::new(), &["b.example"]).key, &key).unwrap();
                    std::fs::copy(&next.cert, &cert).unwrap();
                    std::fs::copy(&next.key, &key).unwrap();
                }
                _ => {
                    std::fs::remove_file(&cert).unwrap();
                    std::fs::remove_file(&key).unwrap();
                    std::fs::copy(&next.key, &key).unwrap();
                    std::fs::copy(&next.cert, &cert).unwrap();
                }
            }
            wait_until_shown(&proxy, authority, &next, "a.example");
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert_eq!(proxy.metric("evenkeel_certificate_renewals_total{outcome=\"applied\"}"), swaps as u64);
    assert_eq!(proxy.metric("evenkeel_certificate_renewals_total{outcome=\"refused\"}"), 0);
    handshakes.into_inner()
}

#[test]
fn a_certificate_is_renewed_in_every_way_and_no_handshake_fails() {
    assert!(renew_under_load(15) > 100);
}

#[test]
#[ignore = "minutes"]
fn a_thousand_certificates_are_renewed_and_no_handshake_fails() {
    assert!(renew_under_load(1000) > 1000);
}

#[test]
fn a_pair_that_does_not_fit_is_told_once_and_the_one_before_stays() {
    let (authority, origin) = (Authority::shared(), Origin::ok());
    let (mut pair, first) = Pair::new(authority);
    let proxy = Proxy::start(&config(&pair.toml(), "", &[&origin]));
    let (next, other) = (authority.sign(&pair.fresh, &["a.example"]), authority.sign(&pair.fresh, &["b.example"]));
    replace(&next.cert, &pair.file("..data/tls.crt"));
    let refused = "evenkeel_certificate_renewals_total{outcome=\"refused\"}";
    wait_until("it is told", || proxy.metric(refused) == 1);
    let (kinds, last) = told(&proxy);
    assert_eq!(kinds, ["loaded", "refused"]);
    assert_eq!((&last["level"], &last["listener"]), (&"error".into(), &"web".into()));
    assert_eq!(last["cause"]["path"], pair.file("tls.key").to_str().unwrap());
    assert_eq!(last["cause"]["reason"], "this key does not fit the certificate");
    // who looks later finds it, too
    let status = proxy.status()["certificates_refused"].clone();
    assert_eq!(status.as_array().map(Vec::len), Some(1), "{status}");
    let (path, reason) = (pair.file("tls.key"), "this key does not fit the certificate");
    assert_eq!((&status[0]["listener"], &status[0]["service"]), (&"web".into(), &Value::Null));
    assert_eq!((&status[0]["path"], &status[0]["reason"]), (&path.to_str().unwrap().into(), &reason.into()));
    let live: Value = serde_json::from_str(&proxy.admin("/api/v1/live").unwrap().text()).unwrap();
    assert_eq!(live["certificates_refused"], status);
    assert_eq!(shown(&proxy, authority, "a.example").as_deref(), Some(first.chain.as_ref()));
    // a touch is no news; another mistake is
    replace(&next.cert, &pair.file("..data/tls.crt"));
    replace(&other.cert, &pair.file("..data/tls.crt"));
    wait_until("the other one is told", || proxy.metric(refused) == 2);
    assert_eq!(shown(&proxy, authority, "a.example").as_deref(), Some(first.chain.as_ref()));
    pair.link(&next);
    wait_until_shown(&proxy, authority, &next, "a.example");
    wait_until("that is told", || told(&proxy).0 == ["loaded", "refused", "refused", "changed"]);
    wait_until("nothing is refused any more", || proxy.status()["certificates_refused"] == Value::Array(Vec::new()));
    assert_eq!(proxy.metric(refused), 2);
}

#[test]
fn an_expired_certificate_does_not_replace_a_good_one() {
    let (authority, origin) = (Authority::shared(), Origin::ok());
    let (mut pair, first) = Pair::new(authority);
    let proxy = Proxy::start(&config(&pair.toml(), "", &[&origin]));
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    pair.link(&authority.sign_until(&pair.fresh, &["a.example"], yesterday));
    wait_until("it is told", || told(&proxy).0 == ["loaded", "refused"]);
    assert!(told(&proxy).1["cause"]["reason"].as_str().unwrap().starts_with("the certificate expired on "));
    assert_eq!(shown(&proxy, authority, "a.example").as_deref(), Some(first.chain.as_ref()));
}

#[test]
fn a_folder_of_certificates_is_served_and_its_changes_are_taken_on() {
    let (authority, origin, fresh, dir) = (Authority::shared(), Origin::ok(), Scratch::new(), Scratch::new());
    let put = |identity: &Identity, folder: &str, cert: &str, key: &str| {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        std::fs::copy(&identity.key, dir.path().join(folder).join(key)).unwrap();
        std::fs::copy(&identity.cert, dir.path().join(folder).join(cert)).unwrap();
    };
    let [a, b, c, d] = ["a.example", "b.example", "c.example", "d.example"].map(|name| authority.sign(&fresh, &[name]));
    put(&a, "live/a.example", "fullchain.pem", "privkey.pem");
    std::fs::write(dir.path().join("live/a.example/cert.pem"), "not looked at").unwrap();
    put(&b, "live", "tls.crt", "tls.key");
    let both = std::fs::read_to_string(&c.cert).unwrap() + &std::fs::read_to_string(&c.key).unwrap();
    std::fs::write(dir.path().join("live/c.pem"), &both).unwrap();
    std::fs::write(dir.path().join("live/broken.pem"), "nothing").unwrap();
    let tls = format!("[listener.tls]\ncertificates = [{{ folder = {:?} }}]\n", dir.path().join("live"));
    let proxy = Proxy::start(&config(&tls, "", &[&origin]));
    for (identity, name) in [(&a, "a.example"), (&b, "b.example"), (&c, "c.example")] {
        assert_eq!(shown(&proxy, authority, name).as_deref(), Some(identity.chain.as_ref()), "{name}");
    }
    assert!(proxy.stderr().contains("broken.pem"), "{}", proxy.stderr());
    // one that comes, one that is renewed, one that goes
    put(&d, "live/d.example", "fullchain.pem", "privkey.pem");
    wait_until_shown(&proxy, authority, &d, "d.example");
    let renewed = authority.sign(&fresh, &["a.example"]);
    put(&renewed, "live/a.example", "fullchain.pem", "privkey.pem");
    wait_until_shown(&proxy, authority, &renewed, "a.example");
    std::fs::remove_file(dir.path().join("live/c.pem")).unwrap();
    wait_until("c.example is gone", || shown(&proxy, authority, "c.example").is_none());
    assert_eq!(shown(&proxy, authority, "b.example").as_deref(), Some(b.chain.as_ref()));
}

#[test]
fn a_reload_takes_no_certificate_away_whose_files_hold_a_mistake_in_that_moment() {
    let (authority, origin, fresh, dir) = (Authority::shared(), Origin::ok(), Scratch::new(), Scratch::new());
    let [a, b, other] = ["a.example", "b.example", "other.example"].map(|name| authority.sign(&fresh, &[name]));
    let file = |name: &str| dir.path().join(name);
    for (identity, name) in [(&a, "a"), (&b, "b")] {
        replace(&identity.cert, &file(&format!("{name}.crt")));
        replace(&identity.key, &file(&format!("{name}.key")));
    }
    let (mut pair, _) = Pair::new(authority);
    let tls = format!(
        "[listener.tls]\ncertificates = [{{ folder = {:?} }}, {{ cert = {:?}, key = {:?} }}]\n",
        dir.path(),
        pair.file("tls.crt"),
        pair.file("tls.key")
    );
    let c = authority.sign(&pair.fresh, &["c.example"]);
    pair.link(&c);
    let proxy = Proxy::start(&config(&tls, "", &[&origin]));
    // half of a renewal in the folder, and a certificate that is over
    replace(&other.key, &file("b.key"));
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    pair.link(&authority.sign_until(&pair.fresh, &["c.example"], yesterday));
    for round in 0..2 {
        let route = format!("[[listener.route]]\npath = \"/new{round}\"\nrespond = {{ status = 204 }}\n");
        proxy.rewrite(&config(&format!("{route}{tls}"), "", &[&origin]));
        proxy.signal("HUP");
        wait_until("the reload is in force", || {
            let mut client = Client::connect_tls(proxy.address(), &authority.client(&[], None), "a.example").unwrap();
            client.send(format!("GET /new{round} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
            client.response().status == 204
        });
        for (identity, name) in [(&a, "a.example"), (&b, "b.example"), (&c, "c.example")] {
            assert_eq!(shown(&proxy, authority, name).as_deref(), Some(identity.chain.as_ref()), "{name}");
        }
    }
    // what comes then is in force without a reload
    let renewed = authority.sign(&fresh, &["b.example"]);
    replace(&renewed.cert, &file("b.crt"));
    replace(&renewed.key, &file("b.key"));
    wait_until_shown(&proxy, authority, &renewed, "b.example");
    let renewed = authority.sign(&pair.fresh, &["c.example"]);
    pair.link(&renewed);
    wait_until_shown(&proxy, authority, &renewed, "c.example");
    // one that is taken away is served for a moment more, with and without a reload
    std::fs::remove_file(file("b.crt")).unwrap();
    std::fs::remove_file(file("b.key")).unwrap();
    proxy.signal("HUP");
    wait_until("b.example is gone", || shown(&proxy, authority, "b.example").is_none());
}

#[test]
fn what_backends_are_shown_and_verified_by_is_renewed_too() {
    let (dir, first, second) = (Scratch::new(), Authority::new(), Authority::new());
    let ca = first.file(&dir);
    let identity = second.sign(&Scratch::new(), &["localhost"]);
    let origin =
        Origin::script_tls(
            &identity.server(&[]),
            |conn| {
                while conn.request().is_ok() && conn.send(crate::support::OK) {}
            },
        );
    let tls = format!("[service.api.tls]\nserver_name = \"localhost\"\nca = {ca:?}\n");
    let proxy = Proxy::start(&config("", &tls, &[&origin]));
    assert_eq!(proxy.client().get("/x").status, 502);
    second.file(&dir);
    wait_until("the backend is believed", || proxy.client().get("/x").status == 200);
}

#[test]
fn the_admin_address_takes_on_its_renewed_certificate() {
    let (authority, origin, dir) = (Authority::shared(), Origin::ok(), Scratch::new());
    let first = authority.sign(&dir, &["admin.example"]);
    let toml =
        config("", "", &[&origin]) + &format!("\n[admin]\nhosts = [\"admin.example\"]\ntls = {}\n", first.toml());
    let proxy = Proxy::start_unasked(&toml);
    let client = authority.client(&[], None);
    let shown = || Some(Client::connect_tls(proxy.admin_address(), &client, "admin.example").ok()?.certificate());
    wait_until("it answers", || shown().as_deref() == Some(first.chain.as_ref()));
    let next = authority.sign(&dir, &["admin.example"]);
    wait_until("the new certificate", || shown().as_deref() == Some(next.chain.as_ref()));
}

/// Whether a GET over a new connection of this client goes over a session that it had before.
fn resumes(proxy: &Proxy, client: &Arc<ClientConfig>) -> bool {
    let mut connection = Client::connect_tls(proxy.address(), client, "a.example").unwrap();
    connection.send("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    // the ticket comes before the answer
    assert_eq!(connection.response().status, 200);
    connection.is_resumed()
}

#[test]
fn a_client_resumes_at_another_instance_that_has_the_same_ticket_keys_also_after_a_rotation() {
    let (authority, origin, dir) = (Authority::shared(), Origin::ok(), Scratch::new());
    let identity = authority.sign(&dir, &["a.example"]);
    let line = |byte: u8| data_encoding::BASE64.encode(&[byte; 80]) + "\n";
    let keys = dir.file("tickets", line(1));
    let tls = |more: &str| {
        let certificates = format!("certificates = [{}]", identity.toml());
        config(&format!("[listener.tls]\n{certificates}\nticket_keys = {keys:?}\n{more}"), "", &[&origin])
    };
    let (one, two) = (Proxy::start(&tls("")), Proxy::start(&tls("")));
    let ca = authority.file(&dir);
    let picky = Proxy::start(&tls(&format!("client_auth = \"optional\"\nclient_ca = {ca:?}")));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        // in TLS 1.2, what was got at the one is offered to the other as well, because clients know servers by name
        let client = blind(&[rustls::SignatureScheme::ECDSA_NISTP256_SHA256], &[version]);
        assert_eq!([resumes(&one, &client), resumes(&two, &client), resumes(&one, &client)], [false, true, true]);
        // where a certificate is asked for, a ticket that was got without one is worth nothing
        assert_eq!([resumes(&picky, &client), resumes(&picky, &client)], [false, true]);
    }
    // the new key, and then without the old one: no reload
    let client = authority.client(&[], None);
    assert_eq!([resumes(&one, &client), resumes(&two, &client)], [false, true]);
    let applied = |proxy: &Proxy, count| {
        wait_until("the keys are taken on", || {
            proxy.metric("evenkeel_certificate_renewals_total{outcome=\"applied\"}") == count
        });
    };
    dir.file("tickets", line(2) + &line(1));
    [&one, &two].into_iter().for_each(|proxy| applied(proxy, 1));
    assert!(resumes(&one, &client));
    dir.file("tickets", line(2));
    [&one, &two].into_iter().for_each(|proxy| applied(proxy, 2));
    assert!(resumes(&two, &client), "its ticket is under the new key by now");
    // keys that can't be used change nothing
    dir.file("tickets", "nonsense");
    wait_until("it is told", || told(&one).0.last().is_some_and(|kind| kind == "refused"));
    assert!(resumes(&one, &client));
}

#[test]
fn what_is_spoken_can_be_chosen() {
    let (authority, origin, dir) = (Authority::shared(), Origin::ok(), Scratch::new());
    let identity = authority.sign(&dir, &["a.example"]);
    let starts = |more: &str| {
        let certificates = format!("certificates = [{}]", identity.toml());
        Proxy::start(&config(&format!("[listener.tls]\n{certificates}\n{more}"), "", &[&origin]))
    };
    let ec = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
    let speaks =
        |proxy: &Proxy, version| Client::connect_tls(proxy.address(), &blind(&ec, &[version]), "a.example").is_ok();
    let (tls13, tls12) = (&rustls::version::TLS13, &rustls::version::TLS12);
    let modern = starts("preset = \"modern\"");
    assert_eq!([speaks(&modern, tls13), speaks(&modern, tls12)], [true, false]);
    let intermediate = starts("preset = \"intermediate\"\ngroups = [\"secp384r1\"]");
    assert_eq!([speaks(&intermediate, tls13), speaks(&intermediate, tls12)], [true, true]);
    let few = starts("ciphers = [\"TLS_CHACHA20_POLY1305_SHA256\"]");
    assert_eq!([speaks(&few, tls13), speaks(&few, tls12)], [true, false]);
    assert!(few.stderr().contains("none of these is for TLS 1.2"), "{}", few.stderr());
}

#[test]
fn a_key_log_has_the_secrets_of_connections_and_is_for_its_owner_only() {
    let (authority, origin, dir) = (Authority::shared(), Origin::ok(), Scratch::new());
    let identity = authority.sign(&dir, &["a.example"]);
    let log = dir.file("keys.log", "");
    let tls = format!("[listener.tls]\ncertificates = [{}]\nkey_log = {log:?}\n", identity.toml());
    let proxy = Proxy::start(&config(&tls, "", &[&origin]));
    assert!(proxy.stderr().contains("CAN BE DECRYPTED"), "{}", proxy.stderr());
    assert!(!resumes(&proxy, &authority.client(&[], None)));
    let text = std::fs::read_to_string(&log).unwrap();
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 "] {
        let line = text.lines().find(|line| line.starts_with(label)).unwrap();
        let parts: Vec<&str> = line.split(' ').collect();
        assert_eq!((parts.len(), parts[1].len()), (3, 64), "{line}");
        assert!(parts[1..].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit())), "{line}");
    }
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
}
