//! [`Ingress`] under reloads, told here because a snapshot is made from a configuration only on this floor.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::config;
use crate::forward::{Ingress, Worker};
use crate::metrics::Registry;
use crate::record::Recorder;
use crate::snapshot::{self, Snapshot, Store};

fn publish(store: Option<&Store>, listeners: &[(&str, u16)]) -> Snapshot {
    let listeners: String = listeners
        .iter()
        .map(|(name, port)| format!("[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:{port}\"\nservice = \"s\"\n"))
        .collect();
    let text = format!("{listeners}[service.s]\nbackend = [{{ address = \"127.0.0.1:1\" }}]\n");
    let config = config::parse(&text, Path::new("proxy.toml")).unwrap().config;
    let before = store.map(Store::load);
    snapshot::build(&config, before.as_deref(), &mut |_, _| Err(String::new()), &Registry::new(1)).unwrap()
}

fn at(ingress: &Ingress) -> (u64, String) {
    let (snapshot, place) = ingress.current().unwrap();
    (snapshot.generation, snapshot.listeners[place].name.to_string())
}

#[test]
fn a_connection_finds_its_listener_wherever_a_reload_puts_it_and_whatever_it_is_called_then() {
    let store = Store::new(publish(None, &[("a", 8001), ("b", 8002)]), Arc::default());
    let worker = Rc::new(Worker::new(0, store.reader(), Recorder::default()));
    let key = store.load().listeners[1].key;
    let ingress = Ingress::new(&worker, key);
    assert_eq!(at(&ingress), (1, "b".to_owned()));
    store.publish(publish(Some(&store), &[("b", 8002), ("a", 8001)]));
    assert_eq!(at(&ingress), (2, "b".to_owned()));
    store.publish(publish(Some(&store), &[("x", 8003), ("a", 8001), ("renamed", 8002)]));
    assert_eq!(at(&ingress), (3, "renamed".to_owned()));
}

#[test]
fn a_listener_that_goes_serves_its_connections_by_the_last_snapshot_that_knew_it() {
    let store = Store::new(publish(None, &[("a", 8001), ("b", 8002)]), Arc::default());
    let worker = Rc::new(Worker::new(0, store.reader(), Recorder::default()));
    let ingress = Ingress::new(&worker, store.load().listeners[0].key);
    ingress.retire();
    let last = Arc::downgrade(&store.load());
    store.publish(publish(Some(&store), &[("b", 8002)]));
    store.publish(publish(Some(&store), &[("a", 8001)]));
    assert_eq!(at(&ingress), (1, "a".to_owned()), "the same address again is another listener");
    worker.snapshot();
    drop(ingress);
    store.sweep();
    assert!(last.upgrade().is_none(), "it is held no longer than its connections are");
}
