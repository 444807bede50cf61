//! The ways to a store: over TLS, over a Unix socket, with a password; and what is said when one leads nowhere.

use std::time::SystemTime;

use crate::support::certs::{Authority, Identity};
use crate::support::{Manner, Proxy, Redis, Scratch, wait_until};
use crate::{all, fleet, instance, is_up, serves, with};

const USERS: usize = 10;

/// Affinity that this store shares, with further keys.
fn through(url: &str, more: &str) -> String {
    format!("by = \"header:x-user\", store = \"{url}\", store_timeout = \"1s\"{more}")
}

/// What the instance says is wrong with its store.
fn trouble(proxy: &Proxy) -> String {
    proxy.status()["services"]["api"]["session_store"]["trouble"].as_str().unwrap_or_default().to_owned()
}

fn over_tls(identity: &Identity) -> Redis {
    Redis::start_tls(identity.server(&[]))
}

#[test]
fn sessions_are_shared_over_tls_that_is_verified() {
    let (origins, dir) = (fleet(), Scratch::new());
    let redis = over_tls(&Authority::shared().sign(&dir, &["localhost"]));
    let ca = Authority::shared().file(&dir);
    let toml = with(&through(&redis.url(), &format!(", store_ca = {ca:?}")), &origins);
    let here = instance(&toml);
    let first = all(&here, USERS);
    assert_eq!(redis.entries().len(), USERS);
    assert_eq!(all(&instance(&toml), USERS), first);
    // a store that comes back is used again
    redis.is(Manner::Gone);
    wait_until("it is gone", || !is_up(&here));
    redis.is(Manner::Well);
    wait_until("it is back", || is_up(&here));
    assert_eq!(all(&here, USERS), first);
}

#[test]
fn a_store_whose_certificate_is_not_good_is_not_used_and_that_is_said() {
    let (origins, dir, own) = (fleet(), Scratch::new(), Scratch::new());
    let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let stranger = Authority::new();
    let ca = Authority::shared().file(&own);
    for (identity, why) in [
        // an authority of the same name, so that it is the signature that is wrong
        (stranger.sign(&dir, &["localhost"]), "invalid peer certificate"),
        (Authority::shared().sign(&dir, &["redis.example.com"]), "not valid for name"),
        (Authority::shared().sign_until(&dir, &["localhost"], long_ago), "expired"),
    ] {
        let redis = over_tls(&identity);
        let here = Proxy::start(&with(&through(&redis.url(), &format!(", store_ca = {ca:?}")), &origins));
        wait_until("that is said", || trouble(&here).starts_with("TLS with it fails: "));
        assert!(trouble(&here).contains(why), "{why}: {}", trouble(&here));
        let alone = all(&here, USERS);
        assert_eq!(all(&here, USERS), alone);
        assert!(redis.commands().is_empty(), "nothing is asked of it");
    }
}

#[test]
fn a_store_that_speaks_no_tls_is_not_used() {
    let (origins, redis, dir) = (fleet(), Redis::start(), Scratch::new());
    let ca = Authority::shared().file(&dir);
    let url = redis.url().replace("redis://", "rediss://");
    let here = Proxy::start(&with(&through(&url, &format!(", store_ca = {ca:?}")), &origins));
    wait_until("that is said", || !trouble(&here).is_empty());
    assert_eq!(all(&here, USERS), all(&here, USERS));
}

#[test]
fn sessions_are_shared_over_a_unix_socket() {
    let (origins, dir) = (fleet(), Scratch::new());
    let path = dir.path().join("redis.sock");
    let redis = Redis::start_unix(&path);
    let toml = with(&through(&format!("{}?db=2", redis.url()), ""), &origins);
    let here = instance(&toml);
    let first = all(&here, USERS);
    assert_eq!(redis.entries().len(), USERS);
    assert!(redis.commands().contains(&vec!["SELECT".to_owned(), "2".to_owned()]));
    assert_eq!(all(&instance(&toml), USERS), first);
    redis.is(Manner::Gone);
    wait_until("it is gone", || !is_up(&here));
    assert_eq!(all(&here, USERS), first);
}

#[test]
fn a_password_that_is_not_taken_is_said_and_one_that_is_replaced_by_a_reload_is_used() {
    let (origins, redis, dir) = (fleet(), Redis::start(), Scratch::new());
    redis.wants("right");
    let file = dir.file("password", "wrong\n");
    let toml = with(&through(&redis.url(), &format!(", store_password_file = {file:?}")), &origins);
    let here = Proxy::start(&toml);
    wait_until("that is said", || trouble(&here).contains("Password authentication failed"));
    let alone = all(&here, USERS);
    assert_eq!(all(&here, USERS), alone);
    dir.file("password", "right\n");
    assert_eq!(here.reload(&toml).status, 200);
    wait_until("it is used", || is_up(&here));
    serves(&here, USERS);
    // those that it has decided alone follow when they are looked up again
    wait_until("a new session is there", || redis.entries().len() == 1);

    // without one
    let other = Proxy::start(&with(&through(&redis.url(), ""), &origins));
    wait_until("that is said", || trouble(&other).contains("NOAUTH"));
    let said = here.stderr() + &other.stderr();
    assert!(!said.contains("right") && !said.contains("wrong\n"), "{said}");
}
