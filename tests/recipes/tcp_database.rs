//! tcp-database.md

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Recipe;
use super::others::{Redis, at_hand};
use super::support::{Client, Origin, Port, wait_until};

/// Two servers of PostgreSQL with Patroni beside them, at two addresses and the same ports. What they say to a client is their name.
struct Cluster {
    _servers: Vec<Origin>,
    addresses: [String; 2],
    patroni: Port,
    /// Which of them is the primary.
    primary: Arc<AtomicUsize>,
}

impl Cluster {
    fn new() -> Self {
        let (patroni, postgres, primary) = (Port::reserve(), Port::reserve(), Arc::new(AtomicUsize::new(0)));
        let mut servers = Vec::new();
        let addresses = [0, 1].map(|this| {
            let host = format!("127.0.0.{}", this + 2);
            let at = format!("{host}:{}", patroni.address().port()).parse().unwrap();
            let role = Arc::clone(&primary);
            servers.push(Origin::script_at(at, move |conn| {
                while let Ok(request) = conn.request() {
                    let is_primary = role.load(Ordering::SeqCst) == this;
                    let status = if (request.target() == "/primary") == is_primary { "200 OK" } else { "503 No" };
                    conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
                }
            }));
            let address = SocketAddr::new(host.parse().unwrap(), postgres.address().port());
            let server = Origin::script_at(address, move |conn| {
                conn.send(format!("pg-{}", this + 1));
                conn.is_closed();
            });
            servers.push(server);
            address.to_string()
        });
        Self { _servers: servers, addresses, patroni, primary }
    }
}

#[test]
fn clients_come_to_the_primary_whoever_that_is() {
    if !at_hand(&["redis-server", "redis-cli"]) {
        return;
    }
    let first = Redis::start(&[]);
    let port = first.address().port().to_string();
    let second = Redis::start(&["--replicaof", "127.0.0.1", &port]);
    let cluster = Cluster::new();

    let mut recipe = Recipe::open("tcp-database");
    let second_port = second.address().port();
    recipe.replace("10.0.0.22 -p 6379", &format!("127.0.0.1 -p {second_port}"));
    recipe.replace("10.0.0.21:6379", &first.address().to_string());
    recipe.replace("10.0.0.22:6379", &second.address().to_string());
    recipe.replace("10.0.0.31:5432", &cluster.addresses[0]);
    recipe.replace("10.0.0.32:5432", &cluster.addresses[1]);
    recipe.replace("port = 8008", &format!("port = {}", cluster.patroni.address().port()));
    recipe.follow("Files");
    recipe.follow("Start it");
    let state = |recipe: &Recipe, service: &str, id: &str| {
        let status = recipe.status();
        let backends = status["services"][service]["backends"].as_array().unwrap();
        backends.iter().find(|backend| backend["id"] == id).unwrap()["state"].as_str().unwrap().to_owned()
    };
    wait_until("the servers have said who they are", || {
        let expected =
            [("redis", "redis-1", "redis-2"), ("postgres", "pg-1", "pg-2"), ("postgres-read", "pg-2", "pg-1")];
        expected
            .iter()
            .all(|(service, up, down)| state(&recipe, service, up) == "up" && state(&recipe, service, down) == "down")
    });
    recipe.replace("redis-cli -p 6379", &format!("redis-cli -p {}", recipe.address(6379).port()));
    recipe.follow("Try it");

    // PostgreSQL: writes go to the primary, reads to the replica, and both change places with them
    let who = |recipe: &Recipe, port: u16| String::from_utf8(Client::connect(recipe.address(port)).bytes(4)).unwrap();
    assert_eq!((who(&recipe, 5432), who(&recipe, 5433)), ("pg-1".to_owned(), "pg-2".to_owned()));
    cluster.primary.store(1, Ordering::SeqCst);
    wait_until("the new primary is found", || {
        state(&recipe, "postgres", "pg-1") == "down"
            && state(&recipe, "postgres-read", "pg-2") == "down"
            && state(&recipe, "postgres", "pg-2") == "up"
            && state(&recipe, "postgres-read", "pg-1") == "up"
    });
    assert_eq!((who(&recipe, 5432), who(&recipe, 5433)), ("pg-2".to_owned(), "pg-1".to_owned()));

    // Redis: nobody writes to the replica while it is one
    let written = "set greeting hello";
    let replica = || recipe.run(&format!("redis-cli -h 127.0.0.1 -p {second_port} get greeting"));
    wait_until(written, || replica().contains("hello"));
    drop(first);
    wait_until("the old primary is out", || state(&recipe, "redis", "redis-1") == "down");
    recipe.follow("When the primary dies");
    wait_until("the new primary is found", || state(&recipe, "redis", "redis-2") == "up");
    recipe.follow("When another one is the primary");
}
