//! Rate limits that several instances enforce together by a store.

use std::time::Duration;

use crate::support::{Client, Manner, Origin, Proxy, Redis, config, wait_until as until};

/// A limit that nobody gets around within the time of a test, shared by a store.
fn shared(redis: &Redis, burst: u32, more: &str) -> String {
    format!(
        "[[listener.rate_limit]]\nname = \"a\"\nrate = \"1/h\"\nburst = {burst}\nstore = \"{}\"\n{more}\n",
        redis.url()
    )
}

fn is_up(proxy: &Proxy) -> bool {
    proxy.metric("evenkeel_limit_store_up") == 1
}

fn events(proxy: &Proxy, kind: &str) -> usize {
    proxy.metric(&format!("evenkeel_events_total{{kind=\"{kind}\"}}")) as usize
}

fn status(client: &mut Client) -> u16 {
    client.get("/x").status
}

/// Waits until each instance has reported what it was asked so far, and has the answers: a report that is under way may have been made before that, the
/// next one was not, and none is made before the answer to the last one is read.
fn both_have_the_answers(redis: &Redis) {
    let before = redis.rounds();
    until("there were other rounds", || redis.rounds().iter().all(|(id, rounds)| *rounds >= before[id] + 3));
}

#[test]
fn what_one_instance_has_allowed_another_one_does_not_allow_again() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let text = config(&shared(&redis, 5, ""), "", &[&origin]);
    let (here, there) = (Proxy::start(&text), Proxy::start(&text));
    until("both are up", || is_up(&here) && is_up(&there) && redis.members() == 2);
    let (mut one, mut other) = (here.client(), there.client());
    assert_eq!([(); 5].map(|()| status(&mut one)), [200; 5]);
    assert_eq!(status(&mut one), 429);
    until("it is reported", || redis.reporters() == 1);
    // this instance hears of the key by its first request, which it allows
    assert_eq!(status(&mut other), 200);
    until("it is reported there, too", || redis.reporters() == 2);
    both_have_the_answers(&redis);
    // by its own burst there would be four; an answer of the store that a busy machine makes late leaves it a share, which is less
    let allowed = (0..5).filter(|_| status(&mut other) == 200).count();
    assert!(allowed < 4, "{allowed}");
    assert_eq!(redis.limits().len(), 1, "one key for one client");
    let told: Vec<String> = redis.commands().into_iter().flatten().collect();
    assert!(!told.iter().any(|word| word.contains("127.0.0.1")), "no address gets into the store");
    until("the status says that the store answers", || here.status()["limits"][0]["store_reachable"] == true);
}

#[test]
fn a_store_that_is_lost_leaves_each_instance_its_share_and_is_told_once() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let by = "by = \"header:x-key\"";
    let text = config(&shared(&redis, 6, by), "", &[&origin]);
    let (here, there) = (Proxy::start(&text), Proxy::start(&text));
    until("both are up", || is_up(&here) && is_up(&there) && redis.members() == 2);
    let instances = "evenkeel_limit_store_instances";
    until("both know of each other", || here.metric(instances) == 2 && there.metric(instances) == 2);
    let allowed = |client: &mut Client, key: &str| {
        let mut ask = || {
            client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n"));
            client.response().status
        };
        (0..12).filter(|_| ask() == 200).count()
    };
    let (mut one, mut other) = (here.client(), there.client());
    let slow = Manner::Slow(Duration::from_millis(400));
    let manners = [Manner::Gone, Manner::Silent, Manner::Full, Manner::Nonsense, slow];
    for (round, manner) in manners.into_iter().enumerate() {
        redis.is(manner);
        let lost = || {
            events(&here, "limit_store_unreachable") == round + 1
                && events(&there, "limit_store_unreachable") == round + 1
        };
        until("it is told", lost);
        let key = format!("{manner:?}").replace(' ', "");
        assert_eq!([allowed(&mut one, &key), allowed(&mut other, &key)], [3, 3], "{manner:?}: half of six each");
        redis.is(Manner::Well);
        until("it is up again", || is_up(&here) && is_up(&there));
        let back = |proxy: &Proxy| events(proxy, "limit_store_reachable") == round + 1;
        until("that is told as well", || back(&here) && back(&there));
    }
}

#[test]
fn an_instance_that_ends_leaves_its_share_to_the_others() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let text = config(&shared(&redis, 6, ""), "", &[&origin]);
    let (here, there) = (Proxy::start(&text), Proxy::start(&text));
    until("both are up", || is_up(&here) && is_up(&there) && redis.members() == 2);
    there.signal("TERM");
    until("it has left", || redis.members() == 1);
}

#[test]
fn a_limit_becomes_shared_and_is_not_any_more_by_a_reload() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let with = config(&shared(&redis, 5, ""), "", &[&origin]);
    let without = with.replace(&format!("store = \"{}\"\n", redis.url()), "");
    let proxy = Proxy::start(&without);
    assert_eq!(redis.connections(), 0);
    assert_eq!(proxy.reload(&with).status, 200);
    until("it is up", || is_up(&proxy));
    assert_eq!(proxy.reload(&without).status, 200);
    until("it has left", || redis.members() == 0);
}

#[test]
fn who_raises_the_rate_of_a_shared_limit_locks_nobody_out() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let before = config(&shared(&redis, 20, ""), "", &[&origin]);
    let proxy = Proxy::start(&before);
    until("it is up", || is_up(&proxy));
    let mut client = proxy.client();
    assert_eq!([(); 20].map(|()| status(&mut client)), [200; 20]);
    assert_eq!(status(&mut client), 429);
    until("it is reported", || redis.reporters() == 1);
    both_have_the_answers(&redis);
    assert_eq!(proxy.reload(&before.replace("1/h", "1000/s")).status, 200);
    // the store had it twenty hours ahead
    for _ in 0..20 {
        until("it is allowed", || status(&mut client) == 200);
    }
    assert_eq!(proxy.reload(&before).status, 200);
    both_have_the_answers(&redis);
    assert_eq!(redis.limits().len(), 1, "it is one key by any rate");
}

#[test]
fn a_store_that_is_emptied_while_it_answers_gives_nobody_a_new_burst() {
    let (origin, redis) = (Origin::ok(), Redis::start());
    let text = config(&shared(&redis, 5, "by = \"header:x-key\""), "", &[&origin]);
    let (here, there) = (Proxy::start(&text), Proxy::start(&text));
    until("both are up", || is_up(&here) && is_up(&there) && redis.members() == 2);
    let (mut one, mut other) = (here.client(), there.client());
    let ask = |client: &mut Client, key: &str| {
        client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n"));
        client.response().status
    };
    for key in ["a", "b"] {
        assert_eq!([(); 5].map(|()| ask(&mut one, key)), [200; 5]);
    }
    both_have_the_answers(&redis);
    // only then: the answer to its report has to tell this instance what the other one has allowed; one that a busy machine makes late tells it nothing
    for key in ["a", "b"] {
        until("the other one refuses it, too", || {
            let answer = ask(&mut other, key);
            both_have_the_answers(&redis);
            answer == 429
        });
    }
    let known = redis.limits().len();
    for _ in 0..5 {
        redis.forgets_all();
        until("both are back", || redis.members() == 2);
        both_have_the_answers(&redis);
        assert_eq!([(); 5].map(|()| ask(&mut one, "a")), [429; 5]);
        assert_eq!([(); 5].map(|()| ask(&mut other, "a")), [429; 5]);
    }
    until("keys that nobody asks for are there again", || redis.limits().len() == known);
    assert_eq!((ask(&mut one, "b"), ask(&mut other, "b")), (429, 429));
}
