//! two-instances.md

use std::fs;

use super::Recipe;
use super::others::{Redis, at_hand};
use super::support::certs::Authority;
use super::support::{Client, Origin};

/// The page, followed on one of the two machines as far as the instance runs; with the keys of the other one, if that was first.
fn machine(shop: &[Origin; 2], redis: &Redis, keys_of: Option<&Recipe>) -> Recipe {
    let mut recipe = Recipe::open("two-instances");
    recipe.certificate("/etc/letsencrypt/live/example.com", "", &["example.com"]);
    recipe.replace("10.0.0.21:8000", shop[0].address());
    recipe.replace("10.0.0.22:8000", shop[1].address());
    recipe.replace("10.0.0.5:6379", &redis.address().to_string());
    recipe.follow("Keys that both have");
    for key in ["affinity.key", "tickets.keys"] {
        if let Some(other) = keys_of {
            fs::copy(other.path(key), recipe.path(key)).unwrap();
        }
    }
    recipe.follow("Files");
    recipe.follow("Start it");
    recipe
}

#[test]
fn what_clients_have_at_one_instance_they_have_at_the_other_one() {
    if !at_hand(&["redis-server", "openssl"]) {
        return;
    }
    let shop = ["Hello from shop-1.\n", "Hello from shop-2.\n"].map(Origin::saying);
    let redis = Redis::start(&[]);
    let mut first = machine(&shop, &redis, None);
    let mut second = machine(&shop, &redis, Some(&first));
    for recipe in [&mut first, &mut second] {
        recipe.follow("One address: keepalived");
        recipe.follow("Try it");
    }
    if at_hand(&["keepalived"]) {
        // it says something only of a mistake
        assert_eq!(first.run("keepalived -t -f keepalived.conf || echo refused").matches("refused").count(), 0);
    }

    // a client keeps its backend, whichever instance it comes to
    fs::copy(first.path("cookies"), second.path("cookies")).unwrap();
    let ask = "curl -s -b cookies https://example.com/";
    let told = first.run(ask);
    for _ in 0..6 {
        assert_eq!((first.run(ask), second.run(ask)), (told.clone(), told.clone()));
    }

    // and its TLS session
    let config = Authority::shared().client(&["http/1.1"], None);
    let visit = |recipe: &Recipe| {
        let mut client = Client::connect_tls(recipe.address(443), &config, "example.com").unwrap();
        client.send("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
        assert_eq!(client.response().status, 200);
        client.is_resumed()
    };
    assert_eq!((visit(&first), visit(&second)), (false, true));

    // a limit is one limit: who has used it up at one instance has next to nothing at the other one
    let greedy = "curl -s -o /dev/null -w '%{http_code}\\n' --interface 127.0.0.9 'https://example.com/[1-120]'";
    let at_first = first.run(greedy).matches("200").count();
    // a store that is too slow to be asked, as on a machine that is busy, has each enforce half of it
    assert!((30..=100).contains(&at_first), "{at_first}, where 60 may come at once, and one more a second");
    let one = greedy.replace("[1-120]", "");
    let at_second = (0..60).take_while(|_| second.run(&one).contains("200")).count();
    assert!(at_second < 60, "all of the burst once more at the other instance");

    // one dies
    let mut open = first.client(443);
    drop(first);
    assert!(open.ends(), "what was open to it is gone with it");
    assert_eq!(second.run(ask), told);
    assert!(visit(&second));
}
