//! Tables that a store shares, while the store is well.

use crate::support::{Origin, Proxy, Redis, backend, config, h2, wait_until};
use crate::{all, fleet, instance, lookups, serves, shared, with};

const USERS: usize = 30;

#[test]
fn a_client_has_one_backend_whichever_instance_it_comes_to() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ""), &origins);
    let instances = [instance(&toml), instance(&toml)];
    let first = all(&instances[0], USERS);
    assert_eq!(all(&instances[1], USERS), first);
    assert_eq!(all(&instances[0], USERS), first);
    assert!(["a", "b", "c"].iter().all(|name| first.iter().any(|served| served == name)), "{first:?}");
    let users = USERS as u64;
    assert_eq!((lookups(&instances[0], "new"), lookups(&instances[0], "hit")), (users, users));
    assert_eq!((lookups(&instances[1], "new"), lookups(&instances[1], "shared")), (0, users));
    assert_eq!(redis.entries().len(), USERS);
}

#[test]
fn sessions_outlive_the_instance_that_began_them() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ""), &origins);
    let first = {
        let dies = instance(&toml);
        all(&dies, USERS)
    };
    assert_eq!(all(&instance(&toml), USERS), first);
}

#[test]
fn a_session_that_moves_moves_for_all_instances() {
    let (origins, redis) = (fleet(), Redis::start());
    // an entry is believed for a quarter of this
    let toml = with(&shared(&redis, ", ttl = \"4s\""), &origins);
    let [here, there] = [instance(&toml), instance(&toml)];
    let first = serves(&here, 7);
    assert_eq!(serves(&there, 7), first);
    assert_eq!(here.command("disable", &first), 200);
    wait_until("it moves", || serves(&here, 7) != first);
    let second = serves(&here, 7);
    wait_until("the other instance follows", || serves(&there, 7) == second);
    assert_eq!(here.command("enable", &first), 200);
    assert_eq!((serves(&here, 7), serves(&there, 7)), (second.clone(), second));
}

#[test]
fn what_the_store_has_lost_is_written_again_by_those_who_use_it() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ", ttl = \"4s\""), &origins);
    let (here, there) = (instance(&toml), instance(&toml));
    let first = serves(&here, 7);
    redis.forgets_all();
    wait_until("the session is there again", || {
        assert_eq!(serves(&here, 7), first);
        !redis.entries().is_empty()
    });
    assert_eq!(serves(&there, 7), first);
}

#[test]
fn a_session_in_use_is_kept_and_that_takes_no_write_for_each_request() {
    let (origins, redis) = (fleet(), Redis::start());
    let here = instance(&with(&shared(&redis, ", ttl = \"4s\""), &origins));
    let first = serves(&here, 7);
    let kept = redis.entries().values().next().unwrap().1;
    assert!(kept > 4, "{kept}");
    redis.ages_to(4);
    wait_until("it is kept for longer", || {
        assert_eq!(serves(&here, 7), first);
        redis.entries().values().all(|(_, left)| *left == kept)
    });
    assert_eq!(redis.asked("EXPIRE"), 1);
    assert!(redis.asked("GET") < lookups(&here, "hit") as usize, "most requests ask nothing");
}

#[test]
fn nothing_that_clients_send_is_in_the_store() {
    let (origins, redis) = (fleet(), Redis::start());
    let user = "session-4711-of-somebody";
    let here = instance(&with(&shared(&redis, ", store_prefix = \"shop\""), &origins));
    let mut client = here.client();
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
    let served = client.response().text();
    let (key, (value, _)) = redis.entries().into_iter().next().unwrap();
    assert!(key.starts_with("shop:api:") && key.len() == "shop:api:".len() + 22, "{key}");
    assert_eq!(value, served, "it is the backend's id");
    assert!(!format!("{:?}", redis.commands()).contains("4711"));
}

#[test]
fn a_login_is_made_and_its_password_is_not_shown() {
    let (origins, redis) = (fleet(), Redis::start());
    let url = redis.url().replace("redis://", "redis://me:s3cret@") + "/3";
    let toml = with(&format!("by = \"header:x-user\", store = \"{url}\", store_timeout = \"1s\""), &origins);
    let here = instance(&toml);
    serves(&here, 1);
    let commands = redis.commands();
    assert!(commands.contains(&["AUTH", "me", "s3cret"].map(str::to_owned).to_vec()), "{commands:?}");
    assert!(commands.contains(&["SELECT", "3"].map(str::to_owned).to_vec()), "{commands:?}");
    let said = [here.stderr(), here.metrics(), here.status().to_string(), here.admin("/api/v1/config").unwrap().text()];
    assert!(said.iter().all(|said| !said.contains("s3cret")), "{said:?}");
    let store = &here.status()["services"]["api"]["session_store"];
    assert_eq!(store["address"], redis.url() + "/3");
    assert_eq!((store["up"].as_bool(), store["trouble"].as_str()), (Some(true), None), "{store}");
}

