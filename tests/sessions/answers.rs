//! Tables that a store shares which answers, but not as it should.

use crate::support::{Manner, Redis, wait_until};
use crate::{all, fleet, instance, is_up, lookups, serves, shared, with};

const USERS: usize = 30;

fn trouble(proxy: &crate::support::Proxy) -> String {
    proxy.status()["services"]["api"]["session_store"]["trouble"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_first_answer_that_is_late_is_the_last_one_that_anybody_waits_for() {
    let (origins, redis) = (fleet(), Redis::start());
    let here = instance(&with(&shared(&redis, ""), &origins));
    redis.is(Manner::Silent);
    let new = all(&here, USERS);
    assert!(lookups(&here, "timeout") + lookups(&here, "failed") <= 1, "{}", here.metrics());
    assert!(lookups(&here, "unavailable") >= USERS as u64 - 1, "{}", here.metrics());
    assert_eq!(all(&here, USERS), new);
}

#[test]
fn a_store_that_was_late_once_is_asked_again_when_it_has_answered() {
    let (origins, redis) = (fleet(), Redis::start());
    let here = instance(&with(&shared(&redis, ""), &origins));
    redis.is(Manner::Held);
    let held = all(&here, 3);
    redis.is(Manner::Well);
    let mut user = 3;
    wait_until("it is asked again", || {
        let before = lookups(&here, "new");
        serves(&here, user);
        user += 1;
        lookups(&here, "new") > before
    });
    wait_until("all of them are there", || redis.entries().len() == user);
    assert_eq!(all(&here, 3), held);
    assert_eq!(all(&instance(&with(&shared(&redis, ""), &origins)), 3), held);
}

#[test]
fn what_waits_for_a_store_that_is_loading_is_not_lost() {
    let (origins, redis) = (fleet(), Redis::start());
    redis.is(Manner::Gone);
    let here = crate::support::Proxy::start(&with(&shared(&redis, ""), &origins));
    let first = all(&here, USERS);
    redis.is(Manner::Loading);
    wait_until("that is said", || trouble(&here).contains("LOADING"));
    let tried = redis.asked("SET");
    wait_until("it is tried again", || redis.asked("SET") > tried);
    redis.is(Manner::Well);
    wait_until("it is reached", || is_up(&here));
    // the last of them are sent when it is, and not waited for
    wait_until("all are there", || redis.entries().len() == USERS);
    assert_eq!(all(&instance(&with(&shared(&redis, ""), &origins)), USERS), first);
}

#[test]
fn a_replica_and_a_node_of_a_cluster_make_nobody_wait_and_are_said_once() {
    for (manner, said) in [(Manner::ReadOnly, "READONLY"), (Manner::Moved, "MOVED")] {
        let (origins, redis) = (fleet(), Redis::start());
        let toml = with(&shared(&redis, ""), &origins);
        let first = all(&instance(&toml), USERS);
        redis.is(manner);
        let here = instance(&toml);
        // the other way round: by turns each would get another backend
        let mut served: Vec<_> = (0..USERS).rev().map(|user| serves(&here, user)).collect();
        served.reverse();
        assert!(manner != Manner::ReadOnly || served == first, "a replica is read: {served:?}, {first:?}");
        let new: Vec<_> = (USERS..2 * USERS).map(|user| serves(&here, user)).collect();
        assert_eq!((USERS..2 * USERS).map(|user| serves(&here, user)).collect::<Vec<_>>(), new);
        wait_until("that is said", || trouble(&here).contains(said));
        assert_eq!(lookups(&here, "timeout"), 0, "{manner:?}");
        assert_eq!(here.stderr().matches(said).count(), 1, "{manner:?}");
    }
}

#[test]
fn a_store_that_takes_some_and_refuses_others_is_said_once() {
    let (origins, redis) = (fleet(), Redis::start());
    let here = instance(&with(&shared(&redis, ""), &origins));
    redis.is(Manner::Picky);
    all(&here, USERS);
    wait_until("that is said", || here.stderr().contains("NOPERM"));
    let said = here.stderr();
    assert_eq!(said.matches("does not do all that it is asked").count(), 1, "{said}");
    assert_eq!(said.matches("does what it is asked again").count(), 0, "{said}");
}

#[test]
fn whatever_a_store_says_sessions_go_on_and_memory_is_bounded() {
    for manner in [Manner::Garbage, Manner::Half, Manner::Endless] {
        let (origins, redis) = (fleet(), Redis::start());
        let here = instance(&with(&shared(&redis, ""), &origins));
        let first = all(&here, USERS);
        redis.is(manner);
        let new: Vec<_> = (USERS..2 * USERS).map(|user| serves(&here, user)).collect();
        assert_eq!(all(&here, USERS), first, "{manner:?}");
        assert_eq!((USERS..2 * USERS).map(|user| serves(&here, user)).collect::<Vec<_>>(), new, "{manner:?}");
        wait_until("the connection is given up", || redis.connections() > 1);
        assert!(here.peak_rss() < 200 << 20, "{manner:?}: {}", here.peak_rss());
        redis.is(Manner::Well);
        wait_until("it is asked again", || is_up(&here));
        serves(&here, 1000);
        assert!(redis.entries().len() > USERS, "{manner:?}");
    }
}
