//! Tables that a store shares, while the store is gone, slow, silent, full or talks nonsense.

use crate::support::{Manner, Proxy, Redis, wait_until};
use crate::{LATE, all, fleet, instance, is_up, lookups, serves, shared, with};

const USERS: usize = 30;

fn events(proxy: &Proxy, kind: &str) -> u64 {
    proxy.metric(&format!("evenkeel_events_total{{kind=\"{kind}\"}}"))
}

#[test]
fn without_its_store_an_instance_decides_alone_and_what_it_has_decided_is_written_afterwards() {
    let (origins, redis) = (fleet(), Redis::start());
    redis.is(Manner::Gone);
    let toml = with(&shared(&redis, ""), &origins);
    let here = Proxy::start(&toml);
    let first = all(&here, USERS);
    assert_eq!(all(&here, USERS), first);
    assert_eq!((lookups(&here, "hit"), lookups(&here, "unavailable")), (USERS as u64, USERS as u64));
    wait_until("the writes wait", || here.metric("evenkeel_session_store_queue_bytes") > 0);
    redis.is(Manner::Well);
    wait_until("the store is reached", || is_up(&here));
    assert_eq!(redis.entries().len(), USERS, "before it is asked it has all of them");
    assert_eq!(all(&instance(&toml), USERS), first);
    assert_eq!((events(&here, "store_unreachable"), events(&here, "store_reachable")), (1, 1));
    assert_eq!(here.metric("evenkeel_session_store_queue_bytes"), 0);
}

#[test]
fn sessions_go_on_when_the_store_goes_and_it_is_told_once() {
    for manner in [Manner::Gone, Manner::Silent, Manner::Slow(LATE)] {
        let (origins, redis) = (fleet(), Redis::start());
        let here = instance(&with(&shared(&redis, "").replace("1s", "20ms"), &origins));
        let first = all(&here, USERS);
        redis.is(manner);
        // sessions that it knows are served as before, and new ones take the link down
        let mut user = USERS;
        wait_until("the store is not asked any more", || {
            serves(&here, user);
            user += 1;
            // it is not asked in the moment before, either, in which it is in doubt
            events(&here, "store_unreachable") == 1 && !is_up(&here)
        });
        let late = lookups(&here, "timeout") + lookups(&here, "failed");
        assert_eq!(all(&here, USERS), first, "{manner:?}");
        let new = (user..user + USERS).map(|user| serves(&here, user)).collect::<Vec<_>>();
        assert_eq!(lookups(&here, "timeout") + lookups(&here, "failed"), late, "{manner:?}: nobody waits any more");
        redis.is(Manner::Well);
        wait_until("the store is asked again", || is_up(&here));
        assert_eq!((user..user + USERS).map(|user| serves(&here, user)).collect::<Vec<_>>(), new, "{manner:?}");
        assert_eq!(redis.entries().len(), user + USERS, "{manner:?}: all of them are there in the end");
        assert_eq!((events(&here, "store_unreachable"), events(&here, "store_reachable")), (1, 1), "{manner:?}");
        let said = here.stderr().matches("the store of sessions is not asked").count();
        assert_eq!(said, 1, "{manner:?}");
    }
}

#[test]
fn a_full_store_is_read_and_the_rest_stays_here() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ""), &origins);
    let [here, there] = [instance(&toml), instance(&toml)];
    let first = all(&here, USERS);
    redis.is(Manner::Full);
    assert_eq!(all(&there, USERS), first);
    let new: Vec<_> = (USERS..2 * USERS).map(|user| serves(&here, user)).collect();
    assert_eq!((USERS..2 * USERS).map(|user| serves(&here, user)).collect::<Vec<_>>(), new);
    assert!(is_up(&here), "it answers in time");
    wait_until("that is said", || here.stderr().contains("OOM command not allowed"));
    assert_eq!(here.stderr().matches("OOM").count(), 1, "once");
    let refused = "evenkeel_session_store_writes_total{store=\"{}\",outcome=\"refused\"}";
    let refused = refused.replace("{}", &(redis.url() + "/0"));
    wait_until("they are counted", || here.metric(&refused) == USERS as u64);
    assert!(here.status()["services"]["api"]["session_store"]["trouble"].as_str().unwrap().contains("OOM"));
}

#[test]
fn nonsense_is_no_backend() {
    let (origins, redis) = (fleet(), Redis::start());
    let here = instance(&with(&shared(&redis, ""), &origins));
    let first = all(&here, USERS);
    redis.is(Manner::Nonsense);
    assert_eq!(all(&here, USERS), first);
    let there = instance(&with(&shared(&redis, ""), &origins));
    let alone = all(&there, USERS);
    assert_eq!(all(&there, USERS), alone, "they have a backend each");
    assert_eq!(lookups(&there, "failed"), USERS as u64);
    // a backend that nobody knows is none either
    redis.is(Manner::Well);
    assert!(["a", "b", "c"].contains(&&*serves(&there, USERS)));
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let (origins, redis) = (fleet(), Redis::start());
    redis.is(Manner::Gone);
    let here = Proxy::start(&with(&shared(&redis, ", store_queue = \"64KiB\""), &origins));
    all(&here, 600);
    let dropped = format!("evenkeel_session_store_writes_total{{store=\"{}/0\",outcome=\"dropped\"}}", redis.url());
    wait_until("some are dropped", || here.metric(&dropped) > 0);
    assert!(here.metric("evenkeel_session_store_queue_bytes") <= 64 << 10);
    let status = here.status();
    assert!(status["services"]["api"]["session_store"]["waiting_bytes"].as_u64().unwrap() > 32 << 10, "{status}");
    redis.is(Manner::Well);
    wait_until("the store is reached", || is_up(&here));
    assert_eq!(redis.entries().len() as u64 + here.metric(&dropped), 600);
}