#[test]
fn a_reload_keeps_the_connection_and_the_sessions() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ""), &origins);
    let here = instance(&toml);
    let first = all(&here, USERS);
    assert_eq!(here.reload(&toml.replace("store_timeout", "ttl = \"2h\", store_timeout")).status, 200);
    assert_eq!(all(&here, USERS), first);
    assert_eq!(redis.connections(), 1);
    // another store is another connection, and the sessions are still here
    let other = Redis::start();
    assert_eq!(here.reload(&with(&shared(&other, ""), &origins)).status, 200);
    assert_eq!(all(&here, USERS), first);
    assert_eq!(other.connections(), 1);
    wait_until("the first store has no series any more", || !here.metrics().contains(&redis.url()));
    // and none at all is a table as any other
    assert_eq!(here.reload(&with("by = \"header:x-user\"", &origins)).status, 200);
    assert_eq!(all(&here, USERS), first);
}

#[test]
fn a_store_that_is_named_again_while_an_exchange_of_before_goes_on_has_its_series_again() {
    let ((origin, cue), redis, other) = (Origin::answering_on_cue(), Redis::start(), Redis::start());
    let origins = [origin];
    let toml = with(&shared(&redis, ""), &origins);
    let here = instance(&toml);
    let mut client = here.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-User: 1\r\n\r\n");
    wait_until("the backend is asked", || origins[0].requests().len() == 1);
    assert_eq!(here.reload(&with(&shared(&other, ""), &origins)).status, 200);
    wait_until("the first store has no series any more", || !here.metrics().contains(&redis.url()));
    assert_eq!(here.reload(&toml).status, 200);
    let series = format!("evenkeel_session_store_up{{store=\"{}/0\"}} 1\n", redis.url());
    wait_until("it has again", || here.metrics().contains(&series));
    assert_eq!(redis.connections(), 1, "by the keeper that it had");
    cue.give();
    assert_eq!(client.response().status, 200);
}

#[test]
fn sessions_of_layer_4_are_shared_as_well() {
    let origins: Vec<Origin> = ["a", "b", "c"]
        .map(|name| {
            Origin::script(move |conn| {
                conn.send(name);
                conn.echo();
            })
        })
        .into();
    let redis = Redis::start();
    let affinity = format!("affinity = {{ by = \"client_ip\", store = \"{}\", store_timeout = \"1s\" }}", redis.url());
    let backends: String =
        origins.iter().zip('a'..).map(|(origin, id)| backend(origin.address()) + &format!("id = \"{id}\"\n")).collect();
    let toml = config("protocol = \"tcp\"", &affinity, &[]) + &backends;
    let instances = [instance(&toml), instance(&toml), instance(&toml)];
    let served: Vec<_> = instances.iter().chain(&instances).map(|instance| instance.client().bytes(1)).collect();
    assert!(served.iter().all(|by| *by == served[0]), "{served:?}");
    assert_eq!(redis.entries().len(), 1);
}

#[tokio::test]
async fn so_are_those_of_http_2() {
    let (origins, redis) = (fleet(), Redis::start());
    let toml = with(&shared(&redis, ""), &origins);
    let [here, there] = [instance(&toml), instance(&toml)];
    for user in 0..10 {
        let served = serves(&here, user);
        let client = h2::Client::connect(there.address()).await;
        let mut request = h2::get("http://a/x");
        request.headers_mut().insert("x-user", user.into());
        assert_eq!(client.call(request, "").await.body, served);
    }
}

#[test]
fn an_old_process_and_its_successor_share_as_two_instances_do() {
    let (origins, redis) = (fleet(), Redis::start());
    let mut here: Proxy = instance(&with(&shared(&redis, ""), &origins));
    let first = all(&here, USERS);
    here.kill_and_start();
    assert_eq!(all(&here, USERS), first);
    assert_eq!(lookups(&here, "shared"), USERS as u64);
}
